"""The documented service: the server runs as a user of its own, and root runs every other command."""

from __future__ import annotations

import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.hosting.test_doctor import examine
from tests.support.dynamic import USER, Service, readable_by_all
from tests.support.operated import operate, refused, said
from tests.support.served import Program


@pytest.fixture
def service() -> Iterator[Service]:
    """A running server of another user."""
    with readable_by_all() as folder, Service(folder) as running:
        yield running


def failures(service: Service) -> dict[str, str]:
    """What the doctor, run by root, says has failed."""
    return {name: sentence for name, (status, sentence) in examine(service).items() if status == "failed"}


def test_root_can_back_up_and_restore_and_the_server_goes_on_as_its_own_user(service: Service, tmp_path: Path) -> None:
    copy = tmp_path / "b.db"
    with closing(Program(service, "alice")) as alice, closing(Program(service, "bob")) as bob:
        conversation = alice.start(bob)
        alice.send(bob, "kept")
        said(operate(service.data_dir, "backup", str(copy)))
        assert (copy.stat().st_uid, service.owners(), failures(service)) == (0, {}, {})
        alice.send(bob, "too late")
        assert service.stop() == 0
        said(operate(service.data_dir, "backup", "--replace", str(tmp_path / "cold.db")))  # also of a stopped server
        told = said(operate(service.data_dir, "restore", str(copy), "--replace"))
        assert "The previous database is now" in told
        assert (service.owners(), failures(service)) == ({}, {})
        service.start()
        with closing(Program.of(service, alice)) as there:
            assert [one["seq"] for one in there.ask(f"/messages/{conversation}")] == [1]
        alice.send(bob, "goes on")
    assert (service.stop(), service.owners(), failures(service)) == (0, {}, {})
    assert service.complaints() == ""


def test_a_restore_by_root_into_an_empty_folder_belongs_to_the_folders_owner(service: Service, tmp_path: Path) -> None:
    Program(service, "alice").close()
    said(operate(service.data_dir, "backup", str(tmp_path / "b.db")))
    assert service.stop() == 0
    for path in service.state.iterdir():
        path.unlink()
    said(operate(service.data_dir, "restore", str(tmp_path / "b.db")))
    assert service.owners() == {}
    service.start()
    assert Program.registers(service, "alice") == 409


def test_commands_of_root_leave_nothing_that_the_server_cannot_use(service: Service) -> None:
    Program(service, "alice").close()
    for _ in range(2):  # the server runs, then it does not
        for command in ("users", "invite", "invite --withdraw", "users end-sessions alice", "users remove alice --yes"):
            done = operate(service.data_dir, *command.split(), EZDMS_PUBLIC_URL="https://chat.example")
            assert (done.returncode, service.owners()) == (int("alice" in command and service.process is None), {}), (
                done
            )
        assert failures(service) == {}
        if service.process is not None:
            assert service.stop() == 0
            for name in ("ezdms.lock", "ezdms.db-wal", "ezdms.db-shm"):
                (service.state / name).unlink(missing_ok=True)
    service.start()


def test_the_documented_backup_of_cron_works_and_the_doctor_is_content(service: Service, tmp_path: Path) -> None:
    Program(service, "alice").close()
    page = (ROOT / "docs" / "self-hosting.md").read_text("utf-8")
    [line] = re.findall(r"^15 4 \* \* \*  (.*)$", page, re.MULTILINE)
    paths = {
        "cd /opt/ezdms": f"cd {shlex.quote(str(ROOT))}",
        "/var/lib/ezdms": shlex.quote(str(service.data_dir)),
        "/backup/": f"{shlex.quote(str(tmp_path))}/",
        "bin/ezdms": f"{shlex.quote(sys.executable)} -m ezdms",
        r"\%": "%",  # for cron, % is a new line
    }
    for old, new in paths.items():
        assert old in line
        line = line.replace(old, new)
    for _ in range(2):  # next week, the file of the same day is replaced
        cron = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "SHELL": "/bin/sh"}
        done = subprocess.run(["sh", "-c", line], env=cron, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    [copy] = tmp_path.glob("ezdms-*.db")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT username FROM users").fetchall() == [("alice",)]
    assert (copy.stat().st_uid, service.owners(), failures(service)) == (0, {}, {})


def test_the_doctor_names_what_belongs_to_someone_else_and_the_command_that_mends_it(service: Service) -> None:
    (service.state / "ezdms.db-old").touch(0o600)
    (service.state / ".ezdms.db-litestream").mkdir(0o700)  # of another program, which needs it: no fault
    found = failures(service)
    assert list(found) == ["owner"]
    assert "ezdms.db-old does not belong to the folder's owner" in found["owner"]
    command = found["owner"].rpartition("Run: ")[2]
    subprocess.run(shlex.split(command), check=True)
    assert failures(service) == {}


def test_a_planted_link_does_not_make_root_write_or_give_away_another_file(service: Service, tmp_path: Path) -> None:
    for name in ("last_backup.json", "ezdms.lock"):
        precious = tmp_path / name
        precious.write_text("precious")
        assert service.process is None or service.stop() == 0
        (service.state / name).unlink(missing_ok=True)
        (service.state / name).symlink_to(precious)
        operate(service.data_dir, "backup", "--replace", str(tmp_path / "b.db"))
        operate(service.data_dir, "users")
        assert (precious.read_text(), precious.stat().st_uid) == ("precious", 0)


def test_the_server_itself_is_still_refused_to_root(service: Service) -> None:
    assert service.stop() == 0
    sentence = refused(operate(service.data_dir, "serve", "--port", "0"))
    assert f"belongs to user {USER}, but you are root" in sentence
