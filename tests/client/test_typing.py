"""What people type in a real terminal: a Login PIN that is mistyped, and the lines of a chat."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from ezdms import crypto
from ezdms.commands.client.chatting import _not_sent
from tests.conftest import Server
from tests.support.forked import environment, launch, run


class Typist:
    """Someone with a command that runs in a pseudo terminal."""

    def __init__(self, server: Server, home: Path) -> None:
        self.environment = environment(EZDMS_SERVER=server.url, EZDMS_HOME=str(home))
        self.shown = ""
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 1000, 0, 0))  # no line is wrapped

    def start(self, *words: str) -> None:
        self.process = launch(
            *words, env=self.environment, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs
        )

    def types(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def sees(self, words: str, times: int = 1) -> None:
        """Wait until the terminal has shown these words so many times."""
        while self.shown.count(words) < times:
            assert select.select([self._ours], [], [], 30)[0], self.shown
            self.shown += os.read(self._ours, 4096).decode(errors="replace").replace("\r\n", "\n")

    def ends(self) -> int:
        """Wait for the exit code, and for what is still to be shown."""
        code = self.process.wait(timeout=30)
        while select.select([self._ours], [], [], 0)[0]:
            self.shown += os.read(self._ours, 4096).decode(errors="replace").replace("\r\n", "\n")
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), limit_login="off") as running:
        yield running


@pytest.fixture
def typist(server: Server, tmp_path: Path) -> Iterator[Typist]:
    typist = Typist(server, tmp_path / "typist")
    typist.start("register", "alice")
    typist.sees("Search PIN: ")
    assert typist.ends() == 0
    yield typist
    typist.close()


def login_pin(typist: Typist) -> str:
    found = re.search(r"Login PIN:  (\S+)", typist.shown)
    assert found
    return found[1]


def test_a_mistyped_login_pin_is_asked_for_again(typist: Typist) -> None:
    pin = login_pin(typist)
    typist.shown = ""
    typist.start("login")
    mistyped = {
        pin[:-1]: "A Login PIN has 16 letters and digits; this has 15.",
        crypto.new_login_pin(): "No account has this Login PIN.",
    }
    for times, (typed, said) in enumerate(mistyped.items(), 1):
        typist.sees("Login PIN: ", times)
        typist.types(typed)
        typist.sees(said)
        typist.sees("Type it again as you saved it.", times)
    typist.sees("Login PIN: ", times=3)
    typist.types(pin)
    typist.sees("You are alice.")
    assert typist.ends() == 0
    assert [typed for typed in (*mistyped, pin) if typed in typist.shown] == []


def test_a_malformed_login_pin_is_refused_before_a_server_is_asked(typist: Typist) -> None:
    typist.environment["EZDMS_SERVER"] = "http://127.0.0.1:9"  # nobody answers there
    for malformed, said in (("1234", "16 letters and digits; this has 4."), ("U" * 16, "letters except U.")):
        typist.shown = ""
        typist.start("login")
        for times in (1, 2, 3):
            typist.sees("Login PIN: ", times)
            typist.types(malformed)
        assert typist.ends() == 3
        assert typist.shown.count(said) == 3
        assert typist.shown.count("Type it again") == 2
        assert "does not answer" not in typist.shown


def test_after_three_mistyped_login_pins_a_command_ends(typist: Typist) -> None:
    for command in ("contacts", "logout"):
        typist.shown = ""
        typist.start(command)
        for times in (1, 2, 3):
            typist.sees("Login PIN: ", times)
            typist.types(crypto.new_login_pin())
        assert typist.ends() == 3
        assert typist.shown.count("This is not the Login PIN of the account saved here.") == 3


def test_a_wrong_login_pin_that_nobody_typed_is_not_asked_for_again(typist: Typist) -> None:
    environment = typist.environment | {"EZDMS_PIN": crypto.new_login_pin()}
    done = run("login", env=environment, typed=f"{login_pin(typist)}\n" * 3)
    assert done.returncode == 3
    assert "Type it again" not in done.stderr
    typist.shown = ""
    typist.environment = environment  # in a terminal, too
    typist.start("login")
    assert typist.ends() == 3
    assert "Login PIN: " not in typist.shown


def test_a_line_typed_in_a_chat_stands_once_in_the_terminal(typist: Typist, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text(crypto.new_login_pin())
    bob = typist.environment | {"EZDMS_HOME": str(tmp_path / "bob"), "EZDMS_PIN_FILE": str(tmp_path / "pin")}
    assert run("register", "bob", env=bob).returncode == 0
    search_pin = re.findall(r"Search PIN: (\S+)", typist.shown)[0]
    assert run("send", search_pin, "hello", env=bob).returncode == 0
    typist.environment["EZDMS_PIN"] = login_pin(typist)
    typist.shown = ""
    typist.start("chat", "bob")
    typist.sees("bob: hello")
    typist.types("hi bob")
    typist.types("x" * 501)
    typist.sees("Not sent: A message has at most 500 characters; this has 501. Send it as several messages.")
    elsewhere = typist.environment | {"EZDMS_HOME": str(tmp_path / "elsewhere")}
    assert run("login", env=elsewhere).returncode == 0
    assert run("send", "bob", "from my other device", env=elsewhere).returncode == 0
    typist.sees("(you): from my other device")  # comes after everything that was typed
    os.write(typist._ours, b"\x04")
    assert typist.ends() == 0
    assert typist.shown.count("hi bob") == 1
    assert typist.shown.count("xxxxx") == 501 // 5
    assert "(you): hi bob" in run("read", "bob", env=typist.environment).stdout


def test_messages_are_changed_in_a_chat_by_their_number(typist: Typist, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text(crypto.new_login_pin())
    bob = typist.environment | {"EZDMS_HOME": str(tmp_path / "bob"), "EZDMS_PIN_FILE": str(tmp_path / "pin")}
    assert run("register", "bob", env=bob).returncode == 0
    search_pin = re.findall(r"Search PIN: (\S+)", typist.shown)[0]
    for text in ("shall we meet?", "when?"):
        assert run("send", search_pin, text, env=bob).returncode == 0
    typist.environment["EZDMS_PIN"] = login_pin(typist)
    typist.shown = ""
    typist.start("chat", "bob")
    typist.sees("#1  ")
    typist.sees("bob: when?")
    typist.types("/react 👍")
    typist.sees("bob: when?\n  👍 (you)")
    typist.types("/reply #1 yse, at //eight")
    typist.types("/edit yes, at eight")
    typist.sees("(you): yes, at eight")  # the quote stood in the text that is gone
    for typed, said in (
        ("/edit", "Not sent: Write a text after the command."),
        ("/edit #99 x", "Not sent: There is no message #99 here."),
        ("/delete #1", "Not sent: Only the person who sent a message can edit it or delete it for both."),
        ("/dleete", "Not sent: There is no command /dleete."),
        ("/react x", "Not sent: Expected one emoji."),
        ("/timer soon", "Not sent: Write a time such as"),
        ("/timer 4s", "Not sent: Expected 0 or 5 to 31536000 seconds."),
        ("/timer 1h", "(you): [Messages disappear 1 hour after they are sent, read or not.]"),
        ("/timer", "Messages disappear 1 hour after they are sent"),
        ("/help", "/hide [#N]"),
        ("/hide #1", "You deleted the message for yourself."),
        ("//bin", "//bin"),
        ("/list", "(you): /bin"),
        ("/delete", "(you): [Message deleted]"),
    ):
        typist.types(typed)
        typist.sees(said, 2 if typed == "/timer" else 1)
    os.write(typist._ours, b"\x04")
    assert typist.ends() == 0
    read = run("read", "alice", env=bob).stdout
    assert "bob: shall we meet?" not in read  # his own messages are "(you)"
    for line in (
        "(you): shall we meet?",
        "(you): when?\n  👍 alice",
        "alice: yes, at eight",
        "alice: [Message deleted]",
    ):
        assert line in read
    assert "yse" not in read
    export = run("export", "--to", str(tmp_path / "out"), "bob", env=typist.environment)
    assert export.returncode == 0
    (page,) = (tmp_path / "out").glob("*.html")
    assert "[You deleted this message for yourself.]" in page.read_text()
    assert "👍 (you)" in page.read_text()
    assert "yse" not in "".join(path.read_text() for path in (tmp_path / "out").iterdir())


def test_a_failed_line_is_quoted_if_others_were_typed_meanwhile() -> None:
    later = asyncio.Queue[str]()
    assert _not_sent("see you at eight\n", later) == "Not sent"
    later.put_nowait("or at nine\n")
    assert _not_sent("see you at eight\n", later) == "Not sent (“see you at eight”)"
    assert _not_sent("x" * 40 + "\n", later) == f"Not sent (“{'x' * 29}…”)"
