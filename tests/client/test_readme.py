"""The README's bot, exactly as printed."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from ezdms import crypto
from ezdms.client import Client
from ezdms.client.state import State
from tests.client.test_going_on import forge
from tests.conftest import ROOT, Server
from tests.support.forked import environment
from tests.support.player import Player


async def test_the_readme_echo_bot_echoes_every_message(server: Server, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 1
    assert len([line for line in blocks[0].splitlines() if line.strip()]) <= 15
    own = {"EZDMS_SERVER": server.url, "EZDMS_HOME": str(tmp_path / "bot"), "EZDMS_PIN_FILE": str(tmp_path / "pin")}
    alice = (await Player.register(server, "alice", tmp_path)).listen()
    said: list[str | None] = []
    search_pin = ""
    for run in range(2):  # the second run uses the same account
        bot = await asyncio.create_subprocess_exec(
            *[sys.executable, "-c", blocks[0]],
            env=environment(**own),
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
    assert [message.place for message in alice.heard] == ["ok"] * 4  # each answer has seen what it answers
    await alice.leave()


async def test_the_readme_bot_survives_a_forged_message_and_serves_other_contacts(
    server: Server, tmp_path: Path
) -> None:
    block = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[0]
    own = {"EZDMS_SERVER": server.url, "EZDMS_HOME": str(tmp_path / "bot"), "EZDMS_PIN_FILE": str(tmp_path / "pin")}
    alice, bob = [(await Player.register(server, name, tmp_path)).listen() for name in ("alice", "bob")]
    heard = {"alice": 0, "bob": 0}
    for run in range(3):  # the forged message arrives in the second run and is still there in the third
        bot = await asyncio.create_subprocess_exec(
            *[sys.executable, "-c", block],
            env=environment(**own),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert bot.stdout is not None
        assert bot.stderr is not None
        try:
            search_pin = (await bot.stdout.readline()).decode().split()[-1]
            for player, name in ((alice, "alice"), (bob, "bob")):
                contact = await player.client.start(search_pin)
                await player.client.send(contact, f"hello {run}")
                if run == 0 or name == "bob":  # Alice gets nothing more until a person acts
                    heard[name] += 2
                    await player.hears(*[f"hello {one}" for one in range(run + 1) for _ in range(2)])
            assert bot.returncode is None
        finally:
            bot.kill()
            said = (await bot.stderr.read()).decode()
            await bot.wait()
        assert "Traceback" not in said
        if run == 0:
            async with await Client.open(State.find(tmp_path / "bot"), (tmp_path / "pin").read_text()) as reader:
                forge(server, crypto.generate_keys(), reader.keys, n=3)
        else:
            assert "alice: " in said
            assert "A message has a forged signature" in said
    assert [message.text for message in alice.heard][:2] == ["hello 0"] * 2
    assert len([message for message in alice.heard if not message.is_own and message.text]) == 1
    for player in (alice, bob):
        await player.leave()
