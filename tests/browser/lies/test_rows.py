"""Unsigned or reordered rows: what the page shows of them, and that the chain does not change."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from ezdms.protocol.encoding import b64u_decode
from tests.browser.lies.answers import saying, with_member
from tests.browser.lies.fragments import SEALED, element
from tests.browser.lies.liar import Answer
from tests.browser.lies.peers import noise
from tests.browser.lies.rows import ROW, SHOWN, Row, Rows, facts, row_of, showing, without_copy
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.watching import FORGED
from tests.support.someone import texts_of, until

SAID = ["one", "two", "three"]
GONE = "The server does not hand over this message."
NOT_VERIFIED, NEWER = "Cannot be verified", "Needs a newer version of EZ-DMS"
FORGED_SIGNATURE, FORKED = "forged signature", "tampered with"


@pytest_asyncio.fixture(loop_scope="session")
async def talk(anywhere: Stage) -> AsyncIterator[Stage]:
    """A new contact wrote three messages, and Alice has not looked yet."""
    await anywhere.meets_a_new_contact(*SAID)
    yield anywhere
    await anywhere.comes_back()


def invented(row: Row, **changed: str) -> Row:
    """A well-formed row that nobody sent."""
    fresh = {"data-message-id": noise(16), "data-hash": noise(32), "data-seq": str(int(row["data-seq"]) + 50)}
    given = {f"data-{name.replace('_', '-')}": value for name, value in changed.items()}
    return row | fresh | {"data-n": str(int(row["data-n"]) + 1)} | given


def twin_of(row: Row) -> Row:
    """The same message with another number."""
    return invented(row, n="9", message_id=row["data-message-id"], hash=row["data-hash"])


def _second(rows: Rows, row: Row) -> Rows:
    return [rows[0], row, *rows[1:]]


LARGEST = str(2**53 - 1)
UNSIGNED: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "emptied and never sent": (lambda rows: [*rows, without_copy(invented(rows[-1]))], GONE),
    "of suite 99": (lambda rows: [*rows, invented(rows[-1], suite="99")], NEWER),
    "of noise": (lambda rows: [*rows, invented(rows[-1])], NOT_VERIFIED),
    "of the largest number": (lambda rows: [*rows, without_copy(invented(rows[-1], n=LARGEST))], GONE),
    "of the largest seq, last": (lambda rows: [*rows, without_copy(invented(rows[-1], seq=LARGEST))], GONE),
    "of the largest seq, first": (lambda rows: [without_copy(invented(rows[-1], seq=LARGEST)), *rows], GONE),
    "of the largest seq, second": (lambda rows: _second(rows, without_copy(invented(rows[-1], seq=LARGEST))), GONE),
    "of a distant date": (lambda rows: [*rows, without_copy(invented(rows[-1], at="253402300799999"))], GONE),
    "of suite 99 and the largest number": (lambda rows: [*rows, invented(rows[-1], suite="99", n=LARGEST)], NEWER),
    "a replay": (lambda rows: [*rows, invented(rows[-1], sealed=rows[0]["data-sealed"])], NOT_VERIFIED),
    "a replay with its id": (lambda rows: [*rows, twin_of(rows[0])], NOT_VERIFIED),
}  # fmt: skip


def after_theirs(change: Callable[[Rows], Rows]) -> Callable[[Rows], Rows]:
    """The same change of their rows; one's own stay."""

    def changed(rows: Rows) -> Rows:
        theirs = [row for row in rows if "data-own" not in row]
        return change(theirs) + [row for row in rows if "data-own" in row] if theirs else rows

    return changed


async def test_an_unsigned_row_changes_nothing(talk: Stage) -> None:
    """It is neither acknowledged nor stored, and messages withheld afterwards are still reported."""
    last = talk.bob.sent[-1]
    mine: list[tuple[str, str]] = [("", "")]  # text and hash
    for name, (change, shown) in UNSIGNED.items():
        with told(name), talk.liar.lying(SHOWN, showing(after_theirs(change))):
            await talk.opens_anew()
            texts = [*SAID, *[text for text, _ in mine[1:]], *[shown] * (len(change([ANY] * 3)) - 3)]
            await expect(texts_of(talk.page)).to_have_text(texts)
            await talk.says(f"does it hold? ({name})")
            said, stored = await talk.bob.last(), (await talk.bob.rows())[-1]["hash"]
            assert (said.n, said.p, said.a) == (len(mine), mine[-1][1], (3, last.hash))
            assert await talk.remembers() == ([len(mine), stored], [3, last.hash])
            mine.append((said.text, stored))


