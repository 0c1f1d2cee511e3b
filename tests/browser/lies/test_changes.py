"""Lies about edits, deletions, marks and expiry: what the server says beside a message counts only with its proof."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.async_api import Locator, expect

from ezdms import crypto
from ezdms.protocol.encoding import b64u_encode
from tests.browser.lies.peers import Peer, noise
from tests.browser.lies.rows import SHOWN, Row, Rows, row_of, showing, without_copy
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.test_previews import rows_of
from tests.browser.lies.test_rows import GONE, NOT_VERIFIED, SAID, talk
from tests.support.someone import texts_of

__all__ = ["talk"]

SIGNED = "zyxsigned"  # part of texts that were signed, but must not be shown: other tests find them in the list

Edit = Callable[[Row], Row]


def withheld(stage: Stage) -> Locator:
    """What the page says of withheld messages."""
    return stage.page.locator(".withheld:not([hidden])")


async def says_nothing_of_it(stage: Stage) -> None:
    """Nothing of a lie is in the conversation. The list may show the text of another test's conversation, truly."""
    said = await stage.page.get_by_role("main").inner_html()
    assert SIGNED not in said
    assert "bob" in said  # control


def third(change: Edit) -> Callable[[Rows], Rows]:
    """A lie about the third message of theirs."""
    return lambda rows: [change(row) if row["data-n"] == "3" and "data-own" not in row else row for row in rows]


async def test_a_server_that_shows_the_old_copy_again_undoes_nothing(talk: Stage) -> None:
    """The signed edit and the signed deletion overrule it, in the conversation and in the list."""
    edited, deleted = f"{SIGNED} typo", f"{SIGNED} secret"
    await talk.bob.writes(edited)
    await talk.bob.writes(deleted)
    await talk.opens_anew()
    before = {row["data-message-id"]: row for row in await rows_of(talk, talk.bob)}
    assert len(before) == len(SAID) + 2
    await talk.bob.edits(edited, "as meant")
    await talk.bob.deletes(deleted)

    def change(rows: Rows) -> Rows:
        return [before.get(row["data-message-id"], row) for row in rows]

    shown = [*SAID, "as meant", "bob deleted this message for both of you."]
    with talk.liar.lying(SHOWN, showing(change)):
        await talk.opens_anew()
        await expect(texts_of(talk.page)).to_have_text(shown)
        await says_nothing_of_it(talk)
    await talk.opens_anew()
    await expect(texts_of(talk.page)).to_have_text(shown)
    await expect(withheld(talk)).to_have_count(0)


OTHERS_MARK = f"{'A' * 40}.{'A' * 300}.{'A' * 86}"
WITHOUT_PROOF: dict[str, dict[str, str]] = {
    "no reason": {},
    "replaced": {"gone": "replaced"},
    "expired": {"gone": "expired"},
    "expired, with a lifetime": {"gone": "expired", "expires-in": "1"},
    "hidden": {"gone": "hidden"},
    "hidden, with a mark of noise": {"gone": "hidden", "mark": OTHERS_MARK},
    "blocked": {"gone": "blocked"},
    "removed by the host": {"gone": "retention"},
    "a change of the message before it": {"gone": "replaced", "replaces": ""},
}


