"""Runs every vector through the served crypto.js in each browser, and crosswise with ezdms/crypto.py."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from ezdms import crypto
from ezdms.views.assets import FOLDER, address_of
from tests.browser.conftest import Starting
from tests.conftest import Server
from tests.support.people import KINDS, PEOPLE, VECTORS, load_vectors
from tests.support.someone import in_pkcs8

pytestmark = pytest.mark.firefox_too
HARNESS = Path(__file__).with_name("harness.js").read_text("utf-8")
ALICE, BOB = PEOPLE["alice"], PEOPLE["bob"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pages() -> AsyncIterator[dict[str, Page]]:
    """One page per browser for all tests: none of them leaves anything behind."""
    pages: dict[str, Page] = {}
    yield pages
    for page in pages.values():
        await page.context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(pages: dict[str, Page], started: Starting, browser_name: str, shared_server: Server) -> Page:
    """A page of the server with crypto.js as `C` and the keys of the vectors as `people`."""
    if browser_name not in pages:
        pages[browser_name] = await opened(await started(browser_name), shared_server.url)
    return pages[browser_name]


async def opened(browser: Browser, url: str) -> Page:
    page = await browser.new_page()
    await page.goto(url)
    await prepare(page)
    return page


async def prepare(page: Any) -> None:
    """Load what the tests need into a page of any browser."""
    keys = {name: in_pkcs8(person) for name, person in PEOPLE.items()}
    await page.evaluate(HARNESS)
    await page.evaluate("([address, keys]) => load(address, keys)", [address_of("js/crypto.js"), keys])
    await page.evaluate(as_script("changes"))


def as_script(name: str) -> str:
    """A module that the page does not import: without integrity in import maps, its policy lets nothing load it."""
    text = (FOLDER / "js" / f"{name}.js").read_text("utf-8")
    exported = ", ".join(re.findall(r"^export (?:async )?(?:function|const) (\w+)", text, re.MULTILINE))
    text = re.sub(r'^import (\{.*\}) from "./crypto.js";$', r"const \1 = C;", text, flags=re.MULTILINE)
    text = re.sub("^export ", "", text, flags=re.MULTILINE)
    return f"() => {{\n{text}\nglobalThis.{name} = {{ {exported} }};\n}}"


def test_every_vector_file_is_run_in_the_browser() -> None:
    names = {path.stem for path in VECTORS.glob("*.json")}
    for name in names - {"people"}:
        assert f"async {name}(" in HARNESS


@pytest.mark.parametrize("name", sorted({path.stem for path in VECTORS.glob("*.json")} - {"people"}))
async def test_vector_in_the_browser(page: Page, name: str) -> None:
    cases = load_vectors(name)
    verdicts = await page.evaluate("([name, cases]) => judge(name, cases)", [name, cases])
    assert len(verdicts) == len(cases) > 0
    wrong = [(case.get("why") or case.get("name"), said) for case, said in zip(cases, verdicts, strict=True) if said]
    assert wrong == []


async def test_a_changed_vector_fails(page: Page) -> None:
    case = load_vectors("envelopes")[0] | {"text": "something else"}
    assert (await page.evaluate("([name, cases]) => judge(name, cases)", ["envelopes", [case]]))[0]


TEXTS = ["hello", "👍🏽" * 200, "مرحبا\n\tעברית", 'quotes " and \\ and </script>', "\u2028\u2029\xa0\ufeff", "é" * 500]


CONTENTS = [{"text": text} for text in TEXTS] + KINDS


def copy_for_bob(sealed: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Of what Alice sealed for him, and what the server says about it."""
    copy = sealed["content_for_a"] if BOB.fp < ALICE.fp else sealed["content_for_b"]
    return copy, {name: sealed[name] for name in ("message_id", "n", "hash", "suite")}


def as_id(content: dict[str, Any]) -> str:
    """Kind and beginning of the text."""
    return f"{content.get('kind', 'text')} {content['text'][:8].encode('unicode_escape').decode()}"


@pytest.mark.parametrize("content", CONTENTS, ids=as_id)
async def test_browser_and_python_open_each_others_messages(page: Page, content: dict[str, Any]) -> None:
    expected = {"kind": "text", "reference": None, "e": None, "x": 0} | content
    ours = crypto.seal_message(ALICE, BOB.ik, BOB.spki, n=1, p="", a=(0, ""), ts=1, **content)
    for_bob, said = copy_for_bob(asdict(ours))
    for_alice = ours.content_for_b if BOB.fp < ALICE.fp else ours.content_for_a
    for reader, copy in (("bob", for_bob), ("alice", for_alice)):
        opening = "([reader, sealed]) => openAs(reader, 'alice', sealed)"
        found = await page.evaluate(opening, [reader, said | {"encrypted": copy}])
        assert {name: found[name] for name in expected} == json.loads(json.dumps(expected)), reader

    for_bob, said = copy_for_bob(await page.evaluate("content => sealAs('alice', 'bob', content)", content))
    opened = crypto.open_message(BOB, ALICE.ik, BOB.ik, for_bob, **said)
    assert {name: getattr(opened, name) for name in expected} == expected


