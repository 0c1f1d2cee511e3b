"""Commands work in any encoding, with text from any system, and with options on either side of the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ezdms.cli import command_first
from tests.conftest import Server
from tests.support.forked import environment
from tests.support.once import real_login_pin
from tests.support.player import Player

SAID = "Füße auf dem Tisch: 足 😀"


def run(player: Player, *words: str, given: bytes = b"", encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    """Run a command as this player in a new process, whose streams have this encoding."""
    own = environment(EZDMS_HOME=str(player.home), EZDMS_PIN=player.pin, PYTHONIOENCODING=encoding)
    return subprocess.run(
        [sys.executable, "-P", "-m", "ezdms", *words],
        env={name: value for name, value in own.items() if name != "PYTHONUTF8"},
        input=given,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
async def people(server: Server, tmp_path: Path) -> tuple[Player, Player]:
    """Alice, whose commands run, and Bob, who are in contact."""
    alice = await Player.register(server, "alice", tmp_path, real_login_pin())
    bob = await Player.register(server, "bob", tmp_path)
    await alice.client.start(bob.client.search_pin)
    await alice.client.close()
    return alice, bob


async def test_standard_input_is_read_as_any_system_writes_it(people: tuple[Player, Player]) -> None:
    """Lines may end in CRLF, and a byte order mark may come first."""
    alice, bob = people
    for given in (b"one\r\ntwo\r\n", b"\xef\xbb\xbfthree", b"\xef\xbb\xbffour\r\n\r\nfive", SAID.encode() + b"\n"):
        done = run(alice, "send", "bob", given=given)
        assert done.returncode == 0, done.stderr
    bob.listen()
    await bob.hears("one\ntwo", "three", "four\n\nfive", SAID)
    await bob.leave()


async def test_input_that_is_no_text_is_refused_and_nothing_is_sent(people: tuple[Player, Player]) -> None:
    alice, bob = people
    done = run(alice, "send", "bob", given="Füße".encode("latin-1"))
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: ")
    assert b"Traceback" not in done.stderr
    talked = run(alice, "chat", "bob", given="one\nFüße\ntwo\n".encode("latin-1"))
    assert talked.returncode == 0
    assert b"Not sent" in talked.stderr
    bob.listen()
    await bob.hears("one", "two")
    await bob.leave()


async def test_output_works_in_any_encoding_and_json_stays_json(people: tuple[Player, Player]) -> None:
    alice, bob = people
    contact = (await bob.client.contacts())[0]
    await bob.client.send(contact, SAID)
    await bob.leave()
    for encoding in ("latin-1", "koi8-r", "utf-8"):
        shown = run(alice, "read", "bob", encoding=encoding)
        assert shown.returncode == 0, shown.stderr
        assert "auf dem Tisch".encode(encoding) in shown.stdout
        lines = run(alice, "read", "bob", "--json", encoding=encoding).stdout.decode(encoding)
        assert json.loads(lines.splitlines()[-1])["text"] == SAID


async def test_shared_options_work_before_and_after_the_command(people: tuple[Player, Player]) -> None:
    alice, bob = people
    await bob.leave()
    after = run(alice, "contacts", "--account", "alice", "--json")
    before = run(alice, "--account", "alice", "--json", "contacts")
    assert after.returncode == before.returncode == 0
    assert json.loads(before.stdout)["name"] == "bob"
    assert before.stdout == after.stdout
    assert run(alice, "--account", "contacts", "contacts").returncode == 3  # the option's value, not the command


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--server URL send bob hi", "send --server URL bob hi"),
        ("--server=URL send bob", "send --server=URL bob"),
        ("--account send send bob", "send --account send bob"),
        ("--json --data-dir X users", "users --json --data-dir X"),
        ("send bob --server", "send bob --server"),
        ("--version", "--version"),
        ("--server URL", "--server URL"),
        ("--no-such send", "--no-such send"),
        ("", ""),
    ],
)
def test_shared_options_move_behind_the_command(given: str, meant: str) -> None:
    assert command_first(given.split()) == meant.split()
