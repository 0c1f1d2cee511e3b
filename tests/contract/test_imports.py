"""The server cannot decrypt because it cannot import decryption."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

IMPORT_ALL = """
import importlib, pkgutil, sys
import ezdms
for module in pkgutil.walk_packages(ezdms.__path__, "ezdms."):
    if module.name not in {allowed!r}:
        importlib.import_module(module.name)
print("ezdms.crypto" in sys.modules, len(sys.modules))
"""


def crypto_is_loaded_without(*allowed: str) -> bool:
    """Import everything but the named modules in a fresh process: did ezdms.crypto come along?"""
    program = IMPORT_ALL.format(allowed=set(allowed))
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded, count = found.stdout.split()
    assert int(count) > 100
    return loaded == "True"


def test_no_module_of_the_server_imports_crypto() -> None:
    assert not crypto_is_loaded_without("ezdms.crypto", "ezdms.__main__")
    assert crypto_is_loaded_without("ezdms.__main__")  # the search would find it


def test_the_import_rules_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([str(lint), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    assert "0 broken" in found.stdout


def test_a_module_that_is_new_is_under_the_rule_too() -> None:
    rules = (ROOT / "pyproject.toml").read_text("utf-8").split("forbidden_modules")[0]
    client_side = {"crypto", "client", "bridge", "__init__", "__main__"}
    for path in (ROOT / "ezdms").iterdir():
        name = path.stem
        if (path.suffix == ".py" and name not in client_side) or (path / "__init__.py").exists():
            assert f'"ezdms.{name}"' in rules, f"pyproject.toml should name ezdms.{name} among the server's modules"
