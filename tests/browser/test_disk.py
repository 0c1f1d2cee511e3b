"""A thief of the disk reads every byte of database, write-ahead log, log and backups, in every encoding."""

from __future__ import annotations

import asyncio
import html
import json
import re
import secrets
import sqlite3
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
from cryptography.hazmat.primitives import serialization
from playwright.async_api import Browser, Page, expect

from ezdms import crypto
from ezdms.protocol.encoding import b64u_decode, b64u_encode
from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.people import JSON, registration
from tests.support.someone import Someone, texts_of, until

Secrets = dict[str, str | bytes]  # name → secret, of which not even WINDOW bytes in a row may be found
WINDOW = 12  # bytes
HALF = WINDOW // 2
AGENT = "unmistakable-program"  # stored with this program's sessions


def spellings(secret: str | bytes, before: bytes = b"\0\0", after: bytes = b"") -> dict[str, bytes]:
    """Return every encoding that a secret may have on a disk; base64 at all three alignments."""
    raw = secret.encode() if isinstance(secret, str) else secret
    spelled = {"as it is": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode()}
    for shift in range(3):
        spelled[f"base64 {shift}"] = b64encode(before[:shift] + raw + after)
        spelled[f"base64url {shift}"] = urlsafe_b64encode(before[:shift] + raw + after)
    if isinstance(secret, str):
        spelled |= {name: secret.encode(name) for name in ("utf-16-le", "utf-16-be")}
        spelled |= {"in an address": quote(secret, safe="").encode(), "in a form": quote_plus(secret).encode()}
        spelled |= {"in JSON": json.dumps(secret).encode(), "in HTML": html.escape(secret).encode()}
        spelled["in a log"] = secret.encode("ascii", "backslashreplace")
    return spelled


class Search:
    """Finds these secrets: WINDOW bytes of one encoding are enough, since SQLite splits long values."""

    def __init__(self, wanted: Secrets) -> None:
        self.owners: dict[bytes, set[str]] = {}
        for name, secret in wanted.items():
            for way, spelled in spellings(secret).items():
                # the ends depend on the neighboring bytes
                certain = spelled[4:-4] if way.startswith("base64") else spelled.strip(b'"')
                assert len(certain) >= WINDOW, name
                for i in range(len(certain) - WINDOW + 1):
                    self.owners.setdefault(certain[i : i + WINDOW], set()).add(name)
        self.halves = {run[i : i + HALF] for run in self.owners for i in range(HALF)}

    def finds(self, stored: bytes) -> list[str]:
        """Return the secrets found. Whatever WINDOW bytes are there, half of them begin where HALF divides."""
        found: set[str] = set()
        for at in range(0, len(stored) - HALF + 1, HALF):
            if stored[at : at + HALF] in self.halves:
                for i in range(max(0, at - HALF + 1), at + 1):
                    found |= self.owners.get(stored[i : i + WINDOW], set())
        return sorted(found)


def steal(server: Server, folder: Path) -> bytes:
    """Copy everything while the server runs: its files, its log, and both kinds of SQLite backup."""
    folder.mkdir()
    files = {path.name: path.read_bytes() for path in sorted(server.data_dir.iterdir()) if path.is_file()}
    assert list(files) == ["ezdms.db", "ezdms.db-shm", "ezdms.db-wal", "ezdms.key", "ezdms.lock"]
    with (
        closing(sqlite3.connect(server.data_dir / "ezdms.db")) as connection,
        closing(sqlite3.connect(folder / "copied.db")) as copy,
    ):
        connection.backup(copy)
        connection.execute("VACUUM INTO ?", (str(folder / "vacuumed.db"),))
    backups = [(folder / name).read_bytes() for name in ("copied.db", "vacuumed.db")]
    return b"\n".join([*files.values(), server.log.read_bytes(), *backups])


