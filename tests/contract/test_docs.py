"""The documentation keeps up: settings, commands, flags, links, files and the sentences that it quotes."""

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
    if path.suffix in (".py", ".js", ".html", "") and path.is_file()
)


@pytest.mark.parametrize("name", ["settings", "architecture"])
def test_a_page_that_the_code_makes_is_the_one_that_it_makes_now(name: str, tmp_path: Path) -> None:
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
def test_every_file_of_the_code_that_is_named_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    for named in re.findall(r"`((?:ezdms|tests|bench|bin|docs|deploy|migrations)/[\w./-]+)`", text):
        assert (ROOT / named).exists(), named
    if page.name == "architecture.md":
        for named in re.findall(r"`([a-z-]+\.js)`", text):
            assert (ROOT / "ezdms" / "static" / "js" / named).exists(), named


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_that_is_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"", page.read_text("utf-8"))
    for target in filter(None, (one for pair in targets for one in pair)):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_and_flag_that_is_named_exists(page: Path) -> None:
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


def test_every_command_of_the_operator_is_told_about() -> None:
    told = "".join((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("self-hosting", "command-line"))
    told += "".join((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("verify", "bridge", "releasing"))
    assert [name for name in COMMANDS if f"ezdms {name}" not in told] == []


def test_the_sentences_that_troubleshooting_quotes_are_said_by_the_program() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    quoted = re.findall(r"“([^”]{12,})”", text)
    assert len(quoted) >= 7
    foreign = {"endpoint offline", "asking too often"}
    source = re.sub(r"[\"']\s*\n?\s*f?[\"']", "", SOURCE)
    for sentence in quoted:
        if sentence not in foreign:
            parts = re.split(r" ?… ?|127\.0\.0\.1, port 5000: Address already in use", sentence)
            assert all(part.strip() in source for part in parts if part.strip()), sentence


def test_the_readme_begins_with_what_it_is_the_two_commands_and_pictures() -> None:
    first_screen = (ROOT / "README.md").read_text("utf-8")[:1500]
    for part in ("Direct messages that the server cannot read", "bin/ezdms serve", "bin/test", "docs/pictures/"):
        assert part in first_screen
    for name in ("desktop-light", "desktop-dark", "phone-light", "phone-dark"):
        picture = (ROOT / "docs" / "pictures" / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 400_000