async def test_no_reason_for_an_empty_row_counts_without_its_proof(talk: Stage) -> None:
    """Each is withheld, which the page says in its place and once for all; what follows is judged as ever."""
    before = talk.bob.sent[1].message_id
    for name, given in WITHOUT_PROOF.items():
        beside = {f"data-{key}": value or before for key, value in given.items()}

        def change(row: Row, beside: Row = beside) -> Row:
            return without_copy(row) | beside

        with told(name), talk.liar.lying(SHOWN, showing(third(change))):
            await talk.opens_anew(is_well=False)
            await expect(texts_of(talk.page)).to_have_text([*SAID[:2], GONE])
            await expect(withheld(talk)).to_contain_text("does not hand over a message")
            await expect(talk.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
    with talk.liar.lying(SHOWN, showing(lambda rows: [without_copy(row) for row in rows])):
        await talk.opens_anew(is_well=False)
        await expect(withheld(talk)).to_contain_text("does not hand over 3 messages")
    await talk.opens_anew()  # control: no lie
    await expect(texts_of(talk.page)).to_have_text(SAID)
    await expect(withheld(talk)).to_have_count(0)


async def test_a_mark_hides_a_message_only_if_the_user_signed_it_for_this_row(talk: Stage) -> None:
    theirs, last = talk.bob.keys, talk.bob.sent[-1]
    own_fp = crypto.fingerprint(talk.bob.other.ik)
    await talk.opens_anew()
    sign = """async ([id, hash]) => {
        const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
        const [C, K] = await Promise.all([import(at("crypto")), import(at("keystore"))]);
        return C.signMark(await K.loadAccount(), location.pathname.slice(3), id, hash);
    }"""
    mine = await talk.page.evaluate(sign, [last.message_id, last.hash])
    another = await talk.page.evaluate(sign, [talk.bob.sent[0].message_id, talk.bob.sent[0].hash])
    forged = crypto.sign_mark(theirs, talk.bob.conversation, last.message_id, last.hash)
    assert b64u_encode(own_fp) not in forged
    for name, mark, shown in (
        ("by another key", forged, GONE),
        ("for another message", another, GONE),
        ("true", mine, "You deleted this message for yourself."),
    ):

        def change(row: Row, mark: str = mark) -> Row:
            return without_copy(row) | {"data-gone": "hidden", "data-mark": mark}

        with told(name), talk.liar.lying(SHOWN, showing(third(change))):
            await talk.opens_anew(is_well=False)
            await expect(texts_of(talk.page)).to_have_text([*SAID[:2], shown])


LIFETIMES = {"stretched": "7200", "shortened": "60", "endless": ""}


@pytest.mark.parametrize("name", LIFETIMES)
async def test_a_lifetime_other_than_the_signed_one_cannot_be_verified(talk: Stage, name: str) -> None:
    await talk.bob.writes(f"{SIGNED} for an hour", x=3600)

    def change(rows: Rows) -> Rows:
        given = {"data-expires-in": LIFETIMES[name]} if LIFETIMES[name] else {}
        return [
            {key: value for key, value in row.items() if key != "data-expires-in"} | given
            if "data-expires-in" in row
            else row
            for row in rows
        ]

    with talk.liar.lying(SHOWN, showing(change)):
        await talk.opens_anew()
        await expect(texts_of(talk.page)).to_have_text([*SAID, NOT_VERIFIED])
        await says_nothing_of_it(talk)
    await talk.opens_anew()  # control: no lie
    await expect(talk.page.get_by_role("timer", name="Disappears in")).to_be_visible()


async def test_a_change_that_the_server_describes_wrongly_changes_nothing(talk: Stage) -> None:
    sealed = talk.bob.seal(f"{SIGNED} three", kind="edit", reference=talk.bob.named["three"], e="")
    rows = {
        "without its target": row_of(talk.bob, sealed, 4),
        "with another target": row_of(talk.bob, sealed, 4) | {"data-replaces": talk.bob.sent[0].message_id},
    }
    for name, row in rows.items():

        def change(known: Rows, row: Row = row) -> Rows:
            return [*known, row] if known else known

        with told(name), talk.liar.lying(SHOWN, showing(change)):
            await talk.opens_anew()
            await expect(texts_of(talk.page)).to_have_text([*SAID, NOT_VERIFIED])
            await says_nothing_of_it(talk)


async def test_changes_of_what_is_not_theirs_or_not_here_show_nothing(talk: Stage) -> None:
    """Signed by the right person, in their place in the chain, but about the wrong message."""
    await talk.opens_anew()
    await talk.says("mine")
    mine = await talk.bob.newest()
    first = talk.bob.named["one"]
    for about in (mine, (noise(16), noise(32)), (first[0], noise(32))):
        await talk.bob.writes(SIGNED, kind="edit", reference=about, e="", beside={})
        await talk.bob.writes(" ".join(about), kind="delete", e="", beside={})
    await talk.bob.reacts((noise(16), noise(32)), "\U0001f44d")
    await talk.bob.writes("the end")

    def change(rows: Rows) -> Rows:  # the real server would have refused `replaces`
        told_about = {}
        for sealed, about in zip(
            talk.bob.sent[3:9], [each for each in (mine, None, first) for _ in range(2)], strict=True
        ):
            told_about[sealed.message_id] = about
        return [
            row | ({"data-replaces": (told_about[row["data-message-id"]] or first)[0]})
            if row["data-message-id"] in told_about
            else row
            for row in rows
        ]

    with talk.liar.lying(SHOWN, showing(change)):
        await talk.opens_anew()
        await expect(texts_of(talk.page).last).to_have_text("the end")
        texts = await texts_of(talk.page).all_inner_texts()
        assert [text for text in texts if text != NOT_VERIFIED] == [*SAID, "mine", "the end"]
        await expect(talk.page.locator(".reactions, .edited, [data-gone]")).to_have_count(0)
        await says_nothing_of_it(talk)


async def test_a_change_moved_here_from_another_conversation_cannot_be_verified(talk: Stage) -> None:
    carol = await Peer.arrives(talk.truth)
    talk.peers.append(carol)
    await carol.starts_with(talk.alice.search_pin)
    await carol.writes(SIGNED, kind="edit", reference=talk.bob.named["three"], e="", beside={})
    await talk.opens_anew()
    (moved,) = await rows_of(talk, carol)
    moved |= {"data-seq": "4", "data-n": "4", "data-replaces": talk.bob.named["three"][0]}
    with talk.liar.lying(SHOWN, showing(lambda rows: [*rows, moved] if rows else rows)):
        await talk.opens_anew(is_well=False)
        await expect(texts_of(talk.page)).to_have_text([*SAID, NOT_VERIFIED])
        await says_nothing_of_it(talk)
