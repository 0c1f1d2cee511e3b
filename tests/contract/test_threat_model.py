"""docs/threat-model.md lists everything that is stored, every hostile case, and only tests that exist."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from ezdms.db import Database
from tests.conftest import ROOT

DOCUMENT = (ROOT / "docs" / "threat-model.md").read_text("utf-8")


def chapter(title: str) -> str:
    """The text under one heading."""
    _, following = DOCUMENT.split(f"\n## {title}\n")
    return following.split("\n## ")[0]


def quoted(text: str) -> list[str]:
    """Everything in backticks."""
    return re.findall(r"`([^`]+)`", text)


async def test_the_tables_and_columns_are_listed_exactly(tmp_path: Path) -> None:
    await (await Database.open(tmp_path / "new.db")).close()
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {
            (table, column[1]) for table in tables for column in connection.execute(f"PRAGMA table_info({table})")
        }
    assert ("users", "username") in columns
    named = []
    for line in chapter("What the server stores").splitlines():
        if line.startswith("| `"):
            _, table, listed, *_ = line.split("|")
            named += [(quoted(table)[0], column) for column in quoted(listed)]
    assert sorted(named) == sorted(columns)


def test_the_browser_stores_are_listed_exactly() -> None:
    script = (ROOT / "ezdms" / "static" / "js" / "keystore.js").read_text("utf-8")
    declared = re.search(r"const STORES = \{(.*)\};", script)
    assert declared
    stores = re.findall(r"(\w+): \{", declared[1])
    assert len(stores) >= 4
    assert sorted(re.findall(r"^\| IndexedDB `(\w+)` \|", DOCUMENT, re.MULTILINE)) == sorted(stores)


def test_the_session_storage_keys_and_the_cookie_are_listed() -> None:
    files = {path.stem: path.read_text("utf-8") for path in (ROOT / "ezdms" / "static" / "js").glob("*.js")}
    kept = {
        (file, name) for file, text in files.items() for name in re.findall(r"sessionStorage\.setItem\((\w+)", text)
    }
    assert kept == {
        ("first", "KEY"),  # the tab's place
        ("first", "ADDED"),  # kept when the tab changes its place
        ("keystore", "KEY"),  # the tab's id
        ("start-conversation", "KEY"),  # the new Login PIN
        ("start-conversation", "ADDED"),  # the Search PIN of a link
        ("session", "WHY"),  # why the user was logged out
        ("message-log", "placeOf"),  # the message one scrolled up to
        ("signals", "saidTo"),  # receipts sent by this tab, and when the other person last typed
        ("navigate", "SCROLLED"),  # how far the list is scrolled
    }
    [row] = re.findall(r"^\| sessionStorage \| (.*?) \|", DOCUMENT, re.MULTILINE)
    assert len(row.split(";")) == len(kept) - 1  # ADDED twice
    scripts = "".join(files.values())
    named = set(re.findall(r"\bremember\(\"(\w+)\"", scripts))
    assert named == {"scheme", "enter", "place", "name", "used", "kept", "notifications"}
    assert {f"ezdms-{name}" for name in named} <= set(quoted(chapter("What a browser stores")))
    assert len(re.findall(r"localStorage\.", scripts)) == 5  # in first.js, keystore.js and scheme.js alone
    assert re.findall(r"document\.cookie.*", scripts) == [
        "document.cookie = `language=${code}; path=/; max-age=${YEAR}; samesite=lax${secure}`;"
    ]
    assert "ezdms_session" in quoted(chapter("What a browser stores"))


def test_what_a_browser_keeps_or_locks_carries_the_place_of_the_account() -> None:
    scripts = "".join(path.read_text("utf-8") for path in (ROOT / "ezdms" / "static" / "js").glob("*.js"))
    named = re.findall(r"(?:indexedDB\.open|locks\.request|new BroadcastChannel)\((\S+)", scripts)
    assert len(named) >= 7
    assert [name for name in named if not name.startswith("ofPlace(")] == ["`${KEY}"]  # a tab's random id


def test_every_hostile_case_is_listed_and_every_listed_test_exists() -> None:
    there, hostile = set(), set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        names = set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE))
        there |= names
        hostile |= names if path.name.startswith("test_hostile_") or path.parent.name == "lies" else set()
    named = {word for word in quoted(DOCUMENT) if re.fullmatch(r"test_\w+", word)}
    assert len(hostile) >= 50
    assert sorted(named - there) == []
    hostile.discard("test_an_honest_document_is_accepted_without_a_warning")  # the twin of all of them
    assert sorted(hostile - set(quoted(chapter("What a hostile server can do at most")))) == []


def test_the_readme_and_security_policy_link_to_the_threat_model() -> None:
    for name, address in (("README.md", "docs/threat-model.md"), ("SECURITY.md", "docs/threat-model.md")):
        assert f"]({address})" in (ROOT / name).read_text("utf-8")
