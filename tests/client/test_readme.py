"""The README's bot, as it is printed there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.client.player import Player
from tests.conftest import ROOT, Server


async def test_the_echo_bot_of_the_readme_says_everything_back(server: Server, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 1
    assert len([line for line in blocks[0].splitlines() if line.strip()]) <= 15
    own = {"EZDMS_SERVER": server.url, "EZDMS_HOME": str(tmp_path / "bot"), "EZDMS_PIN_FILE": str(tmp_path / "pin")}
    alice = (await Player.register(server, "alice", tmp_path)).listen()
    said: list[str | None] = []
    search_pin = ""
    for run in range(2):  # the second run goes on with the account of the first
        bot = await asyncio.create_subprocess_exec(
            *[sys.executable, "-c", blocks[0]],
            env=os.environ | own | {"PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
        )
        assert bot.stdout is not None
        try:
            told = (await bot.stdout.readline()).decode()
            assert told.startswith("Write to me: ")
            assert search_pin in told
            search_pin = told.split()[-1]
            contact = await alice.client.start(search_pin)
            await alice.client.send(contact, f"hello {run}")
            said += [f"hello {run}"] * 2
            await alice.hears(*said)
        finally:
            bot.kill()
            await bot.wait()
    assert [message.is_own for message in alice.heard] == [True, False] * 2
    await alice.leave()
