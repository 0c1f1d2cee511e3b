"""deploy/ezdms.service, .socket and .env: systemd accepts them, and the server runs within the unit's limits."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest

from ezdms.settings import PREFIX, Settings
from tests.conftest import ROOT, Server, skip_or_fail
from tests.support.served import Program

UNIT = ROOT / "deploy" / "ezdms.service"
SETTINGS = ROOT / "deploy" / "ezdms.env"
MOST_EXPOSED = 15  # tenths of what `systemd-analyze security` counts, 10.0 being the worst; it was 1.2

# What systemd sets up before it runs a command: no new privileges, no memory that is writable and executable, and no
# system calls except those listed. Arguments: the calls, separated by commas, then the command.
CONFINE = """
import ctypes, errno, os, sys
class Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]
library = ctypes.CDLL("libseccomp.so.2")
library.seccomp_init.restype = ctypes.c_void_p
ALLOW, REFUSE, MASKED_EQUAL, WRITE, EXEC = 0x7FFF0000, 0x00050000 | errno.EPERM, 7, 2, 4
def add(filter, action, name, *comparisons):
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number != -1:
        rule = (Comparison * len(comparisons))(*comparisons)
        code = ctypes.c_uint32(action)
        assert library.seccomp_rule_add_array(ctypes.c_void_p(filter), code, number, len(rule), rule) == 0
calls = library.seccomp_init(REFUSE)
for name in sys.argv[1].split(","):
    add(calls, ALLOW, name)
memory = library.seccomp_init(ALLOW)
add(memory, REFUSE, "mmap", Comparison(2, MASKED_EQUAL, WRITE | EXEC, WRITE | EXEC))
for name in ("mprotect", "pkey_mprotect"):
    add(memory, REFUSE, name, Comparison(2, MASKED_EQUAL, EXEC, EXEC))