def plant(target: Path, way: str, wanted: Secrets) -> bytes:
    """Return a leaky database: it contains every secret in this encoding, among other bytes."""
    with closing(sqlite3.connect(target)) as connection, connection:
        connection.execute("CREATE TABLE leaks (leak BLOB)")
        for secret in wanted.values():
            leak = b"odd" + spellings(secret, b"ab", b"cdef")[way] + b"even"
            connection.execute("INSERT INTO leaks VALUES (?)", (leak,))
    return target.read_bytes()


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Query a stolen backup."""
    with closing(sqlite3.connect(folder / "vacuumed.db")) as connection:
        return connection.execute(sql).fetchall()


def in_both_forms(name: str, pin: str) -> Secrets:
    """A PIN with and without its dashes."""
    return {name: pin, f"{name} without dashes": pin.replace("-", "")}


def private_parts(name: str, keys: crypto.Keys) -> Secrets:
    """The PKCS8 of both private keys, without the public half of the RSA key."""
    der = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    modulus = keys.encryption.public_key().public_numbers().n.to_bytes(256, "big")
    _, private = keys.encryption.private_bytes(*der).split(modulus)
    return {f"{name}'s signing key": keys.identity.private_bytes(*der), f"{name}'s opening key": private}


def deployment_of(server: Server) -> bytes:
    """The database's 16 public bytes."""
    return b64u_decode(str(Hostile(server).run("SELECT * FROM deployment")[0]["deployment_id"]), 16)


async def derive(server: Server, pin: str) -> dict[str, str]:
    """login_id and auth_key of a Login PIN, as a client makes them."""
    made = await asyncio.to_thread(crypto.login_keys, crypto.normalise_login_pin(pin), deployment_of(server))
    return {"login_id": made.login_id, "auth_key": made.auth_key}


class Program:
    """A program that talks to a running server with JSON and a bearer token."""

    def __init__(self, server: Server, agent: str) -> None:
        self.url = server.url
        self.headers = JSON | {"User-Agent": f"{agent}/1.0"}

    async def ask(self, method: str, path: str, **fields: Any) -> Any:
        """Return the JSON of the response; a token in it is used from then on."""
        async with httpx.AsyncClient(base_url=self.url, headers=self.headers) as client:
            response = await client.request(method, path, json=fields or None)
        assert response.status_code < 300, response.text
        answer = response.json() if response.content else {}
        if isinstance(answer, dict) and "token" in answer:
            self.headers["Authorization"] = f"Bearer {answer['token']}"
        return answer


async def changes_the_login_pin(someone: Someone) -> None:
    """Change the Login PIN in the page; the person has the new one afterwards."""
    page = someone.page
    await page.goto(f"{someone.server.url}/account")
    await page.get_by_label("Current Login PIN").fill(someone.login_pin)
    await page.get_by_role("button", name="Make a new Login PIN").click()
    await expect(page.get_by_test_id("login-pin")).not_to_be_empty()
    someone.login_pin = await page.get_by_test_id("login-pin").inner_text()
    await page.get_by_role("textbox", name="Last 4 characters of your new Login PIN").fill(someone.login_pin[-4:])
    await page.get_by_role("button", name="Use the new Login PIN").click()
    await expect(page.get_by_text("Your new Login PIN is in use")).to_be_visible()


async def withdraws_the_search_pin(someone: Someone) -> None:
    """Replace the Search PIN in the page; the person has the new one afterwards."""
    page = someone.page
    await page.goto(f"{someone.server.url}/search-pin")
    await page.get_by_role("button", name="Replace").click()
    await expect(page.get_by_text("Replace it?")).to_be_visible()
    await page.get_by_role("button", name="Replace").click()
    another = re.compile(f"^(?!{someone.search_pin})[0-9A-Z-]{{29}}$")  # nor empty, while the page loads
    await expect(page.get_by_test_id("my-search-pin")).to_have_text(another)
    someone.search_pin = await page.get_by_test_id("my-search-pin").inner_text()


async def kept_draft(page: Page) -> str:
    """The draft that this browser stores."""
    draft: str = await page.evaluate(
        """async () => {
            const { loadDraft } = await import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
            return (await loadDraft(location.pathname.slice(3)))?.text ?? "";
        }"""
    )
    return draft


def vault_of(server: Server, name: str) -> dict[str, Any]:
    """The stored vault of a user."""
    found = Hostile(server).run("SELECT v.* FROM vaults v JOIN users u USING (user_id) WHERE username = ?", name)
    return dict(found[0]) if found else {"version": 0}