ODD: list[dict[str, Any]] = [
    {"kind": "poll"},
    {"kind": "edit", "e": ""},
    {"kind": "delete", "text": KINDS[3]["text"]},
    {"kind": "file", "text": "{}"},
    {"text": "\ud800"},
    {"text": "\x7f"},
    {"text": ""},
    {"n": 0},
    {"n": 2},
    {"a": [1, ""]},
    {"x": -1},
    {"ts": 1.5},
    {"reference": []},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
async def test_the_browser_refuses_to_seal_an_invalid_message(page: Page, odd: dict[str, Any]) -> None:
    seal = "async content => (await attempt(() => sealAs('alice', 'bob', { text: 'hi', ...content })))[0]"
    assert await page.evaluate(seal, odd) == "refused"
    assert await page.evaluate(seal, {}) == ""  # control


async def test_a_message_of_an_unknown_kind_keeps_its_place(page: Page) -> None:
    case = next(case for case in load_vectors("envelopes") if case["verdict"] == "unsupported")
    found = await page.evaluate(
        """async ({ to, from, id, n, hash, jwe }) => {
            const [reader, sender] = [people[to], people[from]];
            const conversation = await C.conversationId(reader.fp, sender.fp);
            const claimed = { message_id: id, n, hash, suite: 1, encrypted: jwe };
            const opening = C.openMessage(reader, sender, reader.fp, conversation, claimed);
            return opening.catch(({ kind, p, a }) => [kind, p, a]);
        }""",
        case,
    )
    assert found == ["unsupported", "", [0, ""]]


async def test_browser_and_python_unlock_each_others_keys(page: Page) -> None:
    pin = crypto.new_login_pin()
    made = await page.evaluate("pin => makeAccount(pin)", pin)
    statement = crypto.verify_statement(made["statement"])
    keys = crypto.unwrap_keys(pin, crypto.WrappedKeys(**made["wrapped"]), statement.ik, statement.spki)
    assert statement.name == "newcomer"
    assert keys.ik == statement.ik
    wrapped = asdict(crypto.wrap_keys(pin, ALICE))
    assert await page.evaluate("([pin, wrapped]) => unlockAlice(pin, wrapped)", [pin, wrapped]) == "signs and opens"


async def test_unlocked_keys_are_not_extractable(page: Page) -> None:
    pin = crypto.new_login_pin()
    wrapped = asdict(crypto.wrap_keys(pin, ALICE))
    assert await page.evaluate("([pin, wrapped]) => tryExport(pin, wrapped)", [pin, wrapped]) == [
        "InvalidAccessError",
        "InvalidAccessError",
        False,
        False,
    ]


async def test_browser_and_python_open_each_others_vaults_and_statements(page: Page) -> None:
    vault = {"version": 3, "contacts": {"é": "👍"}}
    assert await page.evaluate("sealed => C.openVault(people.alice, sealed)", crypto.seal_vault(ALICE, vault)) == vault
    sealed = await page.evaluate("vault => C.sealVault(people.alice, vault)", vault)
    assert crypto.open_vault(ALICE, sealed) == vault
    ours = crypto.sign_statement(ALICE, "alice", 2, 5)
    assert await page.evaluate("() => C.signStatement(people.alice, 'alice', 2, 5)") == ours
    for wrong in (crypto.sign_statement(PEOPLE["eve"], "alice", 3, 5), crypto.sign_statement(ALICE, "alice", 1, 5)):
        assert await page.evaluate("([known, next]) => succession(known, next)", [ours, wrong]) == "alarm"
    assert await page.evaluate("([known, next]) => succession(known, next)", [ours, ours]) == "fine"


async def test_a_message_without_content_keeps_its_place_in_the_chain(page: Page) -> None:
    follow = """hashes => {
        const chain = C.newChain();
        return [[1, ""], [2, undefined], [3, "h2"], [4, null], [5, "another"]]
            .map(([n, p]) => C.followChain(chain, { n, hash: `h${n}`, p })).concat(chain.head, chain.last);
    }"""
    assert await page.evaluate(follow) == ["ok", None, "ok", None, "fork", 3, "h3", 5, "h5"]


@pytest.fixture
def flip_every(browser_name: str) -> int:
    """Each character of an envelope in Chromium; other engines differ only in how they decrypt each part."""
    return 1 if browser_name == "chromium" else 5


async def test_a_flipped_character_never_opens_in_the_browser(page: Page, flip_every: int) -> None:
    sealed = await page.evaluate("text => sealAs('alice', 'bob', text)", "flip me")
    opened = await page.evaluate("([sealed, every]) => flipEverything(sealed, every)", [sealed, flip_every])
    assert opened["tried"] > 1500 // flip_every
    assert opened["opened"] == ["untouched"]