for filter in (memory, calls):
    assert library.seccomp_load(ctypes.c_void_p(filter)) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, which does not need a running systemd for this."""
    program = shutil.which("systemd-analyze")
    if program is None:
        skip_or_fail("systemd-analyze is missing (Debian: apt install systemd)")
    return subprocess.run([str(program), "--no-pager", *arguments], capture_output=True, text=True, check=False)


def told(name: str) -> list[str]:
    """The values of this directive in the unit."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def allowed_calls() -> list[str]:
    """The system calls that SystemCallFilter= allows, with its groups expanded."""
    groups: dict[str, list[str]] = {}
    for line in analyze("syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            members = groups.setdefault(line.strip(), [])
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members.append(line.strip())

    def spelt(names: list[str]) -> set[str]:
        return {call for name in names for call in (spelt(groups[name]) if name[0] == "@" else [name])}

    allowed, refused = told("SystemCallFilter")
    assert refused[0] == "~"
    return sorted(spelt(allowed.split()) - spelt(refused[1:].split()))


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, for this checkout instead of /opt/ezdms."""
    text = UNIT.read_text()
    start = "ExecStart=/opt/ezdms/bin/ezdms serve\n"
    assert start in text
    path = tmp_path / UNIT.name
    path.write_text(text.replace(start, f'ExecStart="{ROOT}/bin/ezdms" serve\n'))
    return path


def test_systemd_accepts_the_units_without_warnings(unit: Path) -> None:
    socket = Path(shutil.copy(UNIT.with_suffix(".socket"), unit.parent))
    done = analyze("verify", str(unit), str(socket))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    socket.write_text(socket.read_text().replace("SocketMode=0660", "SocketMode=all"))
    assert "Failed to parse mode value" in analyze("verify", str(socket)).stderr
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=strictly"))
    assert "protect system" in analyze("verify", str(unit)).stderr


def test_the_unit_for_several_processes_is_accepted_and_is_the_other_one_with_their_addresses(
    unit: Path, tmp_path: Path
) -> None:
    several = UNIT.with_name("ezdms@.service")
    text = several.read_text().replace(
        "ExecStart=/opt/ezdms/bin/ezdms serve\n", f'ExecStart="{ROOT}/bin/ezdms" serve\n'
    )
    (tmp_path / several.name).write_text(text)
    done = analyze("verify", str(tmp_path / "ezdms@1.service"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    own, other = (
        {line for line in path.read_text().splitlines() if line[:1] not in ("#", "")} for path in (several, UNIT)
    )
    assert {line.partition("=")[0] for line in other - own} == {"Description"}
    assert {line for line in own - other if not line.startswith("Description=")} == {
        "User=ezdms",
        "Environment=EZDMS_PORT=500%i",
        "LoadCredential=database-url:/etc/ezdms/database-url",
        "LoadCredential=bus-url:/etc/ezdms/bus-url",
        "Environment=EZDMS_DATABASE_URL_FILE=%d/database-url",
        "Environment=EZDMS_BUS_URL_FILE=%d/bus-url",
    }
    assert unit.exists()


def test_the_exposure_of_the_service_is_low(unit: Path) -> None:
    done = analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", str(unit))
    assert done.returncode == 0, done.stdout
    unit.write_text(re.sub(r"^SystemCallFilter=.*$", "", unit.read_text(), flags=re.MULTILINE))
    assert analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", str(unit)).returncode != 0


def settings_file(*, with_defaults: bool) -> dict[str, str]:
    """What ezdms.env sets, as systemd and shells read it; `with_defaults` includes what is commented out."""
    lines = re.findall(rf"^(#?)({PREFIX}\w+)=(.*)$", SETTINGS.read_text(), re.MULTILINE)
    return {name: value for comment, name, value in lines if with_defaults or not comment}


def test_the_settings_file_has_the_defaults_and_trusts_only_localhost() -> None:
    assert settings_file(with_defaults=False) == {"EZDMS_TRUSTED_PROXIES": "127.0.0.1"}
    whole = settings_file(with_defaults=True)
    defaults = {f"{PREFIX}{item.name.upper()}": item.metadata["default"] for item in fields(Settings)}
    assert {name: defaults[name] for name in whole} | {"EZDMS_TRUSTED_PROXIES": "127.0.0.1"} == whole
    assert told("EnvironmentFile") == ["-/etc/ezdms.env"]


# ---- Within the unit's limits ----


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A read-only checkout as in /opt/ezdms, with an environment that borrows the packages of this one."""
    folder = tmp_path / "opt"
    for name in ("bin", "ezdms", "migrations"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", folder)
    venv.create(folder / ".venv")
    (next((folder / ".venv" / "lib").glob("*/site-packages")) / "borrowed.pth").write_text(
        sysconfig.get_path("purelib")
    )
    stamp = '. "$0/bin/lib.sh"; stamp_of "$0/.venv" "$0/requirements.lock" >"$0/.venv/made-from"'
    subprocess.run(["bash", "-c", stamp, str(folder)], check=True)
    inside = [folder, *folder.rglob("*")]
    for path in inside:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    yield folder
    for path in inside:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


def confined(command: list[str]) -> list[str]:
    """The command with the unit's system call filter and, as root, without capabilities such as writing anywhere."""
    assert told("CapabilityBoundingSet") == [""]
    assert told("MemoryDenyWriteExecute") == told("NoNewPrivileges") == ["yes"]
    assert told("SystemCallErrorNumber") == ["EPERM"]
    drop = ["setpriv", "--no-new-privs"]
    if os.geteuid() == 0:
        drop += ["--inh-caps=-all", "--bounding-set=-all"]
    return [*drop, sys.executable, "-c", CONFINE, ",".join(allowed_calls()), *command]


def test_the_command_runs_within_the_units_limits_and_writes_only_to_its_folder(checkout: Path, tmp_path: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in checkout.rglob("*")}
    state = tmp_path / "var"
    (state / "ezdms").mkdir(parents=True)
    (data_dir,) = told("Environment")
    assert data_dir == "EZDMS_DATA_DIR=%S/ezdms"
    environment = settings_file(with_defaults=True) | {"EZDMS_DATA_DIR": f"{state}/ezdms", "EZDMS_PORT": "0"}
    (command,) = told("ExecStart")
    (umask,) = told("UMask")
    process = subprocess.Popen(
        confined(shlex.split(command.replace("/opt/ezdms", str(checkout)))),
        cwd=state / "ezdms",
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        umask=int(umask, 8),
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        server = Server(tmp_path)
        server.port = int(process.stdout.readline().rsplit(":", 1)[-1])
        Program(server, "alice").close()  # scrypt, signatures, threads and the database all work within these limits
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=float(told("TimeoutStopSec")[0])) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert {path: path.lstat().st_mtime_ns for path in checkout.rglob("*")} == before
    assert stat.S_IMODE((state / "ezdms" / "ezdms.db").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "forbidden",
    [
        "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)",
        "import os; os.sched_setaffinity(0, [0])",
        "open('{checkout}/ezdms/__init__.py', 'a')",
    ],
)
def test_the_unit_blocks_what_it_forbids(checkout: Path, tmp_path: Path, forbidden: str) -> None:
    program = forbidden.format(checkout=checkout)
    done = subprocess.run(
        confined([sys.executable, "-c", program]), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "PermissionError" in done.stderr
