"""The pin is built from the installed release alone, for one host; if it cannot be, the message says why."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import json
import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ezdms import PROTOCOL, __version__
from ezdms.cli import main
from ezdms.commands.checks.pin import ask_version
from ezdms.release import VERSION, pin, signing
from ezdms.release.manifest import installed
from tests.conftest import Server

NOBODY = "http://127.0.0.1:9"  # nothing listens there


def run(*words: str | Path) -> tuple[int, str]:
    """Run the command; returns the exit code and the output."""
    done = CliRunner().invoke(main, ["pin", *(str(word) for word in words)])
    return done.exit_code, done.output


def written(folder: Path) -> dict[str, Any]:
    """The JSON files of the extension."""
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in ("manifest", "rules")}


def test_the_extension_has_access_to_one_host_and_loads_nothing_remote(tmp_path: Path) -> None:
    pin.write(tmp_path / "pin", "https://chat.example.org", [installed()])
    made = written(tmp_path / "pin")
    manifest = made["manifest"]
    assert manifest["manifest_version"] == 3
    assert manifest["host_permissions"] == ["https://chat.example.org/*"]
    assert manifest["permissions"] == ["browsingData", "declarativeNetRequestWithHostAccess"]
    assert [one["matches"] for one in manifest["content_scripts"]] == [["https://chat.example.org/*"]]
    assert {rule["condition"]["urlFilter"] for rule in made["rules"]} == {"|https://chat.example.org/"}
    named = {manifest["background"]["service_worker"], *manifest["background"]["scripts"], "popup.html", "rules.json"}
    named |= {name for script in manifest["content_scripts"] for name in script["js"]}
    there = {path.name for path in (tmp_path / "pin").iterdir()}
    assert named <= there
    assert (tmp_path / "pin" / "icon.png").read_bytes().startswith(b"\x89PNG")
    for path in {*(tmp_path / "pin").iterdir()} - {tmp_path / "pin" / "icon.png"}:
        text = path.read_text()
        assert set(re.findall(r"https?://[a-z0-9.-]+", text)) <= {"https://chat.example.org"}
        for name in re.findall(r'(?:src|href)="([^"]+)"', text):
            assert name in {*there, "https://chat.example.org/"}
        assert not re.search(r"\beval\(|new Function|innerHTML|import\(", text)


def test_the_extension_recognizes_versions_as_the_manifest_does(tmp_path: Path) -> None:
    pin.write(tmp_path / "pin", "https://chat.example.org", [installed()])
    pinned = json.loads((tmp_path / "pin" / "pinned.js").read_text().removeprefix("globalThis.PINNED = ")[:-2])
    assert pinned["version"] == f"^(?:{VERSION.pattern})$"
    assert "new RegExp(PINNED.version).test" in (tmp_path / "pin" / "page.js").read_text()


def test_the_rule_always_sets_the_policy_of_the_release(tmp_path: Path) -> None:
    pin.write(tmp_path / "pin", "https://chat.example.org", [installed()])
    documents, others = written(tmp_path / "pin")["rules"]
    assert documents["condition"]["resourceTypes"] == ["main_frame", "sub_frame", "object"]
    headers = {one["header"]: one for one in documents["action"]["responseHeaders"]}
    policy = headers["content-security-policy"]
    assert (policy["operation"], policy["value"]) == (
        "set",
        installed().csp.replace("worker-src 'self'", "worker-src 'none'") + "; frame-src 'none'",
    )
    for part in ("form-action 'none'", "worker-src 'none'", "frame-src 'none'", "base-uri 'none'"):
        assert part in policy["value"]
    assert not re.search("unsafe|script-src [^;]*(self|http|\\*)", policy["value"])
    assert headers["content-security-policy-report-only"]["operation"] == "remove"
    for rule in (documents, others):
        nosniff = {one["header"]: one for one in rule["action"]["responseHeaders"]}["x-content-type-options"]
        assert (nosniff["operation"], nosniff["value"]) == ("set", "nosniff")


def test_a_signed_manifest_adds_its_scripts_to_the_pin(tmp_path: Path) -> None:
    new = "sha256-" + "B" * 43 + "="
    here = installed()
    old = re.findall("'(sha256-[^']*)'", here.csp)[0]
    next_one = replace(here, version="99.0.0", csp=here.csp.replace(old, new))
    signing.make_key(tmp_path / "key")
    signed = signing.sign(next_one, signing.load_private(tmp_path / "key"))
    (tmp_path / "next").write_bytes(signed)
    words = (NOBODY, "--output", tmp_path / "pin", "--also", tmp_path / "next", "--key", tmp_path / "key.pub")
    code, said = run(*words)
    assert code == 0, said
    assert f"pins EZ-DMS {__version__} and 99.0.0 at {NOBODY}" in said
    headers = written(tmp_path / "pin")["rules"][0]["action"]["responseHeaders"]
    assert f"'{old}'" in headers[0]["value"]
    assert f"'{new}'" in headers[0]["value"]
    (tmp_path / "next").write_bytes(next_one.canonical())
    assert run(*words) == (1, "Error: This manifest is not signed, so anyone could have written it. Do not use it.\n")
    (tmp_path / "next").write_bytes(signed.replace(b"99.0.0", b"99.0.1"))
    code, said = run(*words)
    assert (code, "The signature of this manifest is invalid: it was changed" in said) == (1, True)
    (tmp_path / "next").write_bytes(signing.sign(here, signing.load_private(tmp_path / "key")))  # the same release
    code, said = run(*words)
    assert (code, f"pins EZ-DMS {__version__} at {NOBODY}" in said) == (0, True), said
    assert (tmp_path / "pin" / "pinned.js").read_text().count('"build"') == 1


def test_the_help_shows_that_the_folder_is_required() -> None:
    assert run("--help")[1].startswith("Usage: main pin --output DIR [OPTIONS] ADDRESS\n")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("chat.example.org", "not a server address"),
        ("ftp://chat.example.org", "not a server address"),
        ("https://chat.example.org/c/x", "not a server address"),
        ("https://a:b@chat.example.org", "not a server address"),
        ("https://chat.example.org:99999", "not a server address"),
        ("https://", "not a server address"),
        ("https://*.example.org", "as browsers send it"),
        ("https://chät.example.org", "as browsers send it"),
        ("https://127.1", "as browsers send it"),
        ("https://2130706433", "as browsers send it"),
        ("https://0x7f.0.0.1", "as browsers send it"),
        ("https://127.0.0x1", "as browsers send it"),
        ("https://127.000.000.001", "as browsers send it"),
        ("https://256.1.1.1", "as browsers send it"),
        ("https://[2001:db8:0::1]", "as browsers send it"),
        ("http://[0:0:0:0:0:0:0:1]:5000", "as browsers send it"),
        ("https://a..b", "as browsers send it"),
        ("https://chat.example.org.", "as browsers send it"),
        ("https://chat.example.org:0", "as browsers send it"),
        (
            "http://chat.example.org",
            "Only https can be pinned: over http anyone in between can pose as the server. Try https://",
        ),
        ("http://192.168.1.7:5000", "Try https://192.168.1.7:5000."),
    ],
)
def test_an_address_that_cannot_be_pinned_is_reported_and_nothing_is_written(
    tmp_path: Path, address: str, sentence: str
) -> None:
    code, said = run(address, "--output", tmp_path / "pin")
    assert (code, sentence in said) == (1, True), said
    assert not (tmp_path / "pin").exists()


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://Chat.Example.org/", "https://chat.example.org"),
        ("https://chat.example.org:443", "https://chat.example.org"),
        ("https://chat.example.org:8443", "https://chat.example.org:8443"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("https://192.0.2.1", "https://192.0.2.1"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ("https://my_host-1.example", "https://my_host-1.example"),
    ],
)
def test_an_address_is_normalized_as_browsers_do(address: str, origin: str) -> None:
    assert pin.origin_of(address) == origin


def test_an_older_pin_is_replaced_and_any_other_folder_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "pin"
    assert run(NOBODY, "--output", folder)[0] == 0
    (folder / "rules.json").write_text("[]")
    assert run(NOBODY, "--output", folder)[0] == 0
    assert written(folder)["rules"]
    code, said = run("http://127.0.0.1:8", "--output", folder)  # another host's
    assert (code, "contains something else" in said) == (1, True)
    (folder / "mine.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, said = run(NOBODY, "--output", folder)
    assert (code, "contains something else" in said) == (1, True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (tmp_path / "file").write_text("mine")
    assert run(NOBODY, "--output", tmp_path / "file")[0] == 1


def test_symlinks_in_the_folder_are_not_followed_and_other_users_cannot_write_there(tmp_path: Path) -> None:
    folder, victim = tmp_path / "pin", tmp_path / "victim"
    victim.write_text("mine")
    before = os.umask(0)
    try:
        assert run(NOBODY, "--output", folder)[0] == 0
        (folder / "page.css").unlink()
        (folder / "page.css").symlink_to(victim)
        assert run(NOBODY, "--output", folder)[0] == 0
    finally:
        os.umask(before)
    assert victim.read_text() == "mine"
    assert (folder / "page.css").read_text() != "mine"
    assert not [path for path in (folder, *folder.iterdir()) if path.is_symlink() or path.stat().st_mode & 0o022]


def test_a_server_that_does_not_answer_is_reported(server: Server, tmp_path: Path) -> None:
    code, said = run(server.url, "--output", tmp_path / "one")
    assert (code, "Warning" in said) == (0, False)
    code, said = run(NOBODY, "--output", tmp_path / "two")
    assert (code, "no EZ-DMS server answers at" in said) == (0, True)


DEPLOYMENT = b'{"protocol": "%s", "deployment_id": "%s", "version": "9.9.9"}' % (PROTOCOL.encode(), b"A" * 22)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-security-policy: default-src 'none'; x\r\n"
ANSWERS: dict[str, tuple[bytes, str | None]] = {
    "a valid answer": (HEAD + b"connection: close\r\n\r\n" + DEPLOYMENT, "9.9.9"),
    "an answer of something in between": (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n" + DEPLOYMENT,
        None,
    ),
    "a redirect": (b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\nconnection: close\r\n\r\n", None),
    "words": (HEAD + b"connection: close\r\n\r\n" + DEPLOYMENT.replace(b"9.9.9", b"9.9.9 call-us"), None),
    "a number": (HEAD + b"connection: close\r\n\r\n" + DEPLOYMENT.replace(b'"9.9.9"', b"9"), None),
    "a list": (HEAD + b"connection: close\r\n\r\n[]", None),
    "a compressed answer": (
        HEAD + b"content-encoding: gzip\r\nconnection: close\r\n\r\n" + gzip.compress(DEPLOYMENT),
        None,
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_only_a_valid_version_is_accepted_from_a_server(name: str) -> None:
    octets, version = ANSWERS[name]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(octets)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        assert await ask_version(f"http://127.0.0.1:{port}") == version


async def test_an_endless_slow_answer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"content-length: 9000\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.transport.abort()
        ended.set()

    monkeypatch.setattr(importlib.import_module("ezdms.commands.checks.pin"), "WITHIN", 0.5)
    async with await asyncio.start_server(drip, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        async with asyncio.timeout(10):
            assert await ask_version(f"http://127.0.0.1:{port}") is None
            await ended.wait()  # the connection was closed
