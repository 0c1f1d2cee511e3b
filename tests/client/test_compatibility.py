"""A client from before edits, reactions and timers meets this version, and the other way round."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ezdms.client import Client, ClientError
from ezdms.client.sending import OLD_SERVER
from tests.conftest import ROOT, Server
from tests.support.once import real_login_pin

BEFORE = "026040d^"  # the last commit whose client knew texts alone
SERVER_BEFORE = "c6f479b^"  # the last commit whose server knew nothing of changes, timers, marks and signals
NEWER = "[Needs a newer version of EZ-DMS]"


def package_of(commit: str, folder: Path) -> Path:
    """The package as it was then, with its migrations."""
    archive = ["git", "archive", commit, "ezdms", "migrations"]
    done = subprocess.run(archive, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("the history of this checkout does not reach back far enough")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as found:
        found.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package_of(BEFORE, tmp_path_factory.mktemp("old"))


@pytest.fixture
def old_server(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the version before."""
    folder = package_of(SERVER_BEFORE, tmp_path)
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "PYTHONUTF8": "1", "EZDMS_PORT": "0"}
    environment |= {"EZDMS_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "-m", "ezdms", "serve"]
    with subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            announced = re.fullmatch(r"EZ-DMS is at (http://\S+)\n", process.stdout.readline())
            assert announced is not None
            yield announced[1]
        finally:
            process.kill()


async def test_an_old_server_carries_texts_and_refuses_the_rest_in_words_and_nothing_is_lost(
    old_server: str, tmp_path: Path
) -> None:
    pins = {name: real_login_pin() for name in ("nora", "olaf")}
    nora, olaf = [await Client.register(old_server, name, pin, home=tmp_path / name) for name, pin in pins.items()]
    async with nora, olaf:
        where = (await nora.start(olaf.search_pin)).conversation_id
        for text in ("one", "two"):
            await nora.send(where, text)
        await olaf.send(where, "back")
        one, two, back = await nora.history(where)
        for refused in (one.edit("uno"), two.delete(), nora.set_timer(where, 3600)):
            with pytest.raises(ClientError, match=re.escape(OLD_SERVER)):
                await refused
            assert nora.waiting() == []
        await one.reply("an answer")  # what only the two must understand, the server need not know
        await back.react("👍")
        await back.hide()  # it keeps its copy: her own devices do not show it
        for client in (nora, olaf):
            await client.set_receipts(True)
            await client.set_typing(True)
            await client.mark_read(where)  # nobody's concern
            await client.typing(where)
        await olaf.send(where, "still here")
        hers, his = [await client.history(where) for client in (nora, olaf)]
        texts = ["one", "two", "back", "an answer", "still here"]
        assert [one.text for one in his] == texts
        assert [one.text for one in hers] == [None if text == "back" else text for text in texts]
        assert (hers[2].state, his[2].reactions, his[3].answers is not None) == ("hidden", {"theirs": "👍"}, True)
        assert {(message.place in ("ok", "crossed"), message.alarm) for message in hers + his} == {(True, "")}
        assert (nora.waiting(), olaf.waiting()) == ([], [])


async def test_a_client_that_knows_texts_alone_shows_the_rest_as_newer_and_carries_on(
    server: Server, tmp_path: Path, old: Path
) -> None:
    pin = real_login_pin()
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
    async with await Client.register(server.url, "nora", real_login_pin(), home=tmp_path / "nora") as nora:
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
