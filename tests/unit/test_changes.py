"""What edits, deletions and reactions do to messages, and what a row without content shows, in both implementations."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import asdict, replace
from itertools import product
from typing import Any, get_args

import pytest

from ezdms import crypto
from ezdms.client import changes
from ezdms.client.changes import Fact, Shown, next_e, proven_reason, refusal, shown, timer_in_force
from ezdms.protocol.encoding import b64u_encode, sha256
from ezdms.views.wording import messages
from tests.conftest import ROOT
from tests.support.people import KINDS, PEOPLE
from tests.unit.test_twins import ask_twin

NOW, MINUTE, DAY = 1_790_000_000_000, 60_000, 86_400_000
ALICE, BOB = PEOPLE["alice"], PEOPLE["bob"]
SNAKE = re.compile("_([a-z])")


def digest(*parts: object) -> str:
    """The hash of a made-up message."""
    return b64u_encode(sha256(repr(parts).encode()))


def fact(n: int, kind: str | None = "text", side: str = "own", **more: Any) -> Fact:
    """A row with an id and a hash of its own. `about`: the message that a change is about."""
    about: Fact | None = more.pop("about", None)
    content: dict[str, Any] = {"text": f"text {n}" if kind in ("text", "edit") else ""}
    if about is not None and kind == "delete":
        content["text"] = f"{about.id} {about.hash}"
    elif about is not None:
        content["reference"] = (about.id, about.hash)
    if kind in ("edit", "delete"):
        content["e"] = ""
    place = {"ts": NOW, "created_at": NOW}
    return Fact(side, digest(side, n, "id")[:22], n, digest(side, n), kind, **(place | content | more))


def emptied(row: Fact, **claimed: Any) -> Fact:
    """The row as a server shows it that has no content of it any more."""
    place = (row.side, row.id, row.n, row.hash)
    return replace(Fact(*place, created_at=row.created_at, is_empty=True), **claimed)


def states(*rows: Fact, **more: Any) -> list[str | None]:
    """The states that `shown` gives."""
    return [None if one is None else one.state for one in shown(rows, **({"now": NOW} | more))]


def in_javascript(members: Fact | dict[str, Any]) -> dict[str, Any]:
    """With the names that changes.js uses."""
    given = asdict(members) if isinstance(members, Fact) else members
    return {SNAKE.sub(lambda found: found[1].upper(), name): value for name, value in given.items()}


def asked(rows: list[Fact], **more: Any) -> tuple[str, Any]:
    return "shown", [[in_javascript(row) for row in rows], more]


ONE = fact(1)


# ---- Which changes count ----


def test_an_edit_shows_its_text_and_names_itself() -> None:
    edit = fact(2, "edit", about=ONE)
    assert shown([ONE, edit], now=NOW) == [Shown("edited", "text 2", by=edit.id), None]


def test_who_sent_a_message_may_edit_and_delete_it_and_both_may_react() -> None:
    reaction = {"text": "👍", "about": ONE}
    for kind, state in (("edit", "edited"), ("delete", "deleted")):
        assert states(ONE, fact(2, kind, about=ONE)) == [state, None]
        assert states(ONE, fact(2, kind, "theirs", about=ONE)) == ["text", None]
    for side in ("own", "theirs"):
        view = shown([ONE, fact(2, "react", side, **reaction)], now=NOW)
        assert view == [Shown("text", "text 1", reactions={side: "👍"}), None]


def test_a_change_must_be_later_than_its_own_message_but_a_reaction_of_the_other_side_has_its_own_numbers() -> None:
    five = fact(5)
    assert states(five, fact(4, "edit", about=five)) == ["text", None]
    assert states(five, fact(4, "delete", about=five)) == ["text", None]
    reactions = [fact(4, "react", text="👍", about=five), fact(4, "react", "theirs", text="👎", about=five)]
    view = shown([five, *reactions], now=NOW)
    assert view[0] == Shown("text", "text 5", reactions={"theirs": "👎"})


@pytest.mark.parametrize("kind", ["edit", "delete", "react"])
def test_a_change_of_a_change_does_not_count(kind: str) -> None:
    edit, deletion = fact(2, "edit", about=ONE), fact(2, "delete", about=ONE)
    reaction = fact(2, "react", about=ONE, text="👍")
    for target, state in ((edit, "edited"), (deletion, "deleted"), (reaction, "text")):
        plain, changed = (shown([ONE, target, *more], now=NOW) for more in ([], [fact(3, kind, about=target)]))
        assert changed == [*plain, None]
        assert plain[0] is not None
        assert plain[0].state == state
    hidden = emptied(edit, replaces=ONE.id)  # a change by what the server says
    assert states(ONE, hidden, fact(3, "edit", about=edit)) == ["text", "withheld", None]


@pytest.mark.parametrize("kind", ["edit", "delete", "react"])
def test_a_change_of_another_id_or_hash_does_not_count(kind: str) -> None:
    other = fact(9)
    for wrong in (replace(ONE, hash=other.hash), replace(ONE, id=other.id), other):
        assert shown([ONE, fact(2, kind, about=wrong)], now=NOW) == [Shown("text", "text 1"), None]


def test_the_highest_number_counts_in_any_order_of_rows() -> None:
    edits = [fact(n, "edit", about=ONE) for n in (2, 3, 4)]
    reactions = [fact(n, "react", "theirs", about=ONE, text=emoji) for n, emoji in ((2, "👍"), (3, "👎"), (4, "🎉"))]
    rows = [ONE, *edits, *reactions]
    dice = random.Random(1)  # noqa: S311
    for _ in range(20):
        dice.shuffle(rows)
        view = shown(rows, now=NOW)[rows.index(ONE)]
        assert view == Shown("edited", "text 4", edits[-1].id, {"theirs": "🎉"})


def test_a_withdrawn_reaction_is_gone_and_can_be_given_again() -> None:
    given = [fact(n, "react", about=ONE, text=emoji) for n, emoji in ((2, "👍"), (3, ""), (4, "🎉"))]
    found = [shown([ONE, *given[:count]], now=NOW)[0] for count in (1, 2, 3)]
    assert [one and one.reactions for one in found] == [{"own": "👍"}, {}, {"own": "🎉"}]


def test_a_deletion_is_final_whatever_the_server_shows_and_whatever_follows() -> None:
    deletion = fact(3, "delete", about=ONE)
    others = [fact(2, "edit", about=ONE), fact(4, "edit", about=ONE), fact(5, "react", about=ONE, text="👍")]
    for first in (ONE, emptied(ONE), emptied(ONE, reason="hidden"), emptied(ONE, reason="expired")):
        assert shown([first, *others, deletion], now=NOW)[0] == Shown("deleted", by=deletion.id)


def test_an_edit_applies_to_whatever_its_target_was() -> None:
    """Its kind is not asked: the server may have emptied it."""
    for target in (ONE, fact(1, "file"), fact(1, "timer", text="60"), fact(1, None), emptied(ONE)):
        assert states(target, fact(2, "edit", about=ONE)) == ["edited", None]


def test_a_row_that_only_claims_an_id_does_not_take_the_place_of_the_message() -> None:
    fake = replace(emptied(ONE), n=7)
    for rows in ([fake, ONE], [ONE, fake]):
        expected = ["withheld" if row is fake else "deleted" for row in rows]
        assert states(*rows, fact(8, "delete", about=ONE)) == [*expected, None]
    other = replace(emptied(ONE), side="theirs")
    assert states(other, ONE, fact(8, "delete", about=ONE)) == ["withheld", "deleted", None]


def test_a_timer_a_refused_message_and_an_unknown_kind_are_not_decided_here() -> None:
    assert states(fact(1, "timer", text="60"), fact(2, None)) == [None, None]


def test_a_reply_names_the_row_that_it_answers() -> None:
    reply = fact(2, "text", "theirs", about=ONE)
    assert [one and one.answers for one in shown([ONE, reply], now=NOW)] == [None, 0]
    assert [one and one.answers for one in shown([reply], now=NOW)] == [None]
    edit = fact(2, "edit", about=ONE)
    replaced = [ONE, reply, fact(3, "edit", "theirs", about=reply)]  # whoever comes later cannot know what it answered
    assert [one and (one.state, one.answers) for one in shown(replaced, now=NOW)] == [
        ("text", None),
        ("edited", None),
        None,
    ]
    odd = fact(1, "text", "theirs", about=edit)  # to an edit
    assert [one and one.answers for one in shown([ONE, edit, odd], now=NOW)] == [None, None, None]


# ---- Rows without content ----


def chain_of_edits(count: int) -> list[Fact]:
    """A message and its edits, each naming those before it."""
    rows = [ONE]
    for n in range(2, count + 2):
        rows.append(fact(n, "edit", about=ONE, e=next_e(rows, "own", (ONE.id, ONE.hash))))
    return rows


def test_emptied_edits_show_nothing_if_a_later_change_names_them() -> None:
    rows = chain_of_edits(3)
    assert rows[-1].e == crypto.changes_hash([rows[1].hash, rows[2].hash])
    earlier = [emptied(row, replaces=ONE.id) for row in rows[1:-1]]
    assert states(emptied(ONE), *earlier, rows[-1]) == ["edited", None, None, None]
    deletion = fact(9, "delete", about=ONE, e=next_e(rows, "own", (ONE.id, ONE.hash)))
    earlier = [emptied(row, replaces=ONE.id) for row in rows[1:]]
    assert states(emptied(ONE), *earlier, deletion) == ["deleted", None, None, None, None]


def test_no_message_can_be_passed_off_as_an_edit() -> None:
    rows = chain_of_edits(2)
    stolen = fact(7)
    assert states(ONE, emptied(stolen, replaces=ONE.id)) == ["text", "withheld"]
    assert states(ONE, *rows[1:], emptied(stolen, replaces=ONE.id)) == ["edited", None, None, "withheld"]
    between = emptied(replace(rows[1], hash=stolen.hash), replaces=ONE.id)  # in the place of the first edit
    assert states(ONE, between, rows[2]) == ["edited", "withheld", None]
    theirs = emptied(replace(rows[1], side="theirs"), replaces=ONE.id)  # with the hash of a true one
    assert states(ONE, theirs, emptied(rows[1], replaces=ONE.id), rows[2]) == ["edited", "withheld", None, None]
    again = emptied(replace(rows[1], n=9), replaces=ONE.id)
    assert states(ONE, again, emptied(rows[1], replaces=ONE.id), rows[2]) == ["edited", "withheld", None, None]


def test_a_change_that_does_not_count_proves_nothing() -> None:
    first, second = chain_of_edits(2)[1:]
    stolen = emptied(first, replaces=ONE.id)
    assert states(stolen, second) == ["withheld", None]  # its target is not here
    assert states(replace(ONE, side="theirs"), stolen, second) == ["text", "withheld", None]


def test_an_empty_row_without_proof_is_withheld() -> None:
    reaction = fact(2, "react", about=ONE, text="👍")
    assert shown([emptied(ONE), reaction], now=NOW) == [Shown("withheld"), None]
    for reason in ("hidden", "expired", "retention", "blocked"):
        assert states(emptied(ONE, reason=reason)) == [reason]
    assert states(emptied(ONE, reason="replaced")) == ["withheld"]


def test_what_is_not_loaded_may_still_prove_why_a_row_is_empty() -> None:
    first, second = chain_of_edits(2)[1:]
    assert states(emptied(ONE), has_newer=True) == ["undecided"]
    assert states(emptied(ONE), has_older=True) == ["withheld"]
    assert states(emptied(first, replaces=ONE.id), second, has_older=True) == ["undecided", None]
    assert states(emptied(first, replaces=ONE.id), second) == ["withheld", None]
    assert states(emptied(ONE, reason="expired"), has_newer=True) == ["expired"]


def test_the_first_state_that_holds_is_shown() -> None:
    edit, deletion = fact(2, "edit", about=ONE), fact(3, "delete", about=ONE)
    for row in (replace(ONE, reason="hidden", x=5), emptied(ONE, reason="hidden")):
        assert states(row, edit, now=NOW + DAY) == ["hidden", None]
        assert states(row, edit, deletion) == ["deleted", None, None]
    for reason in ("retention", "blocked"):
        assert states(emptied(ONE, reason=reason), edit) == ["edited", None]
        assert states(replace(ONE, reason=reason)) == ["text"]
    assert states(emptied(ONE, reason="expired"), edit) == ["expired", None]


# ---- Disappearing ----


def test_a_message_and_its_edits_disappear_at_its_time_even_if_the_server_shows_them() -> None:
    row = replace(ONE, x=60)
    edit = fact(2, "edit", about=ONE, x=60, ts=NOW + 30_000, created_at=NOW + 30_000)
    for rows, state in (([row], "text"), ([row, edit], "edited")):
        view = shown(rows, now=NOW + 59_999)[0]
        assert view is not None
        assert (view.state, view.expires) == (state, NOW + 60_000)
        assert shown(rows, now=NOW + 60_000)[0] == Shown("expired")
    gone = emptied(ONE)  # what is known of its lifetime is signed in the edit
    assert states(gone, edit, now=NOW + 59_999) == ["edited", None]
    assert states(gone, edit, now=NOW + 60_000) == ["expired", None]


def test_a_false_time_of_the_server_delays_it_by_a_day_at_most() -> None:
    assert crypto.expires_at(0, NOW, NOW) is None
    assert crypto.expires_at(5, NOW, NOW) == NOW + 5_000
    assert crypto.expires_at(5, NOW - 9 * DAY, NOW) == NOW - 9 * DAY + 5_000
    assert crypto.expires_at(5, NOW + 9 * DAY, NOW) == NOW + DAY + 5_000
    late = replace(ONE, x=5, created_at=NOW + 9 * DAY)
    assert states(late, now=NOW + DAY + 4_999) == ["text"]
    assert states(late, now=NOW + DAY + 5_000) == ["expired"]


def test_the_last_timer_of_either_side_is_in_force_once_the_conversation_is_accepted() -> None:
    rows = [fact(1, "timer", text="60"), fact(1, "timer", "theirs", text="31536000"), fact(2)]
    assert [timer_in_force(rows[:count], is_accepted=True) for count in (0, 1, 3)] == [0, 60, 31_536_000]
    assert timer_in_force(rows, is_accepted=False) == 0
    assert timer_in_force([*rows, fact(3, "timer", text="0")], is_accepted=True) == 0
    assert timer_in_force([rows[0], emptied(rows[1])], is_accepted=True) == 60


def test_an_unsent_message_that_disappears_is_stale_after_an_hour() -> None:
    assert not changes.is_stale(0, 0, NOW)
    assert not changes.is_stale(5, NOW - 60 * MINUTE, NOW)
    assert changes.is_stale(5, NOW - 60 * MINUTE - 1, NOW)


# ---- Proofs ----

ROW: dict[str, Any] = {"is_own": False, "created_at": NOW - DAY, "expires_in": 0, "now": NOW}


def test_no_reason_is_believed_without_its_proof() -> None:
    for gone in (None, "", "replaced", "hidden", "expired", "retention", "blocked", "shy"):
        assert proven_reason(gone, **ROW) == ""
        assert proven_reason(gone, **ROW | {"expires_in": 5}) == ""
        assert proven_reason(gone, **ROW, is_marked=True) == "hidden"


def test_expired_is_believed_of_a_message_that_was_seen_or_came_after_the_first_timer() -> None:
    row = ROW | {"expires_in": 60}
    assert proven_reason("expired", **row, seen_x=60) == "expired"
    assert proven_reason("expired", **row, seen_x=61) == ""
    assert proven_reason("expired", **row, timed=NOW - DAY) == "expired"
    assert proven_reason("expired", **row, timed=NOW - DAY + 10 * MINUTE) == "expired"
    assert proven_reason("expired", **row, timed=NOW - DAY + 10 * MINUTE + 1) == ""
    known: list[dict[str, Any]] = [{"seen_x": 60}, {"timed": 1}]
    for more in known:
        assert proven_reason("expired", **row | {"created_at": NOW - MINUTE}, **more) == "expired"
        assert proven_reason("expired", **row | {"created_at": NOW - MINUTE + 1}, **more) == ""
        assert proven_reason("retention", **row, **more) == ""
    assert proven_reason("expired", **ROW, timed=1) == ""  # it never expires


def test_retention_is_believed_of_rows_older_than_the_announced_days() -> None:
    assert proven_reason("retention", **ROW, retention=0) == ""
    assert proven_reason("retention", **ROW, retention=1) == ""
    assert proven_reason("retention", **ROW | {"created_at": NOW - DAY - 1}, retention=1) == "retention"


@pytest.mark.parametrize(
    ("blocks", "is_proven"),
    [
        ([], False),
        ([(NOW - DAY, 0)], True),
        ([(NOW - DAY + 1, 0)], False),
        ([(1, NOW - DAY)], False),
        ([(1, NOW - DAY + 1)], True),
        ([(1, 2), (NOW - DAY, NOW)], True),
    ],
)
def test_blocked_is_believed_of_the_time_in_which_the_person_was_blocked(
    blocks: list[tuple[int, int]], is_proven: bool
) -> None:
    assert (proven_reason("blocked", **ROW, blocks=blocks) == "blocked") is is_proven
    assert proven_reason("blocked", **ROW | {"is_own": True}, blocks=blocks) == ""
    assert proven_reason("hidden", **ROW, blocks=blocks) == ""


# ---- Writing ----


def test_e_names_the_earlier_changes_of_this_sender_and_no_others() -> None:
    rows = [ONE, fact(1, "text", "theirs"), fact(2, "edit", about=ONE), fact(3, "react", about=ONE, text="👍")]
    rows += [fact(2, "edit", "theirs", about=ONE), fact(4, "edit", about=fact(9))]
    assert next_e(rows, "own", (ONE.id, ONE.hash)) == crypto.changes_hash([rows[2].hash])
    assert next_e(rows, "theirs", (rows[1].id, rows[1].hash)) == ""
    assert next_e(rows, "own", (ONE.id, rows[1].hash)) == ""
    assert crypto.changes_hash([]) == ""
    assert crypto.changes_hash(["a", "b"]) == b64u_encode(sha256(b"a.b"))


def test_a_server_cannot_make_the_sender_sign_that_another_message_was_an_edit() -> None:
    rows, stolen = chain_of_edits(2), emptied(fact(7), replaces=ONE.id)
    target = (ONE.id, ONE.hash)
    assert next_e([*rows, stolen], "own", target) == next_e(rows, "own", target)
    assert next_e([ONE, stolen], "own", target) == ""
    honest = [emptied(ONE), emptied(rows[1], replaces=ONE.id), rows[2]]
    assert next_e(honest, "own", target) == next_e(rows, "own", target)


LIVE = {"text": Shown("text"), "file": Shown("file"), "edited": Shown("edited")}


@pytest.mark.parametrize("kind", ["reply", "react", "delete", "edit"])
def test_a_refusal_says_why(kind: str) -> None:
    when: dict[str, Any] = {"created_at": NOW, "now": NOW}
    assert refusal(kind, None, is_own=True, **when) == changes.NO_MESSAGE
    for state, target in LIVE.items():
        file = changes.NOT_A_TEXT if (kind, state) == ("edit", "file") else ""
        assert refusal(kind, target, is_own=True, **when) == file
        is_for_both = kind in ("edit", "delete")
        assert refusal(kind, target, is_own=False, **when) == (changes.NOT_YOURS if is_for_both else "")
    for state, sentence in changes.LOST.items():
        assert refusal(kind, Shown(state), is_own=True, **when) == sentence  # type: ignore[arg-type]
    assert {*changes.LOST, *LIVE} == {*get_args(changes.State)}


def test_a_text_can_be_edited_for_a_day_and_a_reader_counts_an_edit_of_any_age() -> None:
    when: dict[str, Any] = {"is_own": True, "created_at": NOW - DAY}
    assert refusal("edit", LIVE["text"], **when, now=NOW) == ""
    assert refusal("edit", LIVE["text"], **when, now=NOW + 1) == changes.TOO_LATE
    assert refusal("delete", LIVE["text"], **when, now=NOW + 9 * DAY) == ""
    assert states(ONE, fact(2, "edit", about=ONE, ts=NOW + 99 * DAY), now=NOW + 99 * DAY) == ["edited", None]


# ---- What stands beside a message ----


def opened(content: dict[str, Any]) -> crypto.Message:
    """A message as its reader opens it."""
    message = crypto.seal_message(ALICE, BOB.ik, BOB.spki, n=1, p="", a=(0, ""), ts=NOW, **content)
    copy = message.content_for_a if crypto.in_order(ALICE.fp, BOB.fp)[0] == BOB.fp else message.content_for_b
    return crypto.open_message(BOB, ALICE.ik, BOB.ik, copy, message_id=message.message_id, n=1, hash=message.hash)


def test_what_the_server_says_beside_a_message_must_be_what_was_signed() -> None:
    described = {"edit": KINDS[2]["reference"][0], "delete": KINDS[3]["text"][:22]}
    file = json.loads(KINDS[6]["text"])["id"]
    questions: list[tuple[str, Any]] = []
    answers = []
    for content in KINDS:
        message, kind = opened(content), content["kind"]
        right: dict[str, Any] = {"expires_in": message.x, "replaces": described.get(kind), "file": None}
        right["file"] = file if kind == "file" else None
        other = digest()[:22]
        wrong: list[dict[str, Any]] = [{"expires_in": message.x + 1}, {"replaces": other}, {"file": other}]
        wrong += [{name: None} for name in ("replaces", "file") if right[name] is not None]
        assert changes.is_described(message, **right)
        assert not any(changes.is_described(message, **right | one) for one in wrong)
        questions += [("described", [asdict(message), right | one]) for one in ({}, *wrong)]
        answers += [True] + [False] * len(wrong)
    assert ask_twin(questions) == answers


# ---- Both implementations, and a third one that only counts ----


def naive(rows: list[Fact], now: int) -> list[tuple[str, str, dict[str, str]] | None]:
    """“Changes” of docs/protocol.md word by word, however slow: state, text and reactions of each row."""

    def counts(change: Fact, target: Fact) -> bool:
        is_change = target.kind in ("edit", "delete", "react") or (target.is_empty and target.replaces is not None)
        words = change.text.split(" ") if change.kind == "delete" else [*(change.reference or ("", ""))]
        is_allowed = change.kind == "react" or change.side == target.side
        is_later = change.side != target.side or change.n > target.n
        return words == [target.id, target.hash] and not is_change and is_allowed and is_later

    def is_proven(row: Fact) -> bool:
        for target, change in product(rows, rows):
            is_own = target.side == row.side and change.kind in ("edit", "delete") and counts(change, target)
            if not is_own or row.replaces != target.id or change.n <= row.n:
                continue
            earlier = {
                (one.n, one.hash)
                for one in rows
                if one.side == row.side and one.n < change.n
                if (one.is_empty and one.replaces == target.id)
                or (one.kind in ("edit", "delete") and counts(one, target))
            }
            if change.e == b64u_encode(sha256(".".join(hash for _, hash in sorted(earlier)).encode())):
                return True
        return False

    found: list[tuple[str, str, dict[str, str]] | None] = []
    for row in rows:
        about = sorted((one for one in rows if counts(one, row)), key=lambda one: one.n)
        edits = [one for one in about if one.kind == "edit"]
        reactions = {one.side: one.text for one in about if one.kind == "react"}
        reactions = {side: emoji for side, emoji in reactions.items() if emoji}
        life = edits[-1] if edits and row.kind is None else row
        is_over = life.x and min(row.created_at, life.ts + DAY) + life.x * 1000 <= now
        if row.kind in ("edit", "delete", "react") or (row.is_empty and row.replaces and is_proven(row)):
            found.append(None)
        elif any(one.kind == "delete" for one in about):
            found.append(("deleted", "", {}))
        elif row.reason == "hidden":
            found.append(("hidden", "", {}))
        elif row.reason == "expired" or is_over:
            found.append(("expired", "", {}))
        elif edits:
            found.append(("edited", edits[-1].text, reactions))
        elif row.kind in ("text", "file"):
            found.append((str(row.kind), row.text, reactions))
        elif row.is_empty:
            found.append((row.reason if row.reason in ("retention", "blocked") else "withheld", "", {}))
        else:
            found.append(None)
    return found


def some_rows(dice: random.Random) -> list[Fact]:
    """Rows of both sides with changes of few messages, many of them false."""
    rows = [fact(n, side=side) for side in ("own", "theirs") for n in range(1, dice.randrange(2, 8))]
    found = [_some_row(dice, row, rows) for row in rows]
    judged = [row for row, _ in found]
    for i, (row, about) in enumerate(found):
        if row.kind in crypto.CHANGES and dice.random() < 0.8:
            earlier = [
                one.hash
                for one, other in found
                if one.kind in crypto.CHANGES and one.side == row.side and one.n < row.n and other.id == about.id
            ]
            judged[i] = replace(row, e=crypto.changes_hash(earlier))
    for i, (row, about) in enumerate(found):
        if dice.random() < 0.35:
            is_claimed = dice.random() < (0.9 if row.kind in crypto.CHANGES else 0.1)
            reason = dice.choice(["", "", "", "hidden", "expired", "retention", "blocked"])
            judged[i] = emptied(row, replaces=about.id if is_claimed else None, reason=reason)
    dice.shuffle(judged)
    return judged


def _some_row(dice: random.Random, row: Fact, rows: list[Fact]) -> tuple[Fact, Fact]:
    """A row in this place, and the message that it is about."""
    about = dice.choice([one for one in rows if one.side == row.side and one.n < row.n] or rows)
    about = dice.choice([about] * 7 + [*rows[:2], replace(about, hash=digest("another"))])
    kind = dice.choice(["text", "text", "edit", "edit", "delete", "react", "react", "file", "timer", None])
    made = fact(row.n, kind, row.side, about=about) if kind in changes.SHOWN_ONCE else replace(row, kind=kind)
    text = {"react": dice.choice(["👍", "", "🎉"]), "timer": "60", "file": "a file"}.get(kind or "", made.text)
    x, ts, created_at = dice.choice([0, 0, 0, 5, 3600]), NOW - dice.choice([0, 9_000]), NOW - dice.choice([0, 9_000])
    reason = dice.choice([""] * 12 + ["hidden", "expired"])
    return replace(made, text=text, x=x, ts=ts, created_at=created_at, reason=reason), about


ALSO = ("nothing", "proven", "reactions")


def test_three_implementations_show_the_same() -> None:
    dice = random.Random(18)  # noqa: S311
    cases = [some_rows(dice) for _ in range(1500)]
    seen: Counter[str] = Counter()
    for rows in cases:
        view = shown(rows, now=NOW)
        assert [one and (one.state, one.text, one.reactions) for one in view] == naive(rows, NOW)
        seen.update("proven" for row, one in zip(rows, view, strict=True) if row.is_empty and one is None)
    questions: list[tuple[str, Any]] = []
    ours = []
    for rows in cases:
        older, newer = dice.random() < 0.3, dice.random() < 0.3
        questions.append(asked(rows, now=NOW, hasOlder=older, hasNewer=newer))
        view = shown(rows, now=NOW, has_older=older, has_newer=newer)
        ours.append([one and asdict(one) for one in view])
        seen.update(one.state if one else "nothing" for one in view)
        seen.update("reactions" for one in view if one and one.reactions)
    theirs = ask_twin(questions)
    assert [(rows, one, other) for rows, one, other in zip(cases, ours, theirs, strict=True) if one != other] == []
    assert {name: count for name, count in seen.items() if count < 20} == {}
    assert seen.keys() == {*get_args(changes.State), *ALSO}


def words_of_the_page() -> dict[str, str]:
    """What the page says, by key: its twin of `refusal` gives keys."""
    source = (ROOT / "ezdms" / "templates" / "parts" / "words.html").read_text("utf-8")
    return {message.key: message.words for message in messages(source)}


def test_both_implementations_write_the_same_e_and_refuse_and_prove_the_same() -> None:
    dice = random.Random(19)  # noqa: S311
    questions: list[tuple[str, Any]] = []
    answers: list[Any] = []
    for _ in range(500):
        rows = some_rows(dice)
        target = dice.choice(rows)
        questions.append(("next_e", [[in_javascript(row) for row in rows], target.side, [target.id, target.hash]]))
        answers.append(next_e(rows, target.side, (target.id, target.hash)))
        questions.append(("timer", [[in_javascript(row) for row in rows], True]))
        answers.append(timer_in_force(rows, is_accepted=True))
        known: dict[str, Any] = {
            "created_at": NOW - dice.choice([0, MINUTE, DAY, DAY + 1]),
            "expires_in": dice.choice([0, 60, 86_400]),
            "is_own": dice.random() < 0.2,
            "is_marked": dice.random() < 0.1,
            "seen_x": dice.choice([0, 60]),
            "timed": dice.choice([0, NOW - DAY, NOW - DAY + 11 * MINUTE]),
            "retention": dice.choice([0, 1]),
            "blocks": [(NOW - dice.choice([MINUTE, DAY]), dice.choice([0, NOW - MINUTE + 1]))],
        }
        gone = dice.choice([None, "replaced", "hidden", "expired", "expired", "retention", "blocked", "blocked"])
        questions.append(("reason", [gone, in_javascript(known) | {"now": NOW}]))
        answers.append(proven_reason(gone, **known, now=NOW))
        view = dice.choice([None, *map(Shown, get_args(changes.State))])
        kind, is_own = dice.choice(["reply", "edit", "delete", "react"]), dice.random() < 0.7
        at = NOW - dice.choice([0, DAY, DAY + 1])
        questions.append(("refusal", [kind, view and asdict(view), {"isOwn": is_own, "createdAt": at, "now": NOW}]))
        answers.append(refusal(kind, view, is_own=is_own, created_at=at, now=NOW))
        questions.append(("expires", [known["seen_x"], at, NOW]))
        answers.append(crypto.expires_at(known["seen_x"], at, NOW))
        questions.append(("stale", [known["seen_x"], NOW - dice.choice([0, 60 * MINUTE, 60 * MINUTE + 1]), NOW]))
        answers.append(changes.is_stale(*questions[-1][1]))
    said = words_of_the_page()
    theirs = [
        said[f"refused-{answer}"] if what == "refusal" and answer else answer
        for (what, _), answer in zip(questions, ask_twin(questions), strict=True)
    ]
    wrong = [(given, one, other) for given, one, other in zip(questions, answers, theirs, strict=True) if one != other]
    assert wrong == []
    told: dict[str, set[str]] = {}
    for (what, _), answer in zip(questions, answers, strict=True):
        told.setdefault(what, set()).add(json.dumps(answer))
    assert {what for what, found in told.items() if len(found) == 1} == set()


# ---- Two devices and a partner ----


class Host:
    """A server that does what the protocol says, and the same messages as whoever saw them arrive keeps them."""

    def __init__(self) -> None:
        self.rows: list[Fact] = []
        self.seen: list[Fact] = []
        self.texts: dict[tuple[str, str], str] = {}  # what everyone must see, by the message
        self.reactions: dict[tuple[str, str], dict[str, str]] = {}

    def post(self, side: str, kind: str, about: Fact | None, text: str) -> None:
        """A device that has loaded everything seals a message, and the server stores it."""
        n = 1 + max((row.n for row in self.rows if row.side == side), default=0)
        given = {"e": next_e(self.rows, side, (about.id, about.hash))} if about and kind in ("edit", "delete") else {}
        row = fact(n, kind, side, about=about, **given | ({} if kind == "delete" else {"text": text}))
        if about is not None and kind in ("edit", "delete"):
            self.rows = [
                emptied(one, replaces=one.replaces) if one.side == side and about.id in (one.id, one.replaces) else one
                for one in self.rows
            ]
            row = replace(row, replaces=about.id)
        self.rows.append(row)
        self.seen.append(row)
        self._note(row, about)

    def _note(self, row: Fact, about: Fact | None) -> None:
        key = (row.id, row.hash) if about is None else (about.id, about.hash)
        if row.kind == "delete":
            del self.texts[key]
        elif row.kind == "react":
            self.reactions.setdefault(key, {})[row.side] = row.text
        else:
            self.texts[key] = row.text

    def expected(self) -> dict[tuple[str, str], tuple[str, dict[str, str]]]:
        """The texts and reactions that every reader must show."""
        given = {key: {side: one for side, one in self.reactions.get(key, {}).items() if one} for key in self.texts}
        return {key: (text, given[key]) for key, text in self.texts.items()}


@pytest.mark.parametrize("seed", range(8))
def test_everyone_ends_in_the_same_view_and_nothing_is_withheld(seed: int) -> None:
    """Whoever saw everything arrive, and whoever loads it later from a server that has emptied what was replaced."""
    dice, host = random.Random(seed), Host()  # noqa: S311
    for step in range(150):
        side = dice.choice(["own", "own", "theirs"])
        targets = [row for row in host.seen if row.kind == "text" and (row.id, row.hash) in host.texts]
        mine = [row for row in targets if row.side == side]
        kind = dice.choice(["text"] * 3 + ["edit"] * 3 + ["delete"] + ["react"] * 2)
        if kind == "react" and targets:
            host.post(side, kind, dice.choice(targets), dice.choice(["👍", "🎉", ""]))
        elif kind in ("edit", "delete") and mine:
            host.post(side, kind, dice.choice(mine), f"edited {step}")
        else:
            host.post(side, "text", None, f"new {step}")
        mixed = [dice.choice(pair) for pair in zip(host.rows, host.seen, strict=True)]  # a server that shows old text
        for rows in (host.rows, host.seen, mixed):
            view = [(row, one) for row, one in zip(rows, shown(rows, now=NOW), strict=True) if one]
            found = {(row.id, row.hash): (one.text, one.reactions) for row, one in view if one.state != "deleted"}
            assert found == host.expected()
    kinds = Counter(row.kind for row in host.rows)
    assert min(kinds[kind] for kind in ("text", "edit", "delete", "react", None)) > 3
