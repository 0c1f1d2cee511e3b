"""The README's bot, exactly as printed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from ezdms import crypto
from ezdms.client import Client
from ezdms.client.state import State
from tests.client.test_going_on import forge
from tests.conftest import ROOT, Server
from tests.support.forked import environment, launch
from tests.support.player import Player


async def test_the_readme_bot_echoes_every_message_survives_a_forged_one_and_serves_others(
    server: Server, tmp_path: Path
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 1
    assert len([line for line in blocks[0].splitlines() if line.strip()]) <= 15
    (tmp_path / "bot.py").write_text(blocks[0])
    own = {"EZDMS_SERVER": server.url, "EZDMS_HOME": str(tmp_path / "bot"), "EZDMS_PIN_FILE": str(tmp_path / "pin")}
    own["PYTHONPATH"] = f"{ROOT}:{tmp_path}"
    alice, bob = [(await Player.register(server, name, tmp_path)).listen() for name in ("alice", "bob")]
    found = set[str]()
    for run in range(4):  # the forged message arrives in the third run and is still there in the fourth
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with launch(module="bot", env=environment() | own, **pipes) as bot:
            assert bot.stdout is not None
            assert bot.stderr is not None
            try:
                told = bot.stdout.readline()
                assert told.startswith("Write to me: ")
                found.add(told.split()[-1])
                for player, name in ((alice, "alice"), (bob, "bob")):
                    contact = await player.client.start(told.split()[-1])
                    await player.client.send(contact, f"hello {run}")
                    if run < 2 or name == "bob":  # Alice gets nothing more until a person acts
                        await player.hears(*[f"hello {one}" for one in range(run + 1) for _ in range(2)])
                assert bot.poll() is None
            finally:
                bot.kill()
                said = bot.stderr.read()
        assert "Traceback" not in said
        if run == 1:
            async with await Client.open(State.find(tmp_path / "bot"), (tmp_path / "pin").read_text()) as reader:
                forge(server, crypto.generate_keys(), reader.keys, n=4)
        assert ("alice: " in said) == ("A message has a forged signature" in said) == (run > 1)
    assert len(found) == 1  # every run uses the same account
    assert [message.is_own for message in bob.heard] == [True, False] * 4
    assert [message.place for message in bob.heard] == ["ok"] * 8  # each answer has seen what it answers
    assert [message.text for message in alice.heard][:4] == ["hello 0"] * 2 + ["hello 1"] * 2
    assert len([message for message in alice.heard if not message.is_own and message.text]) == 2
    for player in (alice, bob):
        await player.leave()
