"""The page accepts exactly the elements and attributes that the templates have."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ezdms.models.conversation import Conversation, Line
from ezdms.models.message import Message
from ezdms.models.session import Device, Session
from ezdms.models.signal import Signal
from ezdms.views import fragments
from ezdms.views.shells import shells
from tests.conftest import ROOT

JS = ROOT / "ezdms" / "static" / "js"
PARTS = sorted((ROOT / "ezdms" / "templates" / "parts").glob("*.html"))
FRAGMENTS = sorted((ROOT / "ezdms" / "templates" / "fragments").glob("*.html"))
FOR_PROGRAMS = {"account", "alert", "notice"}  # HTML answers that no page swaps in
WHERE, KEY = "0" * 24, "A" * 43


class Elements(HTMLParser):
    """The start tags with their attributes, and all text that is not blank."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts += [data] if data.strip() else []


def set_named(name: str, file: str) -> set[str]:
    """The words of `const NAME = new Set(("…" + "…").split(" "))`."""
    source = (JS / file).read_text("utf-8")
    found = re.search(rf'const {name} = new Set\(\((.*?)\s*\)\.split\(" "\)\)', source, re.DOTALL)
    assert found
    return set("".join(re.findall(r'"([^"]*)"', found[1])).split())


def values_named(name: str, file: str) -> set[str]:
    """The names of `const NAME = { name: /…/, … }`."""
    source = (JS / file).read_text("utf-8")
    found = re.search(rf"const {name} = {{(.*?)\n}};", source, re.DOTALL)
    assert found
    return set(re.findall(r"(\w+): /", found[1]))


def test_shell_parts_have_exactly_the_markup_that_the_page_accepts() -> None:
    app = Elements(shells({"name": "x", "notice": "", "registration": "open", "retention": "0"})["app"].body.decode())
    inside = [(tag, attributes) for tag, attributes in app.found[app.found.index(next_template(app)) :]]
    parts = [(tag, attributes) for tag, attributes in inside if tag != "template"]
    assert len(parts) > 200
    assert {tag for tag, _ in parts} == set_named("TAGS", "shell.js")
    found = {name for _, attributes in parts for name in attributes}
    assert found == set_named("HARMLESS", "shell.js") | values_named("VALUES", "shell.js")
    templates = [attributes["id"] for tag, attributes in inside if tag == "template"]
    assert templates == list(dict.fromkeys(templates))
    assert set(templates) == {path.stem for path in PARTS}


def next_template(app: Elements) -> tuple[str, dict[str, str | None]]:
    return next(element for element in app.found if element[0] == "template")


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.stem)
def test_shell_parts_have_no_active_attributes(path: Path) -> None:
    for _, attributes in Elements(path.read_text("utf-8")).found:
        for name in attributes:
            assert not re.match(r"hx-|data-hx|on|form|action|method|name$|ping|src(doc|set)|style|target|is$", name)


def shapes() -> dict[str, tuple[set[str], set[str]]]:
    """For each element, the attributes that guard.js requires and those that it allows."""
    source = (JS / "guard.js").read_text("utf-8")
    table = re.search(r"const FRAGMENTS = {\n(.*?)\n};", source, re.DOTALL)
    assert table
    found = {}
    for name, body in re.findall(r'^  "([a-z-]+)": {(.*?)}', table[1], re.DOTALL | re.MULTILINE):
        attributes = re.findall(r'"(\??data-[a-z-]+)":', body)
        may = {attribute[1:] for attribute in attributes if attribute[0] == "?"}
        found[name] = ({attribute for attribute in attributes if attribute[0] != "?"}, may)
    return found


def rendered() -> list[str]:
    """Every fragment that a page accepts, with all optional content and with none."""
    session = Session("S" * 22, "U" * 22, "alice", "", "", "", 0, 0, 0)
    devices = [Device(name * 22, "Firefox on Linux", "127.0.0.1", 0, 0) for name in ("S", "T")]
    statement = "e.e." + "A" * 86
    here = Conversation(WHERE, "P" * 22, "bob", statement, 0, 2, 0, 1, found_by="search_pin", pin_created_at=1)
    left = Conversation(WHERE, "P" * 22, "", "", 0, 2, 0, 1)
    line = Line(WHERE, "bob", 2, 0, 1)
    own = Message(WHERE, "M" * 22, 2, "U" * 22, 0, 1, 1, KEY, "sealed")
    gone = Message(
        WHERE, "N" * 22, 3, "P" * 22, 0, 1, 1, KEY, None, 60, "M" * 22, "hidden", "e.e." + "A" * 86, "F" * 22
    )
    return [
        fragments.device_list(session, devices),
        fragments.conversation_list([here, left]),
        fragments.conversation_item(here),
        fragments.message_list([own, gone], user_id="U" * 22, older_than=2),
        fragments.thread(here, [own], own, user_id="U" * 22),
        fragments.thread(left, [], None, user_id="U" * 22),
        fragments.message_arrived(own, line, "U" * 22),
        fragments.preview_list([own, gone], user_id="U" * 22),
        fragments.conversation_changed(line),
        fragments.conversation_changed(line, own, "U" * 22),
        fragments.conversation_changed(here),
        fragments.signal_arrived(WHERE, "", "sealed"),
        fragments.signal_list(WHERE, [Signal("P" * 22, "read", "sealed", 0)]),
        fragments.vault_stored(7),
    ]


def test_every_fragment_has_the_shape_that_the_page_accepts() -> None:
    seen: dict[str, list[set[str]]] = {}
    for html in rendered():
        elements = Elements(html)
        assert elements.texts == []  # the text is in the page
        for tag, attributes in elements.found:
            if tag == "hx-partial":
                assert set(attributes) == {"hx-target", "hx-swap"}
            else:
                seen.setdefault(tag, []).append(set(attributes))
    assert set(seen) == set(shapes())
    for tag, (must, may) in shapes().items():
        assert set.intersection(*seen[tag]) == must, tag
        assert set.union(*seen[tag]) == must | may, tag


def test_every_fragment_that_a_page_accepts_is_covered() -> None:
    names = {path.stem for path in FRAGMENTS} - FOR_PROGRAMS
    called = {
        "message",
        "message_preview",
        "signal",
        *re.findall(r"fragments\.(\w+)\(", Path(__file__).read_text("utf-8")),
    }
    assert names == called
