"""docs/bridge.md: its calls work as printed, and its numbers match the code."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from ezdms.bridge.accounts import PATIENCE
from ezdms.bridge.forms import LARGEST_BODY, MOST
from tests.conftest import ROOT, Server
from tests.support.bridged import Bridge
from tests.support.forked import environment

DOCUMENT = (ROOT / "docs" / "bridge.md").read_text("utf-8")


# Saves each response to a file, in order, and still prints it.
RECORD = 'n=10; curl() { n=$((n + 1)); command curl "$@" > "answer $n"; cat "answer $n"; }; set -eu'


def play(program: str, folder: Path) -> None:
    """Run the program in one shell."""
    command = ["bash", "-c", program]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


async def test_every_documented_call_works(server: Server, tmp_path: Path) -> None:
    printed = re.search(r"```sh\n(.+?)```", DOCUMENT, re.DOTALL)
    assert printed
    token = tmp_path / "token"
    async with Bridge(server.url, tmp_path / "bridge", "--token-file", str(token)) as bridge:
        bridge.token = token.read_text().strip()
        bob = await bridge.user("bob")
        program = printed[1]
        for name, value in {"BRIDGE": bridge.url, "THEIR_PIN": bob.search_pin}.items():
            program, count = re.subn(rf"^{name}=.+$", f"{name}={value}", program, flags=re.MULTILINE)
            assert count == 1
        play(f"{RECORD}\n{program}", tmp_path)
    asked = re.findall(r"^curl .*?\$BRIDGE/(\w+)", program, re.MULTILINE)
    given = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("answer *"))]
    answers = dict(zip(asked, given, strict=True))
    assert [answer for answer in given if "error" in answer] == []
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("header", "account", "pin")} == {0o600}
    assert answers["messages_decrypted"][0]["content"] == "Hello 👋"
    assert answers["messages"][0]["message_id"] == answers["send_message"]["message_id"]
    assert answers["ping"] == {"status": "ok"}
    routes = set(re.findall(r"^\| `(?:GET|POST) /(\w+)", DOCUMENT, re.MULTILINE))
    assert routes == set(answers)
    for name in ("register", "start_conversation", "send_message"):
        row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `POST /{name}`"))
        assert set(answers[name]) <= set(re.findall(r"`(\w+)`", row))


def test_documented_limits_match_the_code() -> None:
    assert f"at most {MOST:,} messages" in DOCUMENT
    assert f"over {LARGEST_BODY // 1024} KiB" in DOCUMENT
    assert PATIENCE == 10
    assert "cannot be reached for ten seconds" in DOCUMENT
