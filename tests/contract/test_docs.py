"""The documentation is up to date: settings, commands, flags, links, files and quoted messages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ezdms.cli import COMMANDS, main
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md")])
SOURCE = "".join(
    path.read_text("utf-8")
    for folder in ("ezdms", "bin")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".js", ".html", ".sh", "") and path.is_file()
)


@pytest.mark.parametrize("name", ["settings", "architecture"])
def test_generated_pages_are_up_to_date(name: str, tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-c", f"import make_{name}; print(make_{name}.page(), end='')"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "docs")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ROOT / "docs" / f"{name}.md").read_text("utf-8") == made.stdout, f"run: python docs/make_{name}.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_code_file_that_the_docs_name_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    for named in re.findall(r"`((?:ezdms|tests|bench|bin|docs|deploy|migrations)/[\w./-]+)`", text):
        assert (ROOT / named).exists(), named
    if page.name == "architecture.md":
        for named in re.findall(r"`([a-z-]+\.js)`", text):
            assert (ROOT / "ezdms" / "static" / "js" / named).exists(), named


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_to_an_existing_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"", page.read_text("utf-8"))
    for target in filter(None, (one for pair in targets for one in pair)):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_and_flag_that_the_docs_name_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    for line in re.findall(r"(?:bin/|`|^|exec ezdms )ezdms ([a-z][^`\n|#;]*)", text, re.MULTILINE):
        words = line.split()
        assert words[0] in COMMANDS, line
        command = main.get_command(click.Context(main), words[0])
        assert command is not None
        if isinstance(command, click.Group) and len(words) > 1 and words[1] in command.commands:
            command = command.commands[words[1]]
        known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}
        flags = [word.rstrip(".,:)") for word in words[1:] if word.startswith("--")]
        assert [flag for flag in flags if flag.partition("=")[0] not in known] == [], line


def test_every_version_in_the_changelog_begins_with_upgrade_notes() -> None:
    _, *versions = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    assert versions
    for version in versions:
        assert re.findall(r"^### (.*)$", version, re.MULTILINE)[0] == "Upgrade notes", version[:40]


def test_every_operator_command_is_documented() -> None:
    told = "".join((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("self-hosting", "command-line"))
    told += "".join((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("verify", "bridge", "releasing"))
    assert [name for name in COMMANDS if f"ezdms {name}" not in told] == []


def test_the_messages_quoted_in_troubleshooting_exist_in_the_code() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    quoted = re.findall(r"“([^”]{12,})”", text)
    assert len(quoted) >= 7
    foreign = {"endpoint offline", "asking too often", "dubious ownership"}
    proxies = "".join(path.read_text("utf-8") for path in (ROOT / "deploy").glob("*.conf"))
    source = re.sub(r"[\"']\s*\n?\s*f?[\"']", "", SOURCE) + proxies
    for sentence in quoted:
        if sentence not in foreign:
            parts = re.split(r" ?… ?|127\.0\.0\.1, port 5000: Address already in use", sentence)
            assert all(part.strip() in source for part in parts if part.strip()), sentence


def test_the_readme_starts_with_a_summary_the_two_commands_and_screenshots() -> None:
    first_screen = (ROOT / "README.md").read_text("utf-8")[:1500]
    for part in ("Direct messages that the server cannot read", "bin/ezdms serve", "bin/test", "docs/pictures/"):
        assert part in first_screen
    for name in ("desktop-light", "desktop-dark", "phone-light", "phone-dark"):
        picture = (ROOT / "docs" / "pictures" / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 400_000


def test_the_readme_says_how_to_run_its_bot_with_the_environment_that_its_command_makes() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "\nEZDMS_PIN_FILE=echo.pin .venv/bin/python echo.py\n" in readme
    assert "Save it as `echo.py`" in readme
    assert 'venv="$root/.venv" ' in (ROOT / "bin" / "ezdms").read_text("utf-8")
