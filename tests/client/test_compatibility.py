"""A client from before edits, reactions and timers meets this version, and the other way round."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ezdms import crypto
from ezdms.client import Client
from tests.conftest import ROOT, Server

BEFORE = "026040d^"  # the last commit whose client knew texts alone
NEWER = "[Needs a newer version of EZ-DMS]"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of that version."""
    done = subprocess.run(["git", "archive", BEFORE, "ezdms"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("the history of this checkout does not reach back far enough")
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


async def test_a_client_that_knows_texts_alone_shows_the_rest_as_newer_and_carries_on(
    server: Server, tmp_path: Path, old: Path
) -> None:
    pin = crypto.new_login_pin()
    environment = {"PYTHONPATH": str(old), "EZDMS_HOME": str(tmp_path / "old"), "EZDMS_PIN": pin}
    environment |= {"EZDMS_SERVER": server.url, "PATH": "/usr/bin:/bin", "PYTHONUTF8": "1"}

    def ezdms(*words: str) -> str:
        command = [sys.executable, "-m", "ezdms", *words]
        done = subprocess.run(
            command, env=environment, cwd=old, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    # The keys of an account are the same in both versions.
    async with await Client.register(server.url, "olaf", pin, home=tmp_path / "olaf") as olaf:
        search_pin = olaf.search_pin
    ezdms("login")
    async with await Client.register(server.url, "nora", crypto.new_login_pin(), home=tmp_path / "nora") as nora:
        contact = await nora.start(search_pin)
        for text in ("one", "two", "three"):
            await nora.send(contact, text)
        one, two, three = await nora.history(contact)
        await one.edit("uno")
        await two.delete()
        await three.react("👍")
        await three.reply("an answer")
        await nora.set_timer(contact, 3600)
        await nora.send(contact, "short")
        said = ezdms("read", "nora")
        assert said.count(NEWER) == 4  # edit, deletion, reaction, timer
        for text in ("nora: three", "nora: an answer", "nora: short"):
            assert text in said
        assert "uno" not in said
        ezdms("send", "nora", "hello from long ago")
        page = await nora.history(contact)
        assert [(one.state, one.text) for one in page] == [
            ("edited", "uno"),
            ("deleted", None),
            ("text", "three"),
            ("text", "an answer"),
            ("timer", None),
            ("text", "short"),
            ("text", "hello from long ago"),
        ]
        assert {(message.place, message.alarm) for message in page} == {("ok", "")}
        await page[-1].reply("welcome back")
        assert "nora: welcome back" in ezdms("read", "nora")