TEXTS = {
    "sent": "Meet me at the lighthouse at nine",
    "received": "Bring the blue suitcase with you",
    "with all kinds of letters": 'Schlüssel unter der Matte 🔑🗝️ مفتاح تحت السجادة <b>&amp;</b> "so"',
    "long": "".join(f"{i}:{secrets.token_hex(4)} " for i in range(60))[:499] + "!",
    "by a program": "Sent by a program to the browser",
}
DRAFT, WAITING = "Typed and then thought better of", "Waiting in the outbox for the line"
NOTE = "remembered in the vault of a program"


async def test_a_stolen_disk_holds_no_secret_in_any_encoding_and_matches_the_threat_model(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    alice, bob = await Someone.arrives(browser, server, "alice"), await Peer.arrives(server, "bob")
    await alice.creates_an_account()  # its browser creates keys and PINs
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    conversation, began = alice.page.url, time.time_ns() // 1_000_000 - 60_000
    hidden: Secrets = in_both_forms("Login PIN before the change", alice.login_pin)
    hidden |= in_both_forms("withdrawn Search PIN", alice.search_pin)
    hidden |= {"auth_key before the change": (await derive(server, alice.login_pin))["auth_key"]}

    for name in ("sent", "with all kinds of letters", "long"):
        await alice.writes(TEXTS[name])
        await expect(texts_of(alice.page).last).to_have_text(TEXTS[name])
    await bob.writes(TEXTS["received"])
    await expect(texts_of(alice.page).last).to_have_text(TEXTS["received"])

    program, pin, keys = Program(server, AGENT), crypto.new_login_pin(), crypto.generate_keys()
    login, wrapped = await derive(server, pin), crypto.wrap_keys(pin, keys)
    locks = {name: getattr(wrapped, name) for name in ("salt", "iterations", "wrapped_sig", "wrapped_enc")}
    carol = await program.ask("POST", "/register", **registration(keys, "carol", **login, **locks))
    found = await program.ask("POST", "/start_conversation", partner_search_pin=alice.search_pin)
    theirs = crypto.verify_statement(found["partner_statement"])
    sealed = crypto.seal_message(
        keys, theirs.ik, theirs.spki, n=1, p="", a=(0, ""), ts=began, text=TEXTS["by a program"]
    )
    names = ("message_id", "n", "hash", "content_for_a", "content_for_b")
    ids = {"conversation_id": found["conversation_id"], "suite": 1}
    await program.ask("POST", "/send_message", **ids, **{name: getattr(sealed, name) for name in names})
    vault = {"version": 1, "note": NOTE}
    await program.ask("PUT", "/vault", version=1, blob=crypto.seal_vault(keys, vault))

    await changes_the_login_pin(alice)
    await withdraws_the_search_pin(alice)
    await alice.page.goto(conversation)
    await alice.page.get_by_role("textbox", name="Message").fill(DRAFT)

    async def is_kept() -> bool:
        return await kept_draft(alice.page) == DRAFT

    await until(is_kept)
    await until(lambda: vault_of(server, "alice")["version"] > 1)
    await alice.page.route("**/send_message", lambda route: route.abort())
    await alice.opens("carol")
    await alice.writes(WAITING)
    await expect(alice.page.get_by_role("log").get_by_text("Not sent")).to_be_visible()

    browser_program = Program(server, "the-browsers-keys")
    account = await browser_program.ask("POST", "/login", **await derive(server, alice.login_pin))
    mine = crypto.verify_statement(account["statement"])
    locked = crypto.WrappedKeys(**{name: account[name] for name in crypto.WrappedKeys.__slots__})
    opened = crypto.unwrap_keys(crypto.normalise_login_pin(alice.login_pin), locked, mine.ik, mine.spki)
    (cookie,) = [cookie["value"] for cookie in await alice.context.cookies() if "session" in cookie["name"]]
    tokens = {"program": carol["token"], "second session": account["token"], "cookie": cookie}
    hidden |= {f"text {name}": text for name, text in TEXTS.items()} | {"draft": DRAFT, "outbox": WAITING}
    hidden |= {"vault of a program": NOTE, "vault of a browser": '"verified":"search-pin"'}
    for name, shown in (("alice", alice.login_pin), ("carol", crypto.show_login_pin(pin))):
        auth_key = (await derive(server, shown))["auth_key"]
        hidden |= in_both_forms(f"{name}'s Login PIN", shown)
        hidden |= {f"{name}'s auth_key": auth_key, f"{name}'s auth_key as bytes": b64u_decode(auth_key)}
    hidden |= private_parts("carol", keys) | private_parts("alice", opened) | private_parts("bob", bob.keys)
    for name, token in tokens.items():
        hidden |= {f"token of the {name}": token, f"token of the {name} as bytes": b64u_decode(token)}

    stored = steal(server, tmp_path / "stolen")
    assert (server.data_dir / "ezdms.db-wal").stat().st_size > 0
    search = Search(hidden)
    assert search.finds(stored) == []

    # control: each secret is found in a database that leaks it in one of these encodings
    for way in spellings("text"):
        wanted = {name: one for name, one in hidden.items() if way in spellings(one)}
        assert len(wanted) > 20
        missed = wanted.keys() - search.finds(plant(tmp_path / f"leaky {way}.db", way, wanted))
        assert missed == set(), way

    # what docs/threat-model.md lists is there
    users = {row[0]: row[1:] for row in rows(tmp_path / "stolen", "SELECT username, user_id, created_at FROM users")}
    assert sorted(users) == ["alice", "bob", "carol"]
    salt = rows(tmp_path / "stolen", f"SELECT salt FROM search_pins WHERE search_pin = '{alice.search_pin}'")  # noqa: S608
    (both,) = rows(
        tmp_path / "stolen",
        """SELECT COUNT(*), COUNT(DISTINCT length(sealed_a)), MIN(created_at), MAX(created_at) FROM messages m
           WHERE 2 = (SELECT COUNT(*) FROM participants p JOIN users USING (user_id)
                      WHERE p.conversation_id = m.conversation_id AND username IN ('alice', 'bob'))""",
    )
    assert both[:2] == (4, 2)  # the long one has a different size
    assert began < both[2] <= both[3] <= time.time_ns() // 1_000_000
    sizes = rows(tmp_path / "stolen", "SELECT length(sealed) FROM vaults")
    assert {size for (size,) in sizes} == {len(crypto.seal_vault(keys, vault))}  # one step of 4096 bytes each
    seen = rows(tmp_path / "stolen", "SELECT username, browser, address FROM sessions JOIN users USING (user_id)")
    assert {("carol", AGENT, "127.0.0.1"), ("alice", "Chrome on Linux", "127.0.0.1")} <= set(seen)
    known = ["alice", alice.search_pin, salt[0][0], conversation[-24:], AGENT, locked.wrapped_enc[:500]]
    known += [user_id for user_id, _ in users.values()]
    times = [created_at.to_bytes(6, "big") for _, created_at in users.values()]
    assert [one for one in (*(word.encode() for word in known), *times) if one not in stored] == []


def traces_of(server: Server, name: str) -> Secrets:
    """The stored values that only this person's rows have."""
    hostile = Hostile(server)
    user = hostile.user(name)
    columns = ("username", "login_id", "salt", "wrapped_sig", "wrapped_enc")
    traces: Secrets = {column: user[column] for column in columns}
    traces |= {"fingerprint": user["fingerprint"], "key_id": user["key_id"]}
    traces |= {"auth_hash": user["auth_hash"].rsplit("$", 1)[1], "statement": user["statement"].split(".")[2]}
    for i, pin in enumerate(hostile.run("SELECT * FROM search_pins WHERE user_id = ?", user["user_id"])):
        traces |= {f"Search PIN {i}": pin["search_pin"], f"Search PIN's salt {i}": pin["salt"]}
    for i, one in enumerate(hostile.run("SELECT * FROM sessions WHERE user_id = ?", user["user_id"])):
        traces |= {f"session {i}": one["session_id"], f"token's hash {i}": one["token_hash"]}
    traces["vault"] = vault_of(server, name)["sealed"].split(".", 1)[1]
    for row in hostile.run(
        """SELECT seq, CASE side WHEN 'a' THEN sealed_a ELSE sealed_b END AS own FROM messages
           JOIN participants USING (conversation_id) WHERE user_id = ?""",
        user["user_id"],
    ):
        traces[f"own copy {row['seq']}"] = row["own"].split(".", 1)[1]
    return {f"{name}: {what}": trace for what, trace in traces.items()}


async def test_a_deleted_account_leaves_no_bytes_on_the_disk(browser: Browser, server: Server, tmp_path: Path) -> None:
    names = [f"{word}-{secrets.token_hex(4)}" for word in ("whoever-leaves", "whoever-remains")]
    leaving, staying = await Someone.is_in(browser, server, names[0]), await Peer.arrives(server, names[1])
    await leaving.starts_with(staying.search_pin)
    await staying.starts_with(leaving.search_pin)
    await leaving.writes("from the one who leaves")
    await staying.sees("from the one who leaves")
    await staying.writes("from the one who stays")
    await leaving.sees("from the one who leaves", "from the one who stays")
    await staying.ask("PUT", "/vault", {"version": 1, "blob": crypto.seal_vault(staying.keys, {"version": 1})})
    await until(lambda: vault_of(server, leaving.name)["version"] > 0)
    await leaving.page.goto(f"{server.url}/account")  # nothing is stored in the background anymore
    user_id = Hostile(server).user(leaving.name)["user_id"]
    traces, kept = [traces_of(server, name) for name in names]
    assert f"{leaving.name}: own copy 2" in traces
    search = Search(traces | kept)
    assert search.finds(steal(server, tmp_path / "before")) == sorted({*traces, *kept})

    await leaving.page.get_by_label("Your Login PIN, to confirm").fill(leaving.login_pin)
    await leaving.page.get_by_role("button", name="Delete my account").click()
    await expect(leaving.page.get_by_role("button", name="Create account")).to_be_visible()
    stored = steal(server, tmp_path / "after")
    assert search.finds(stored) == sorted(kept)  # the other person keeps their data
    assert user_id.encode() in stored  # in a row without a name
    await staying.leaves()
    assert server.stop() == 0
    assert search.finds((server.data_dir / "ezdms.db").read_bytes()) == sorted(kept)


async def test_a_withdrawn_search_pin_and_an_ended_session_leave_no_bytes_on_the_disk(
    server: Server, tmp_path: Path
) -> None:
    traces, kept = Secrets(), Secrets()
    acts: list[Callable[[], Awaitable[Any]]] = []
    for name, way in (
        ("alice", "/search_pin"),
        ("bob", "/logout"),
        ("carol", "/sessions/{}/end"),
        ("dave", "/sessions/end_others"),
    ):
        words = [f"{word}-{secrets.token_hex(8)}" for word in ("first", "second")]
        first, second = [Program(server, word) for word in words]
        keys = crypto.generate_keys()
        fields = registration(keys, name)
        account = await first.ask("POST", "/register", **fields)
        await second.ask("POST", "/login", **{field: fields[field] for field in ("login_id", "auth_key")})
        session = Hostile(server).run("SELECT * FROM sessions WHERE browser = ?", words[1])[0]
        ended: Secrets = {what: session[what] for what in ("browser", "session_id", "token_hash")}
        stays: Secrets = {"browser that stays": words[0], "Search PIN": account["search_pin"]}
        if way == "/search_pin":
            ended, stays = {"Search PIN": stays["Search PIN"], "its salt": fields["search_salt"]}, ended
        traces |= {f"{way}: {what}": one for what, one in ended.items()}
        kept |= {f"{way}: {what}": one for what, one in stays.items()}
        salt = b64u_encode(secrets.token_bytes(16))
        act = crypto.sign_act(keys, deployment_of(server), "search_pin", salt, time.time_ns() // 1_000_000)
        asking, path = second if way == "/logout" else first, way.format(session["session_id"])
        acts.append(partial(asking.ask, "POST", path, search_salt=salt, act=act))
    search = Search(traces | kept)
    assert search.finds(steal(server, tmp_path / "before")) == sorted({*traces, *kept})
    for act_now in acts:
        await act_now()
    assert search.finds(steal(server, tmp_path / "after")) == sorted(kept)
