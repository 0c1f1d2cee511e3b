"""Two-step login with the Python client, the command line and the bridge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import BadAnswer, Client, CodeNeeded, ServerError, WrongCode, WrongPin, answers
from ezdms.client.state import State
from tests.client.test_typing import Typist
from tests.conftest import Server
from tests.support.bridged import Bridge
from tests.support.forked import environment, run
from tests.support.second_step import code_of, rewind_file, turn_on_in, wrong_code


@dataclass
class Alice:
    """An account with two-step login."""

    server: Server
    pin: str
    home: Path
    secret: str
    recovery: list[str]

    def code(self) -> str:
        """A code that was not used yet."""
        rewind_file(self.server.data_dir)
        return code_of(self.secret)


@pytest.fixture
async def alice(server: Server, tmp_path: Path) -> AsyncIterator[Alice]:
    pin, home = crypto.new_login_pin(), tmp_path / "alice"
    async with await Client.register(server.url, "alice", pin, home=home) as client:
        yield Alice(server, pin, home, *await turn_on_in(client, pin))


async def test_a_login_without_a_code_raises_the_challenge_and_saves_nothing(alice: Alice, tmp_path: Path) -> None:
    home = tmp_path / "new"
    with pytest.raises(CodeNeeded, match="Two-step login is on") as needed:
        await Client.login(alice.server.url, alice.pin, home=home)
    assert list(home.glob("*.json")) == []
    wrong = wrong_code(alice.secret)
    with pytest.raises(WrongCode, match="wrong or too old"):
        await Client.login(alice.server.url, alice.pin, code=wrong, challenge=needed.value.challenge, home=home)
    assert list(home.glob("*.json")) == []
    code = alice.code()
    async with await Client.login(
        alice.server.url, alice.pin, code=code, challenge=needed.value.challenge, home=home
    ) as client:
        assert client.username == "alice"
    with pytest.raises(WrongCode, match="already used"):
        await Client.login(alice.server.url, alice.pin, code=code, home=home)


async def test_pin_and_code_log_in_at_once_and_recovery_codes_too(alice: Alice, tmp_path: Path) -> None:
    for code in (alice.code(), alice.recovery[0], alice.recovery[1].lower()):
        async with await Client.login(alice.server.url, alice.pin, code=code, home=tmp_path / "new") as client:
            assert client.username == "alice"
    with pytest.raises(WrongCode, match="already used"):
        await Client.login(alice.server.url, alice.pin, code=alice.recovery[0], home=tmp_path / "new")


async def test_the_pin_is_checked_again_if_the_challenge_is_not_known(alice: Alice, tmp_path: Path) -> None:
    async with await Client.login(
        alice.server.url, alice.pin, code=alice.code(), challenge="old", home=tmp_path / "new"
    ) as client:
        assert client.username == "alice"
    with pytest.raises(WrongPin):
        await Client.login(alice.server.url, crypto.new_login_pin(), code=alice.code(), home=tmp_path / "new")


async def test_the_library_turns_it_on_makes_new_recovery_codes_and_turns_it_off(
    server: Server, tmp_path: Path
) -> None:
    pin, home = crypto.new_login_pin(), tmp_path / "anna"
    async with await Client.register(server.url, "anna", pin, home=home) as client:
        two_step = client.two_step
        with pytest.raises(WrongPin):
            await two_step.begin(crypto.new_login_pin())
        secret = await two_step.begin(pin)
        with pytest.raises(WrongCode):
            await two_step.turn_on(secret, wrong_code(secret))
        assert not await two_step.is_on()
        old = await two_step.turn_on(secret, code_of(secret))
        assert await two_step.is_on()
        with pytest.raises(CodeNeeded):
            await Client.login(server.url, pin, home=tmp_path / "new")
        with pytest.raises(WrongPin):
            await two_step.new_recovery_codes(crypto.new_login_pin(), old[0])
        new = await two_step.new_recovery_codes(pin, old[0])
        assert (len(set(new)), set(old) & set(new)) == (10, set())
        for code in (old[1], "12345"):
            with pytest.raises(WrongCode):
                await two_step.turn_off(pin, code)
        await two_step.turn_off(pin, new[0])
        assert not await two_step.is_on()
    async with await Client.login(server.url, pin, home=tmp_path / "new") as client:
        assert client.username == "anna"


@pytest.mark.parametrize(
    "lie",
    [
        *(None, [], {}, {"recovery_codes": "x"}, {"recovery_codes": ["AAAAA-AAAAA"] * 9}),
        *({"recovery_codes": [5] * 10}, {"recovery_codes": ["\x1b]0;owned\x07"] * 10}),
    ],
)
def test_what_are_no_recovery_codes_is_shown_to_nobody(lie: Any) -> None:
    with pytest.raises(BadAnswer):
        answers.read_recovery_codes(lie)
    for secret in (None, "", "a" * 32, "A" * 31, "\x1b" * 32, 5):
        with pytest.raises(BadAnswer):
            answers.read_secret({"secret": secret})
    for is_on in (None, 1, "true"):
        with pytest.raises(BadAnswer):
            answers.read_is_on({"is_on": is_on})


@pytest.mark.parametrize("typed", ["12345", "1234567", "code", "K7QW-3MTX-9RBC-5HJD", "ABCDE FGHJ"])
async def test_nothing_but_a_code_is_sent_as_one(alice: Alice, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongCode, match="A code has 6 digits"):
        await Client.login("http://127.0.0.1:9", alice.pin, code=typed)  # nobody answers there


async def test_after_five_wrong_codes_the_error_says_how_long_to_wait(alice: Alice, tmp_path: Path) -> None:
    wrong = wrong_code(alice.secret)
    for _ in range(5):
        with pytest.raises(WrongCode):
            await Client.login(alice.server.url, alice.pin, code=wrong, home=tmp_path / "new")
    with pytest.raises(ServerError, match="Wait 15 minutes, or use a recovery code") as refused:
        await Client.login(alice.server.url, alice.pin, code=code_of(alice.secret), home=tmp_path / "new")
    assert (refused.value.status, refused.value.code) == (429, "too_many_codes")
    async with await Client.open(State.find(alice.home), alice.pin) as client:
        assert client.username == "alice"  # the session from before


async def test_a_saved_account_whose_session_ended_needs_a_code(alice: Alice) -> None:
    state = State.find(alice.home)
    async with await Client.open(state, alice.pin) as client:  # the session is valid: no code is needed
        await client._transport.post("/logout")
    with pytest.raises(CodeNeeded) as needed:
        await Client.open(state, alice.pin)
    code, challenge = alice.code(), needed.value.challenge
    async with await Client.open(state, alice.pin, code=code, challenge=challenge) as client:
        assert client.username == "alice"


@pytest.fixture
def typist(alice: Alice, tmp_path: Path) -> Iterator[Typist]:
    typist = Typist(alice.server, tmp_path / "typist")
    typist.environment["EZDMS_PIN"] = alice.pin
    yield typist
    typist.close()


async def test_the_command_line_asks_for_the_code(alice: Alice, typist: Typist) -> None:
    typist.start("login")
    typist.sees("Code from your app, or a recovery code: ")
    typist.types("12345")
    typist.sees("A code has 6 digits.")
    typist.sees("Code from your app, or a recovery code: ", times=2)
    typist.types(alice.recovery[0])
    typist.sees("You are alice.")
    assert typist.ends() == 0
    typist.shown = ""
    typist.start("contacts")  # with the session that it saved
    assert typist.ends() == 0
    assert "Code" not in typist.shown


async def test_after_three_wrong_codes_the_command_ends(alice: Alice, typist: Typist) -> None:
    typist.start("login")
    for times in (1, 2, 3):
        typist.sees("Code from your app, or a recovery code: ", times)
        typist.types(wrong_code(alice.secret))
    assert typist.ends() == 3
    assert typist.shown.count("This code is wrong or too old") == 3


async def test_without_a_terminal_the_command_says_that_a_code_is_needed(alice: Alice, tmp_path: Path) -> None:
    own = environment(EZDMS_SERVER=alice.server.url, EZDMS_HOME=str(tmp_path / "new"), EZDMS_PIN=alice.pin)
    done = run("login", env=own)
    assert (done.returncode, "Two-step login is on" in done.stderr) == (3, True)


async def test_the_bridge_says_that_it_needs_a_code_and_takes_one(alice: Alice, tmp_path: Path) -> None:
    async with Bridge(alice.server.url, tmp_path / "bridge") as bridge:
        fields = {"login_pin": alice.pin}
        answer = await bridge.ask("/login", fields)
        assert (answer.status_code, answer.json()["second_step"]) == (401, True)
        assert "field code" in answer.json()["error"]
        for wrong in ("12", wrong_code(alice.secret)):
            answer = await bridge.ask("/login", fields | {"code": wrong})
            assert (answer.status_code, set(answer.json())) == (401, {"error"})
        assert (await bridge.get("/login", fields | {"code": alice.code()}))["username"] == "alice"
