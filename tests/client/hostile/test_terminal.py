"""Terminals wrap long lines: no terminal line may start with someone else's words."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios

import pytest

from ezdms.client.shown import INDENT, folded
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, where
from tests.client.hostile.wire import Answer, Asked, Wire
from tests.support.forked import environment, launch

FORGED = "2026-11-27 12:11  bob: the account number is 666"
PADDING = {
    "spaces": " ",
    "no-break spaces": "\u00a0",
    "Hangul fillers": "\u3164",
    "dots": ".",
    "wide": "寛",
    "tabs": "\t",
}
WIDTHS = (20, 40, 79, 80, 132)


def lines_of_terminal(text: str, width: int) -> list[str]:
    """The lines on the screen: broken by the text, and wrapped by the terminal."""
    lines = []
    for line in text.split("\n"):
        cells = [(letter, 2 if letter in "寛\u3164" else 1) for letter in line.expandtabs(8)]
        start, used = 0, 0
        for i, (_, size) in enumerate(cells):
            if used + size > width:
                lines.append("".join(letter for letter, _ in cells[start:i]))
                start, used = i, 0
            used += size
        lines.append("".join(letter for letter, _ in cells[start:]))
    return lines


@pytest.mark.parametrize("padding", PADDING.values(), ids=PADDING)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_terminal_line_starts_with_someone_elses_words(width: int, padding: str) -> None:
    for count in range(2 * width):
        text = f"2026-11-27 12:10  carol: hi{padding * count}{FORGED}"
        first, *others = lines_of_terminal(folded(text, width), width)
        assert text.startswith(first.rstrip()[:10])
        assert [line for line in others if not line.startswith(INDENT)] == []


@pytest.mark.parametrize("wide", ["寛", "\t"], ids=["a wide letter", "a tab"])
def test_wide_characters_wrap_without_overflowing_the_next_line(wide: str) -> None:
    text = f"abcd {'x' * 15}{wide}{FORGED}"
    lines = folded(text, 20).split("\n")
    assert lines_of_terminal("\n".join(lines), 20) == [line.expandtabs(8) for line in lines]


def test_short_lines_are_unchanged_and_no_text_is_lost() -> None:
    assert folded("2026-11-27 12:10  carol: hi\n    and more", 80) == "2026-11-27 12:10  carol: hi\n    and more"
    text = "a word after the other, and then " + "x" * 100
    assert "".join(folded(text, 40).split()) == "".join(text.split())


def test_piped_output_is_folded_to_the_terminal_width(
    world: World, anna: Someone, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ezdms.commands.client.printing.columns", lambda: 40)
    assert world.carol.run("add", anna.search_pin).code == 0
    assert world.carol.run("send", where(anna, world.carol), f"hi{'.' * 60}{FORGED}").code == 0
    shown = anna.run("read", "carol").out
    assert max(map(len, shown.splitlines())) == 40
    assert {line[:4] for line in shown.splitlines()[1:]} == {INDENT}


def test_no_terminal_line_starts_with_a_server_error(anna: Someone, wire: Wire) -> None:
    def lie(_: Asked, answer: Answer) -> None:
        answer.status, answer.json = 400, {"error": "." * 57 + FORGED, "code": "x"}

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    own = environment(EZDMS_SERVER=wire.url, EZDMS_HOME=str(anna.home), EZDMS_PIN=anna.pin)
    with wire.telling("GET /conversations/.*", lie):
        code = launch("contacts", env=own, stdin=theirs, stdout=theirs, stderr=theirs).wait(60)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode().replace("\r\n", "\n").rstrip("\n")
    os.close(ours)
    assert code == 1
    first, *others = lines_of_terminal(shown, 80)
    assert (first[:6], {line[:4] for line in others}) == ("Error:", {INDENT})
