"""docs/bridge.md: its calls work as they are printed, and its numbers are the code's."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from ezdms.bridge.people import PATIENCE
from ezdms.bridge.reading import LARGEST_BODY, MOST
from tests.client.bridged import Bridge, environment
from tests.conftest import ROOT, Server

DOCUMENT = (ROOT / "docs" / "bridge.md").read_text("utf-8")


def say(line: str, folder: Path, **known: str) -> str:
    """A line in a shell; what it printed."""
    command = ["bash", "-c", line]
    done = subprocess.run(
        command, cwd=folder, env=environment() | known, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, (line, done.stderr)
    return done.stdout


async def test_every_call_works_as_printed(server: Server, tmp_path: Path) -> None:
    printed = re.search(r"```sh\n(.+?)```", DOCUMENT, re.DOTALL)
    assert printed
    make_header, *calls = printed[1].splitlines()
    token = tmp_path / "token"
    async with Bridge(server.url, tmp_path / "bridge", "--token-file", str(token)) as bridge:
        bridge.token = token.read_text().strip()
        bob = await bridge.user("bob")
        known = {"BRIDGE": bridge.url, "THEIR_PIN": bob.search_pin}
        say(make_header, tmp_path)
        answers = {}
        for call in calls:
            path = re.search(r"\$BRIDGE/(\w+)", call)
            assert path
            answer = answers[path[1]] = json.loads(say(call, tmp_path, **known))
            assert "error" not in answer, (call, answer)
            if path[1] == "register":
                (tmp_path / "pin").write_text(answer["login_pin"] + "\n")
                known["ME"] = answer["user_id"]
            if path[1] == "start_conversation":
                known["WHERE"] = answer["conversation_id"]
    assert answers["messages_decrypted"][0]["content"] == "Hello 👋"
    assert answers["messages"][0]["message_id"] == answers["send_message"]["message_id"]
    assert answers["ping"] == {"status": "ok"}
    routes = set(re.findall(r"^\| `(?:GET|POST) /(\w+)", DOCUMENT, re.MULTILINE))
    assert routes == set(answers)
    for name in ("register", "start_conversation", "send_message"):
        row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `POST /{name}`"))
        assert set(answers[name]) <= set(re.findall(r"`(\w+)`", row))


def test_its_numbers_are_those_of_the_code() -> None:
    assert f"at most {MOST:,} messages" in DOCUMENT
    assert f"over {LARGEST_BODY // 1024} KiB" in DOCUMENT
    assert PATIENCE == 10
    assert "cannot be reached for ten seconds" in DOCUMENT
