"""Misleading usernames: they may look like someone's PIN, or like the mark of the user's own messages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ezdms import crypto
from ezdms.commands.client.printing import OWN, as_argument
from ezdms.protocol import envelope
from ezdms.protocol.encoding import EnvelopeError
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, where
from tests.client.hostile.test_bridge import Program, bridged
from tests.client.hostile.test_lists import LIST
from tests.client.hostile.wire import Answer, Asked, Wire


@pytest.fixture(scope="module")
def at_home(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Someone]:
    """Anna, Dora, whose Search PIN others know, and Mallory, who wrote to Anna."""
    folder = tmp_path_factory.mktemp("names")
    people = {name: Someone.register(world.wire, name, folder / name) for name in ("anna", "dora", "mallory")}
    for other in (world.bob, world.carol):
        assert people["anna"].run("add", other.search_pin).code == 0
    assert people["mallory"].run("add", people["anna"].search_pin).code == 0
    assert people["mallory"].run("send", "anna", "hi").code == 0
    return people


@pytest.fixture
def anna(at_home: dict[str, Someone], tmp_path: Path) -> Someone:
    """Anna, with her own home directory for this test."""
    return at_home["anna"].copy(tmp_path)


@pytest.fixture
def dora(at_home: dict[str, Someone], tmp_path: Path) -> Someone:
    """Dora, with her own home directory for this test."""
    return at_home["dora"].copy(tmp_path)


@pytest.fixture
def mallory(at_home: dict[str, Someone], anna: Someone, dora: Someone, wire: Wire) -> Iterator[Someone]:
    """Mallory signed Dora's Search PIN as her name; an older server may have accepted that."""
    mallory = at_home["mallory"]
    statement = crypto.sign_statement(mallory.keys, dora.search_pin, 2, time.time_ns() // 10**6)

    def renamed(_: Asked, answer: Answer) -> None:
        answer.json = [
            line | {"partner_statement": statement} if line["conversation_id"] == where(anna, mallory) else line
            for line in answer.json
        ]

    with wire.telling(LIST, renamed):
        wire.forget()
        yield mallory


def test_sending_to_a_search_pin_reaches_its_owner(anna: Someone, dora: Someone, mallory: Someone, wire: Wire) -> None:
    for typed in (dora.search_pin, dora.search_pin.lower().replace("-", "")):
        wire.forget()
        said = anna.run("send", typed, "for dora alone")
        assert said.code == 0
        assert [one.fields["conversation_id"] for one in wire.posted("/send_message")] == [where(anna, dora)], typed
    said = anna.run("send", where(anna, mallory), "for mallory")  # the control: the conversation id reaches her
    assert (said.code, wire.posted("/send_message")[-1].fields["conversation_id"]) == (0, where(anna, mallory))
    which = as_argument(where(anna, mallory))  # a name here would verify someone else
    assert f"`ezdms verify-contact {which}`" in said.err


@pytest.mark.parametrize("words", [["read"], ["verify-contact"], ["chat"], ["export"]], ids=lambda words: words[0])
def test_commands_never_treat_a_search_pin_as_a_name(
    anna: Someone, dora: Someone, mallory: Someone, wire: Wire, tmp_path: Path, words: list[str]
) -> None:
    more = ["--to", str(tmp_path / "out")] if words == ["export"] else []
    said = anna.run(*words, dora.search_pin, *more)
    assert said.code == 0
    assert [one.fields["partner_search_pin"] for one in wire.posted("/start_conversation")] == [dora.search_pin]
    assert where(anna, mallory) not in said.all
    assert {one.path for one in wire.asked if one.path.startswith("/messages")} <= {f"/messages/{where(anna, dora)}"}


def test_a_mistyped_search_pin_is_not_treated_as_a_name(
    anna: Someone, dora: Someone, mallory: Someone, wire: Wire
) -> None:
    wrong = ("1" if dora.search_pin[0] == "0" else "0") + dora.search_pin[1:]
    said = anna.run("send", wrong, "for dora alone")
    assert (said.code, "typo in this Search PIN" in said.err) == (1, True)
    assert wire.posted("/send_message") == []


def test_the_bridge_starts_conversations_with_the_search_pins_owner(
    anna: Someone, dora: Someone, mallory: Someone, wire: Wire
) -> None:
    asked = {"user_id": anna.user_id, "partner_search_pin": dora.search_pin}

    async def act(program: Program) -> None:
        assert (await program.ask("/login", {"login_pin": anna.pin}))[0] == 200
        code, answer = await program.ask("/start_conversation", asked)
        assert (code, answer["conversation_id"]) == (200, where(anna, dora))

    bridged(wire, anna.home, act)


def test_new_usernames_cannot_look_like_pins(dora: Someone, wire: Wire, tmp_path: Path) -> None:
    wire.forget()
    for name, kind in ((dora.search_pin, "Search"), ("ABCD-EFGH-JKMN-PQRS", "Login"), ("abcdefgh1234jkmn", "Login")):
        said = dora.run("register", name, "--home", str(tmp_path / "new"))
        assert (said.code, f"This looks like a {kind} PIN" in said.err) == (1, True)
    assert wire.posted("/register") == []


@pytest.mark.parametrize("name", ["you", "You", "me_", "-you-"])
def test_no_username_can_imitate_the_mark_of_own_messages(anna: Someone, wire: Wire, tmp_path: Path, name: str) -> None:
    namesake = Someone.register(wire, name, tmp_path / "namesake")
    assert namesake.run("add", anna.search_pin).code == 0
    assert namesake.run("send", "anna", "I agree to pay").code == 0
    talk = where(anna, namesake)
    assert anna.run("send", talk, "never").code == 0
    lines = anna.run("read", talk).out.splitlines()
    assert [line.partition("  ")[2] for line in lines if line[:2] == "20"] == [
        f"{name}: I agree to pay",
        "(you): never",
    ]
    assert anna.run("export", talk, "--to", str(tmp_path / "out")).code == 0
    (page,) = (tmp_path / "out").glob("*.html")
    assert ("(you): never" in page.read_text("utf-8"), f"{name}: I agree" in page.read_text("utf-8")) == (True, True)
    with pytest.raises(EnvelopeError):
        envelope.check_username(OWN)