ANY: Row = {"data-seq": "1", "data-n": "1", "data-sealed": "", "data-message-id": "", "data-hash": ""}


def _emptied(name: str) -> Callable[[Rows], Rows]:
    """Their third message cannot be read."""

    def change(rows: Rows) -> Rows:
        made: dict[str, Callable[[Row], Row]] = {
            "emptied": without_copy,
            "suite 99": lambda row: row | {"data-suite": "99"},
            "noise": lambda row: row | {"data-sealed": rows[0]["data-sealed"]},
        }
        return [made[name](row) if row["data-n"] == "3" and "data-own" not in row else row for row in rows]

    return change


async def test_an_emptied_tail_raises_no_alarm_and_is_not_acknowledged(talk: Stage) -> None:
    """The last message cannot be read: only the messages before it are acknowledged."""
    mine: list[str] = []
    for name in ("emptied", "suite 99", "noise"):
        with told(name), talk.liar.lying(SHOWN, showing(_emptied(name))):
            await talk.opens_anew()
            await expect(texts_of(talk.page)).to_have_count(3 + len(mine))
            await expect(texts_of(talk.page).nth(2)).not_to_have_text(SAID[2])
            await expect(talk.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
            mine.append(f"and now? {name}")
            await talk.says(mine[-1])
            assert (await talk.bob.last()).a == (2, talk.bob.sent[1].hash)
            assert (await talk.remembers())[1] == [2, talk.bob.sent[1].hash]
    await talk.opens_anew()  # control: no lie
    await expect(texts_of(talk.page)).to_have_text([*SAID, *mine])


FAR_ROW = without_copy(
    {"data-n": "77", "data-hash": noise(32), "data-suite": "1", "data-message-id": noise(16)}
    | {"data-at": "1790000000000", "data-seq": LARGEST}
)
FAR = element("message-row", FAR_ROW)
OLDER = element("older-messages", {"data-before": LARGEST})
BEGINNINGS: dict[str, tuple[Callable[[str], str], str]] = {
    "first": (lambda rows: FAR + rows, ""),
    "in the middle": (lambda rows: rows.replace("</message-row>", f"</message-row>{FAR}", 1), ""),
    "last": (lambda rows: rows + FAR, ""),
    "alone": (lambda rows: FAR, ""),
    "after what is older": (lambda rows: OLDER + FAR + rows, LARGEST),
    "alone, after what is older": (lambda rows: OLDER + FAR, LARGEST),
}


async def test_a_row_with_the_largest_position_does_not_block_later_messages(talk: Stage) -> None:
    """The server lies once and loses a frame; its message is fetched with the next connection."""
    texts = [*SAID]
    for name, (change, further) in BEGINNINGS.items():
        last_seq = further or str(len(texts) + 1)

        def lie(answer: Answer, change: Callable[[str], str] = change, last_seq: str = last_seq) -> None:
            facts(last_seq=last_seq)(answer)
            rows = "".join(match[0] for match in ROW.finditer(answer.text))
            answer.text = ROW.sub("", answer.text) + change(rows)

        with told(name):
            with talk.liar.lying("GET /c/.*/open", lie):
                await talk.opens_anew()
                await until(lambda: talk.liar.has_socket)
            with talk.liar.silent():
                texts.append(f"later, {name}")
                await talk.bob.writes(texts[-1])
            talk.liar.close_sockets(1011)
            await expect(texts_of(talk.page)).to_contain_text([*texts, GONE])


async def test_a_row_falsely_attributed_to_the_user_causes_only_a_gap(talk: Stage) -> None:
    """Its number is followed only as far as a server accepts the next one; the page neither hangs nor stops."""
    mine: list[str] = []
    number = 0  # of her last message
    for ahead in (2**53 - 1, 2**52, 2**52 - 1, 1000, 2, 999):
        claimed = ahead if ahead > 1000 else number + ahead

        def change(theirs: Rows, claimed: int = claimed) -> Rows:
            return [*theirs, without_copy(invented(theirs[-1], n=str(claimed), own=""))]

        with told(str(claimed)), talk.liar.lying(SHOWN, showing(after_theirs(change))):
            await talk.opens_anew()
            await expect(texts_of(talk.page)).to_have_text([*SAID, *mine, GONE])
            mine.append(f"still here, {claimed}")
            await talk.composer.fill(mine[-1])
            await talk.composer.press("Enter")
            await expect(texts_of(talk.page)).to_have_text([*SAID, *mine, GONE])
            await expect(talk.page.locator(".pending")).to_have_count(0)
            number = claimed + 1 if ahead < 1000 else number + 1
            assert (await talk.bob.last()).n == number
    await talk.page.goto(talk.liar.url)
    await talk.opens_anew()
    await expect(texts_of(talk.page)).to_have_text([*SAID, *mine])
    await expect(talk.composer).to_be_enabled()


async def test_a_second_message_with_the_same_id_raises_an_alarm(talk: Stage) -> None:
    """It is signed, in its place, and sealed again although the first was stored: both claim to be the message."""
    again = talk.bob.seal("three, and more", message_id=b64u_decode(talk.bob.sent[-1].message_id))
    with talk.liar.lying(SHOWN, showing(lambda rows: [*rows, row_of(talk.bob, again, 9)] if rows else rows)):
        await talk.opens_anew(is_well=False)
        await expect(texts_of(talk.page)).to_have_text([*SAID, NOT_VERIFIED])
        await expect(talk.page.locator("[data-alarm]")).to_contain_text(FORKED)
        await expect(talk.composer).to_be_disabled()
        await talk.page.get_by_role("button", name="Continue anyway").click()
        await talk.says("which is it?")
    assert (await talk.bob.last()).a == (3, talk.bob.sent[-1].hash)  # the first one stays


@pytest.mark.parametrize("whose", ["mine, of noise", "theirs, under its id"])
async def test_only_its_own_row_marks_a_message_as_shown(talk: Stage, whose: str) -> None:
    """Until then it stays queued, and the page says that it is missing."""

    def change(rows: Rows) -> Rows:
        mine = [row for row in rows if "data-own" in row]
        theirs = [row for row in rows if "data-own" not in row]
        if mine and whose == "mine, of noise":
            return [*theirs, *(row | {"data-sealed": SEALED} for row in mine)]
        if mine:
            twin = talk.bob.seal("not it", message_id=b64u_decode(mine[-1]["data-message-id"]))
            theirs.append(row_of(talk.bob, twin, 4))
        return theirs

    page = await talk.alice.new_tab()
    await page.route_web_socket("**/ws", lambda socket: None)  # the socket delivers nothing
    with talk.liar.lying(SHOWN, showing(change)):
        await page.goto(talk.address)
        await page.get_by_role("textbox", name="Message").fill("is it there?")
        await page.keyboard.press("Enter")
        await expect(page.locator(".pending")).to_contain_text("does not show it")
        await expect(texts_of(page)).to_have_count(4)
    await page.close()
    await talk.opens_anew()  # control: no lie
    await expect(texts_of(talk.page)).to_have_text([*SAID, "is it there?"])
    await expect(talk.page.locator(".pending")).to_have_count(0)


@pytest.mark.parametrize("is_forged", [False, True], ids=["not taken", "by a forged row"])
async def test_a_number_is_not_abandoned_only_because_the_server_calls_it_taken(talk: Stage, is_forged: bool) -> None:
    """The message waits: it is sealed again only for an existing row, and never during an alarm."""

    def change(rows: Rows) -> Rows:
        theirs = [row for row in rows if "data-own" not in row]
        if is_forged and len(theirs) < len(rows):
            theirs.append(invented(rows[-1], n="1", own="", sealed=kept[0]["data-sealed"]))
        kept.extend(theirs)
        return theirs

    kept: Rows = []
    page = await talk.alice.new_tab()
    await page.route_web_socket("**/ws", lambda socket: None)  # the socket delivers nothing
    with (
        talk.liar.lying(SHOWN, showing(change)),
        talk.liar.lying("POST /send_message", saying('{"code": "counter"}', 409)),
    ):
        await page.goto(talk.address)
        await page.get_by_role("textbox", name="Message").fill("is it there?")
        await page.keyboard.press("Enter")
        await expect(page.locator(".pending")).to_contain_text("Queued" if is_forged else "already has this number")
        await expect(page.locator("[data-alarm]")).to_contain_text(FORGED_SIGNATURE if is_forged else "")
        await page.wait_for_timeout(500)
    await page.close()
    posted = [one for one in talk.liar.heard[talk.watch.since :] if one.startswith("POST /send_message")]
    assert len(posted) > 1  # immediately, when found to be waiting, and later if it takes long
    assert len({one.split("&hash=")[1][:43] for one in posted}) == 1  # the same seal


async def test_queued_messages_are_not_sent_while_an_alarm_stands(talk: Stage) -> None:
    await talk.opens_anew()
    await talk.page.route("**/send_message", lambda route: route.abort())
    await talk.composer.fill("it waits")
    await talk.composer.press("Enter")
    await expect(talk.page.locator(".pending")).to_contain_text("Not sent")
    await talk.page.unroute("**/send_message")
    with (
        talk.liar.lying("GET /me", with_member("vault_version", 2**51)),
        talk.liar.lying("GET /vault", with_member("version", 0)),
    ):
        await talk.opens_anew(is_well=False)
        await expect(talk.page.locator("[data-alarm]")).to_contain_text("older list of your contacts")
        await expect(talk.page.locator(".pending")).to_contain_text("Queued")
    assert not [one for one in talk.liar.heard[talk.watch.since :] if one.startswith("POST /send_message")]
    await talk.page.get_by_role("button", name="Continue anyway").click()
    await expect(talk.page.locator(".pending")).to_have_count(0)
    assert (await talk.bob.last()).text == "it waits"


A_FILE = {"id": noise(16), "key": noise(32), "size": 1, "hash": noise(32), "name": FORGED, "type": ""}
OF_OTHER_KINDS: dict[str, tuple[dict[str, Any], str]] = {
    json.dumps(A_FILE | {"thumb": "", "w": 0, "h": 0}, separators=(",", ":")): ({"kind": "file"}, NOT_VERIFIED),
    "60": ({"kind": "timer"}, "bob set messages to disappear 1 minute after they are sent."),
}


async def test_content_other_than_text_is_not_shown_as_text(talk: Stage) -> None:
    """A file cannot be verified if the server does not say that it is one."""
    shown = [*SAID]
    await talk.opens_anew()
    for text, (kind, sentence) in OF_OTHER_KINDS.items():
        await talk.bob.writes(text, beside={} if kind["kind"] == "file" else None, **kind)
        shown += [sentence, "what is it?"]
        await expect(texts_of(talk.page)).to_have_text(shown[:-1])
        await talk.says("what is it?")
        await expect(texts_of(talk.page)).to_have_text(shown)
        verified = 3 if kind["kind"] == "file" else 5
        assert (await talk.bob.last()).a == (verified, talk.bob.sent[verified - 1].hash)
    await talk.shows_nothing_of_it()


async def test_an_expiring_text_cannot_be_verified_if_the_server_hides_its_expiry(talk: Stage) -> None:
    """It would stay forever. The Python client treats it the same way (test_changed_messages_get_the_right_verdict)."""
    await talk.bob.writes("I disappear", x=60, beside={})
    await talk.opens_anew()
    await expect(texts_of(talk.page)).to_have_text([*SAID, NOT_VERIFIED])
    await talk.says("what was it?")
    assert (await talk.bob.last()).a == (3, talk.bob.sent[2].hash)
    assert (await talk.remembers())[1] == [3, talk.bob.sent[2].hash]


# Another browser of Alice stored a vault that knows less about Bob than this one.
KNOWS_LESS = """async () => {
    const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
    const [C, K, S] = await Promise.all(["crypto", "keystore", "server"].map((name) => import(at(name))));
    const id = location.pathname.slice(3);
    await navigator.locks.request("ezdms-vault", async () => {
        const known = { ...await K.loadContact(id), seq: 7, verified: "safety-number", accepted: ["fork here"] };
        await K.saveContact(id, known);
        const contacts = await K.loadContacts();
        const less = { seq: 1, hash: "", verified: "", own: null, theirs: [1, "x"], accepted: ["fork there"] };
        contacts[id] = { ...known, ...less };
        const version = (await K.loadVaultState()).version + 1;
        const blob = await C.sealVault(await K.loadAccount(), { version, contacts });
        await S.postForm("/vault", { version, blob }, null, "PUT");
    });
    return K.loadContact(id);
}"""


async def test_a_vault_that_knows_less_removes_nothing(talk: Stage) -> None:
    await talk.opens_anew()
    await talk.says("seen")
    await talk.remembers()
    known = await talk.page.evaluate(KNOWS_LESS)
    with talk.liar.lying("GET /c/.*/open", saying("", 503)):  # its rows would be stored again
        await talk.opens_anew(is_well=False)
        await expect(talk.page.get_by_role("button", name="Try again")).to_be_visible()

        async def is_learned() -> bool:
            return len((await talk.contact())["accepted"]) > 1

        await until(is_learned)
    assert await talk.contact() == known | {"accepted": ["fork here", "fork there"]}


async def test_honest_rows_are_accepted_without_a_warning(talk: Stage) -> None:
    with talk.liar.lying(SHOWN, showing(lambda rows: rows)):
        await talk.opens_anew()
        await expect(texts_of(talk.page)).to_have_text(SAID)
        await talk.says("well?")
        assert (await talk.bob.last()).a == (3, talk.bob.sent[-1].hash)
    await expect(talk.page.locator("[role=alert]:not(:empty), .note:not(:empty), .signed:not(:empty)")).to_have_count(0)
