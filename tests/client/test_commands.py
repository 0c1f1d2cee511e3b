"""The command line as people and scripts use it: output and exit codes, and real processes where pipes, terminals and
signals matter."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ezdms import crypto
from ezdms.cli import COMMANDS, main
from ezdms.client import Client, ClientError
from ezdms.client.shown import printable
from tests.conftest import ROOT, Server
from tests.support.forked import environment, launch, run


class Terminal:
    """A user's shell, with its own EZDMS_HOME and EZDMS_PIN_FILE. Commands run in this process, unless `is_real`."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.folder = folder
        self.is_real = False
        own = {"EZDMS_SERVER": server.url, "EZDMS_HOME": str(folder / "home"), "EZDMS_PIN_FILE": str(folder / "pin")}
        self.environment = environment(**own, PYTHONUNBUFFERED="1")

    def start(self, *words: str, **given: Any) -> subprocess.Popen[str]:
        """Start a process with pipes, or with the files that are given."""
        pipe = subprocess.PIPE
        return launch(*words, **{"env": self.environment, "stdin": pipe, "stdout": pipe, "stderr": pipe, **given})

    def run(self, *words: str, typed: str = "", code: int = 0) -> str:
        """Run a command that must exit with this code; returns stdout, or stderr if the code is not 0."""
        found, printed, complained = (self._run_alone if self.is_real else self._run_here)(words, typed)
        assert found == code, complained
        assert "Traceback" not in complained
        return printed if code == 0 else complained

    def _run_alone(self, words: tuple[str, ...], typed: str) -> tuple[int, str, str]:
        done = run(*words, env=self.environment, typed=typed)
        return done.returncode, done.stdout, done.stderr

    def _run_here(self, words: tuple[str, ...], typed: str) -> tuple[int, str, str]:
        own: dict[str, str | None] = dict.fromkeys(("EZDMS_PIN", "EZDMS_PIN_FILE", "EZDMS_TRUST_SERVER"))
        done = CliRunner().invoke(main, list(words), input=typed, env=own | self.environment)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    def json(self, *words: str) -> list[dict[str, object]]:
        """Run a command with --json; returns the parsed lines."""
        return [json.loads(line) for line in self.run(*words, "--json").splitlines()]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server; every test registers its own users."""
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running


def registered(server: Server, folder: Path, name: str) -> Terminal:
    folder.mkdir()
    terminal = Terminal(server, folder)
    terminal.run("register", name)
    return terminal


@pytest.fixture
def alice(server: Server, tmp_path: Path) -> Terminal:
    return registered(server, tmp_path / "alice", "alice")


@pytest.fixture
def bob(server: Server, tmp_path: Path) -> Terminal:
    return registered(server, tmp_path / "bob", "bob")


def search_pin(terminal: Terminal) -> str:
    return str(terminal.json("whoami")[0]["search_pin"])


def test_two_users_exchange_messages(alice: Terminal, bob: Terminal) -> None:
    alice.is_real = bob.is_real = True
    assert alice.run("add", search_pin(bob)) == "bob: Verified by Search PIN.\n"
    sent = alice.json("send", "bob", "hello")
    alice.run("send", "bob", "-", typed="several\nlines\n")
    alice.run("send", search_pin(bob), typed="to a PIN")
    shown = bob.run("read", "alice")
    assert re.fullmatch(r"\S+ \S+  alice: hello\n\S+ \S+  alice: several\n    lines\n\S+ \S+  alice: to a PIN\n", shown)
    rows = bob.json("read", "alice")
    assert [row["text"] for row in rows] == ["hello", "several\nlines", "to a PIN"]
    assert rows[0]["message_id"] == sent[0]["message_id"]
    assert {(row["is_own"], row["failure"], row["place"], row["alarm"]) for row in rows} == {(False, "", "ok", "")}
    assert bob.run("read", "alice", "--limit", "1").endswith("to a PIN\n")
    assert bob.run("read", "alice", "--since", "2100-01-01") == ""
    contacts = bob.json("contacts")
    assert [(one["name"], one["verified"]) for one in contacts] == [("alice", "")]
    assert "Not verified" in bob.run("contacts")
    bob.run("verify-contact", "alice", "--search-pin", search_pin(alice))
    assert "Verified by Search PIN" in bob.run("contacts")
    assert alice.run("verify-contact", "bob") == bob.run("verify-contact", "alice")  # in a pipe: only the number


def test_search_prints_what_it_finds(alice: Terminal, bob: Terminal) -> None:
    alice.run("add", search_pin(bob))
    alice.run("send", "bob", "Grüße aus Köln")
    alice.run("send", "bob", "-", typed="koln\n2026-01-01 00:00  alice: a false line\n")
    bob.run("accept", "alice")
    where = bob.json("contacts")[0]["conversation_id"]
    shown = bob.run("search", "KOLN")
    found = r"\S+ \S+  alice: koln\n    2026-01-01 00:00  alice: a false line\n\S+ \S+  alice: Grüße aus Köln\n"
    assert re.fullmatch(rf"alice  {where}\n{found}", shown)
    assert [row["text"] for row in bob.json("search", "aus", "grusse")] == ["Grüße aus Köln"]
    assert [row["text"] for row in bob.json("search", '"grüße aus"', "--in", "alice")] == ["Grüße aus Köln"]
    assert len(alice.json("search", "--from", "me")) == len(bob.json("search", "from:alice")) == 2
    assert bob.json("search", "koln", "--from", "me") == bob.json("search", "koln", "--since", "2100-01-01") == []
    assert (bob.run("search", "aus grüße", "--from", "alice").count("\n"), bob.run("search", "munich")) == (2, "")
    assert "Nothing to search for" in bob.run("search", code=1)
    assert "no contact called carol" in bob.run("search", "koln", "--in", "carol", code=1)
    assert "Expected a date" in bob.run("search", "koln", "--since", "yesterday", code=2)
    assert [one["unread"] for one in bob.json("contacts")] == [2]


def test_listen_prints_new_messages_to_a_pipe(alice: Terminal, bob: Terminal) -> None:
    alice.run("add", search_pin(bob))
    listening = bob.start("listen", "--json")
    try:
        assert listening.stdout is not None
        for text in ("one", "two"):
            alice.run("send", "bob", text)
            assert json.loads(listening.stdout.readline())["text"] == text
    finally:
        listening.kill()
        listening.communicate()
    alice.run("send", "bob", "three")
    again = bob.start("listen")
    try:
        assert again.stdout is not None
        lines = [again.stdout.readline() for _ in range(2)]
        if lines[1].endswith("alice: two\n"):  # killed before it noted that this was printed
            lines = [again.stdout.readline() for _ in range(2)]
        assert lines[0].startswith("[A request of alice, ")
        assert lines[1].endswith("alice: three\n")  # it resumes where it stopped
    finally:
        again.kill()
        again.communicate()


def test_chat_sends_typed_lines_and_prints_incoming_messages(alice: Terminal, bob: Terminal) -> None:
    alice.run("add", search_pin(bob))
    alice.run("send", "bob", "earlier")
    chat = bob.start("chat", "alice")
    assert chat.stdin is not None
    assert chat.stdout is not None
    assert chat.stdout.readline().endswith("alice: earlier\n")
    chat.stdin.write("hi alice\n")
    chat.stdin.flush()
    assert chat.stdout.readline().endswith("(you): hi alice\n")
    chat.stdin.write("x" * 501 + "\n")
    chat.stdin.flush()
    alice.run("send", "bob", "live")
    assert chat.stdout.readline() == "[Written before seeing the message above.]\n"
    assert chat.stdout.readline().endswith("alice: live\n")
    chat.stdin.close()
    assert chat.wait(timeout=20) == 0
    assert chat.stderr is not None
    said = "A message has at most 500 characters; this has 501. Send it as several messages."
    assert f": {said}" in chat.stderr.read()
    chat.stdout.close()
    chat.stderr.close()


def test_export_writes_json_lines_and_html(alice: Terminal, bob: Terminal) -> None:
    alice.run("add", search_pin(bob))
    alice.run("send", "bob", "<script>alert(1)</script> & more")
    bob.run("send", "alice", "an answer")
    folder = alice.folder / "out"
    said = alice.run("export", "--to", str(folder))
    assert "2 messages" in said
    lines = next(folder.glob("bob-*.jsonl")).read_text("utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["<script>alert(1)</script> & more", "an answer"]
    page = next(folder.glob("bob-*.html")).read_text("utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert "<script" not in page
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_failures_print_an_error_and_exit_with_a_code(server: Server, alice: Terminal, tmp_path: Path) -> None:
    assert "You have no contact called carol" in alice.run("send", "carol", "x", code=1)
    assert "Nobody on this server" in alice.run("add", crypto.search_pin(bytes(32), bytes(16)), code=1)
    assert "25 letters and digits" in alice.run("add", "x", code=1)
    assert "looks like a Login PIN" in alice.run("add", (alice.folder / "pin").read_text().strip(), code=1)
    assert "your own Search PIN" in alice.run("add", search_pin(alice), code=1)
    assert "Missing argument" in alice.run("send", code=2)
    said = alice.run("read", "bob", "--since", "yesterday", code=2)
    assert "Expected a date such as 2026-01-31, or 2026-01-31T18:00." in said
    nobody = run("contacts", env=alice.environment)
    no_contacts = "You have no contacts yet. Add one with `ezdms add SEARCH_PIN`.\n"
    assert (nobody.returncode, nobody.stdout, nobody.stderr) == (0, "", no_contacts)
    assert "No such command" in alice.run("dance", code=2)
    (tmp_path / "nobody").mkdir()
    stranger = Terminal(server, tmp_path / "nobody")
    assert "No account is saved here" in stranger.run("contacts", code=3)
    (alice.folder / "pin").write_text("0000-0000-0000-0000")
    assert "not the Login PIN" in alice.run("contacts", code=3)
    del alice.environment["EZDMS_PIN_FILE"]
    assert "Set EZDMS_PIN_FILE or EZDMS_PIN" in alice.run("contacts", code=3)
    alice.environment["EZDMS_PIN"] = search_pin(alice)
    assert "looks like a Search PIN" in alice.run("contacts", code=3)
    assert "not a server address" in alice.run("register", "x", "--server", "chat.example.org", code=2)
    for command in (("register", "x"), ("login",)):
        said = stranger.run(*command, "--server", "http://chat.example.org", code=2)
        assert "http://chat.example.org: use https. Over plain http, anyone in between could log in as you" in said
    assert "3 to 32 letters" in stranger.run("register", "x", code=1)


@pytest.mark.parametrize("is_open", [False, True], ids=["port closed", "no response"])
def test_a_waiting_command_warns_that_the_server_does_not_answer(tmp_path: Path, is_open: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if is_open:
            taken.listen()
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        own = environment(EZDMS_HOME=str(tmp_path), EZDMS_PIN_FILE="")
        waiting = launch("register", "zoe", "--server", address, env=own, stderr=subprocess.PIPE)
        assert waiting.stderr is not None
        started = time.monotonic()
        assert waiting.stderr.readline() == (
            f"Warning: The server {address} does not answer. Retrying for a minute; press Ctrl-C to stop.\n"
        )
        assert time.monotonic() - started < 20
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(timeout=10) == 1
        assert waiting.stderr.read().strip() == "Aborted!"  # warned only once
        waiting.stderr.close()


def test_contacts_with_the_same_name_are_distinguished_by_conversation_id(
    server: Server, alice: Terminal, bob: Terminal, tmp_path: Path
) -> None:
    twin = registered(server, tmp_path / "twin", "bob")
    for one in (bob, twin):
        alice.run("add", search_pin(one))
    said = alice.run("send", "bob", "which?", code=1)
    ids = re.findall(r"[0-9A-Z]{24}", said)
    assert len(ids) == 2
    assert "Several contacts are called bob" in said
    for where in ids:
        alice.run("send", where, f"to {where}")
    assert {bob.json("read", "alice")[0]["text"], twin.json("read", "alice")[0]["text"]} == {f"to {one}" for one in ids}


def test_saved_accounts_with_the_same_name_are_distinguished_by_user_id(server: Server, tmp_path: Path) -> None:
    terminal = Terminal(server, tmp_path)
    pins = {}
    for number in "12":
        terminal.environment["EZDMS_PIN_FILE"] = str(tmp_path / f"pin {number}")
        [told] = terminal.json("register", "erin")
        pins[str(told["user_id"])] = terminal.environment["EZDMS_PIN_FILE"]
    assert len(pins) == 2
    for words in (("whoami",), ("whoami", "--account", "erin"), ("contacts", "--account", "erin")):
        said = terminal.run(*words, code=1)
        assert "--account NAME or USER_ID" in said
        assert all(f"erin at {server.url} (user id {user_id})" in said for user_id in pins)
    with pytest.raises(ClientError, match="Several accounts are saved here"):  # and no third account is created
        asyncio.run(Client.enter("erin", server=server.url, home=tmp_path / "home"))
    for user_id, file in pins.items():
        terminal.environment["EZDMS_PIN_FILE"] = file
        assert terminal.json("whoami", "--account", user_id)[0]["user_id"] == user_id
        assert terminal.run("contacts", "--account", user_id) == ""
        assert terminal.run("logout", "--account", user_id) == "Logged out.\n"
    assert "No account is saved here" in terminal.run("whoami", "--account", "nobody", code=3)


def test_logging_out_ends_the_session_and_logging_in_restores_everything(alice: Terminal, bob: Terminal) -> None:
    alice.run("add", search_pin(bob))
    alice.run("send", "bob", "before")
    assert alice.run("logout") == "Logged out.\n"
    left = {path.name for path in (alice.folder / "home").iterdir()}
    assert left == {"known_servers", "known_servers.lock"}  # the server, but not the account
    assert "No account is saved here" in alice.run("whoami", code=3)
    assert "You are alice" in alice.run("login")
    assert "Verified by Search PIN" in alice.run("contacts")
    assert alice.run("read", "bob").endswith("(you): before\n")


def test_a_new_login_pin_is_shown_once_unless_saved_to_a_file(server: Server, tmp_path: Path) -> None:
    terminal = Terminal(server, tmp_path)
    assert "Login PIN" not in terminal.run("register", "carol")
    assert (tmp_path / "pin").stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"[0-9A-Z]{16}\n", (tmp_path / "pin").read_text())
    del terminal.environment["EZDMS_PIN_FILE"]
    told = json.loads(terminal.run("register", "dave", "--home", str(tmp_path / "other"), "--json"))
    assert re.fullmatch(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}", told["login_pin"])
    terminal.environment |= {"EZDMS_PIN": told["login_pin"], "EZDMS_HOME": str(tmp_path / "other")}
    assert terminal.run("contacts") == ""


def test_a_terminal_prompt_hides_the_login_pin_and_whoami_prints_a_qr_code(alice: Terminal) -> None:
    pin = (alice.folder / "pin").read_text().strip()
    del alice.environment["EZDMS_PIN_FILE"]
    ours, theirs = pty.openpty()
    shell = alice.start("contacts", stdin=theirs, stdout=theirs, stderr=theirs)
    shown = b""
    while b"Login PIN" not in shown:
        shown += os.read(ours, 1000)
    os.write(ours, pin.encode() + b"\n")
    assert shell.wait(timeout=30) == 0
    os.set_blocking(ours, False)
    assert pin.encode() not in shown + os.read(ours, 10_000)
    asked = alice.start("whoami", stdin=subprocess.DEVNULL, stdout=theirs, stderr=None)
    assert asked.wait(timeout=30) == 0
    os.close(theirs)
    os.set_blocking(ours, True)
    assert "▀".encode() in os.read(ours, 10_000)
    os.close(ours)


def test_a_mismatched_safety_number_is_an_alarm(alice: Terminal, bob: Terminal) -> None:
    alice.run("add", search_pin(bob))
    pin = (alice.folder / "pin").read_text().strip()
    piped = run("verify-contact", "bob", env=alice.environment)
    assert piped.returncode == 0
    assert re.fullmatch(r"[0-9 \n]{60,}", piped.stdout)
    assert piped.stderr.endswith("Your safety number with bob:\n")
    for answer, code, words in (("n", 5, "not the person you think it is"), ("y", 0, "Verified by safety")):
        ours, theirs = pty.openpty()
        shell = alice.start("verify-contact", "bob", stdin=theirs, stderr=subprocess.STDOUT)
        os.write(ours, f"{answer}\n".encode())
        shown, _ = shell.communicate(timeout=30)
        for descriptor in (ours, theirs):
            os.close(descriptor)
        assert "Your safety number with bob:" in shown
        assert words in shown
        assert (shell.returncode, pin in shown) == (code, False)
    assert "ALARM: You said that your safety numbers differ" in alice.run("contacts")
    assert "meet or call instead" in alice.run("send", "bob", "not yet", code=5)


def test_messages_cannot_control_the_terminal(alice: Terminal, bob: Terminal) -> None:
    alice.run("add", search_pin(bob))
    for control in ("\x9b31m", "\x7f", "\x1b[31m"):
        assert "control characters" in alice.run("send", "bob", f"{control} red", code=1)
        assert printable(f"{control} red") == f"\ufffd{control[1:]} red"  # in case one arrives anyway
    alice.run("send", "bob", "\u202ered\u2066\nalice: forged line")
    shown = bob.run("read", "alice")
    assert "alice: \ufffdred\ufffd\n" in shown
    assert "\n    alice: forged line" in shown


def test_every_command_has_help() -> None:
    def help_of(*words: str) -> str:
        return CliRunner().invoke(main, [*words, "--help"], prog_name="ezdms").output

    assert not re.search(r"\.\.\.|…$", help_of().split("Commands:")[1], re.MULTILINE)  # no sentence is truncated
    listed = re.findall(r"^  ([a-z-]+) ", help_of().split("Commands:")[1], re.MULTILINE)
    assert set(listed) == set(COMMANDS)
    for command in listed:
        assert f"Usage: ezdms {command}" in help_of(command)
        assert f"`ezdms {command}" in (ROOT / "docs" / "command-line.md").read_text("utf-8")
