"""The server cannot decrypt because it cannot import decryption."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

from tests.conftest import ROOT

IMPORT_ALL = """
import importlib, pathlib, sys
root = pathlib.Path("ezdms")
for path in sorted(root.rglob("*.py")):  # not pkgutil: it imports what it walks
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    if name == "ezdms.commands.server.serve" or not any(f"{{name}}.".startswith(f"{{one}}.") for one in {allowed!r}):
        importlib.import_module(name)
print("ezdms.crypto" in sys.modules, len(sys.modules))
"""


def crypto_is_loaded_without(*allowed: str) -> bool:
    """Import everything but the named modules in a new process; True if that loads ezdms.crypto."""
    program = IMPORT_ALL.format(allowed=set(allowed))
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded, count = found.stdout.split()
    assert int(count) > 100
    return loaded == "True"


CLIENT_SIDE = ("ezdms.crypto", "ezdms.client", "ezdms.bridge", "ezdms.opened", "ezdms.verify", "ezdms.commands")


def test_server_modules_do_not_import_crypto() -> None:
    assert not crypto_is_loaded_without("ezdms.__main__", *CLIENT_SIDE)
    assert crypto_is_loaded_without("ezdms.__main__", *CLIENT_SIDE[1:])  # the search works


def test_the_serve_command_does_not_load_decryption() -> None:
    for command, loaded in (("serve", "False"), ("whoami", "True")):
        program = (
            f"import sys; from ezdms.cli import main; main(['{command}', '--help'], standalone_mode=False);"
            " print('ezdms.crypto' in sys.modules or 'ezdms.client' in sys.modules)"
        )
        found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        assert found.stdout.split()[-1] == loaded


def test_the_app_on_sqlite_loads_no_driver_of_another_engine_or_of_a_bucket(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from ezdms.settings import Settings\n"
        "from ezdms.app import close_database, create_app, open_database\n"
        "async def main():\n"
        " app = create_app(Settings(data_dir=Path(sys.argv[1]))); await open_database(app); await close_database(app)\n"
        "asyncio.run(main()); print(*(name in sys.modules for name in ('aiosqlite', 'psycopg', 'hiredis', 'obstore')))"
    )
    run = [sys.executable, "-c", program, str(tmp_path / "data")]
    loaded = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["True", "False", "False", "False"]


def test_the_import_rules_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([str(lint), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    assert "0 broken" in found.stdout


def test_the_rule_covers_every_package() -> None:
    """The layers list every package (exhaustive), so this rule has to as well."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (named,) = [rule["source_modules"] for rule in rules if "cannot import decryption" in rule["name"]]
    client_side = {"crypto", "client", "bridge", "opened", "verify", "doctor", "commands", "__init__", "__main__"}
    for path in (ROOT / "ezdms").iterdir():
        name = path.stem
        if name not in client_side and (path.suffix == ".py" or (path / "__init__.py").exists()):
            assert f"ezdms.{name}" in named, f"pyproject.toml should name ezdms.{name} among the server's packages"


def test_the_benchmarks_import_only_what_exists() -> None:
    """They run in an environment of their own, which these tests do not have."""
    nodes = [node for path in (ROOT / "bench").glob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    imported = [
        (node.module, name.name)
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("ezdms", "tests"))
        for name in node.names
    ]
    assert len(imported) > 10

    def exists(module: str, name: str) -> bool:
        return hasattr(import_module(module), name) or (ROOT / module.replace(".", "/") / f"{name}.py").exists()

    assert [one for one in imported if not exists(one[0] or "", one[1])] == []
