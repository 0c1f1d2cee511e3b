"""A nearly full disk: new accounts are refused first, while existing users continue."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Server, mounted
from tests.support.operated import operate
from tests.support.served import Program


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A separate file system of 40 MiB."""
    yield from mounted(tmp_path / "disk", "size=40m")


def leave_free(disk: Path, percent: int) -> Path:
    """Fill the disk except for this much."""
    room = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(room.f_bavail * room.f_frsize - room.f_blocks * room.f_frsize * percent // 100))
    return ballast


def disk_finding(server: Server, floor: str) -> str:
    """What `ezdms doctor` says about the disk."""
    lines = operate(server.data_dir, "doctor", EZDMS_DISK_FLOOR=floor).stdout.splitlines()
    return next(line for line in lines if " disk" in line)


def test_a_nearly_full_disk_closes_registration_until_space_is_freed(disk: Path) -> None:
    server = Server(disk, disk_floor="20")
    server.log = Path(os.devnull)
    with server:
        alice, bob = Program(server, "alice"), Program(server, "bob")
        alice.start(bob)
        ballast = leave_free(disk, 10)
        assert Program.registers(server, "eve") == 507
        assert "less than 20 %: new accounts are refused" in disk_finding(server, "20")
        alice.send(bob, "those who are here go on")
        assert alice.log_in()
        ballast.unlink()
        assert Program.registers(server, "eve") == 201
        for one in (alice, bob):
            one.close()


def test_without_a_disk_floor_registration_stays_open(disk: Path) -> None:
    server = Server(disk, disk_floor="0")
    server.log = Path(os.devnull)
    with server:
        leave_free(disk, 10)
        assert Program.registers(server, "eve") == 201
