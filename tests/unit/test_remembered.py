"""What two clients of one user remember beside a contact's key is merged without loss, in Python as in JavaScript."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from ezdms.client import remembered
from ezdms.client.contacts import is_cleared, preferences
from ezdms.client.remembered import merge_remembered
from ezdms.protocol.encoding import b64u_encode
from tests.unit.test_twins import ask_twin

NOW = 1_790_000_000_000
LATEST = 253_402_300_799_999
IDS = [b64u_encode(n.to_bytes(16, "big")) for n in range(300)]


def merged(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """The same in either order."""
    found = merge_remembered(mine, theirs)
    assert found == merge_remembered(theirs, mine)
    return found


@pytest.mark.parametrize("name", ["prefs", "met"])
def test_the_later_change_wins_as_a_whole(name: str) -> None:
    one, other = {"at": 1, "nick": "A", "muted": 5}, {"at": 2, "pinned": True, "zz": [1]}
    assert merged({name: one}, {name: other}) == {name: other}
    assert merged({name: one}, {}) == {name: one}
    assert merged({}, {}) == {}


def test_of_two_changes_at_the_same_time_the_higher_json_wins() -> None:
    """By its bytes: JavaScript would compare the first two the other way around."""
    for low, high in (("\uffff", "\U00010000"), ("a", "b"), ("a", "é"), ("", "a")):
        pair = [{"at": 5, "nick": nick} for nick in (low, high)]
        assert merged({"prefs": pair[0]}, {"prefs": pair[1]}) == {"prefs": pair[1]}
        asked = [("remembered", ["latest", given]) for given in (pair, pair[::-1])]
        assert ask_twin([*asked]) == [pair[1]] * 2


def test_a_change_is_later_than_the_known_one_even_if_the_clock_is_behind() -> None:
    assert remembered.next_at(None, NOW) == NOW
    assert remembered.next_at({"at": NOW - 1}, NOW) == NOW
    assert remembered.next_at({"at": NOW}, NOW) == NOW + 1
    assert remembered.next_at({"at": NOW + 9}, NOW) == NOW + 10
    assert remembered.next_at({"at": LATEST}, NOW) == NOW  # nothing could be later
    assert remembered.next_at({"at": "x"}, NOW) == NOW


def test_blocks_are_united_and_a_block_that_has_ended_stays_so() -> None:
    assert merged({"blocks": [[1, 2]]}, {"blocks": [[5, 0]]}) == {"blocks": [[1, 2], [5, 0]]}
    assert merged({"blocks": [[5, 0]]}, {"blocks": [[5, 9]]}) == {"blocks": [[5, 9]]}
    assert merged({"blocks": [[5, 7]]}, {"blocks": [[5, 9]]}) == {"blocks": [[5, 9]]}
    many = [[n, n + 1] for n in range(1, 31)]
    assert merged({"blocks": many[:15]}, {"blocks": many[15:]}) == {"blocks": many[-20:]}


def test_blocking_and_unblocking_end_and_begin_at_the_time_given() -> None:
    blocks = remembered.blocked_from(None, 5)
    assert blocks == [[5, 0]]
    assert remembered.blocked_from(blocks, 9) == [[5, 0]]
    assert remembered.blocked_until(blocks, 9) == [[5, 9]]
    assert remembered.blocked_until(blocks, 3) == [[5, 6]]  # a clock that went back
    assert remembered.blocked_until([[5, 0], [7, 0], [1, 2]], 9) == [[5, 9], [7, 9], [1, 2]]
    assert remembered.blocked_from([[1, 2]], 9) == [[1, 2], [9, 0]]
    full = [[n, n + 1] for n in range(1, 21)]
    assert remembered.blocked_from(full, 99) == [*full[1:], [99, 0]]


def test_the_first_timer_the_highest_receipts_and_the_highest_cleared_rows_are_kept() -> None:
    assert merged({"timed": 5}, {"timed": 3}) == {"timed": 3}
    assert merged({"timed": 5}, {"timed": 0}) == {"timed": 5}
    assert merged({"timed": 0}, {}) == {}
    receipts = merged({"told": {"delivered": 5, "read": 1}}, {"told": {"delivered": 3, "read": 2}})
    assert receipts == {"told": {"delivered": 5, "read": 2}}
    assert merged({"told": {"read": 2}}, {}) == {"told": {"delivered": 0, "read": 2}}
    assert merged({"cleared": [5, 1]}, {"cleared": [3, 2]}) == {"cleared": [5, 2]}
    assert merged({"cleared": [0, 0]}, {}) == {"cleared": [0, 0]}


def test_the_newest_200_marks_are_kept() -> None:
    assert merge_remembered({"hidden": IDS[:3]}, {"hidden": IDS[1:5]}) == {"hidden": [*IDS[1:5], IDS[0]]}
    found = merge_remembered({"hidden": IDS[150:]}, {"hidden": IDS[:180]})["hidden"]
    assert found == IDS[100:]


def test_a_contact_counts_as_accepted_if_the_user_wrote_before_requests_existed() -> None:
    met = {"at": 1, "accepted": False, "blocked": True}
    assert remembered.is_accepted({"own": [1, "h"]})
    assert not remembered.is_accepted({"own": None})
    assert not remembered.is_accepted({"own": [1, "h"], "met": met})
    assert remembered.is_accepted({"own": None, "met": met | {"accepted": True}})
    assert not remembered.is_accepted({"own": None, "met": met | {"accepted": 1}})
    assert remembered.is_blocked({"met": met})
    assert not remembered.is_blocked({"met": met | {"blocked": "yes"}})
    assert not remembered.is_blocked({})


NICKS = ["", "A", "Zoë Q.", "妈妈", "👍", "a\u200db", "a\nb", "a\u00a0b", "\u202eb", "\ue000", 5, None, ["A"]]


def test_both_implementations_read_preferences_alike() -> None:
    many: list[Any] = [None, {}, {"nick": "A"}, {"at": 0}, {"at": 1, "muted": -1}, {"at": 1, "muted": LATEST}]
    many += [{"at": 1, "nick": nick, "muted": NOW, "pinned": True, "archived": 1} for nick in NICKS]
    said = ask_twin([("remembered", ["preferences", [{"prefs": prefs}]]) for prefs in many])
    names = {"nick": "nickname", "mutedUntil": "muted_until", "isPinned": "is_pinned", "isArchived": "is_archived"}
    for prefs, found in zip(many, said, strict=True):
        mine = preferences({"prefs": prefs})
        assert {name: found[name] for name in names} == {name: mine[names[name]] for name in names}, prefs
    assert said[-len(NICKS)]["isPinned"]
    assert not said[-1]["isArchived"]
    assert [one["nick"] for one in said[-len(NICKS) :]] == [*NICKS[:5], *[""] * 8]


ODD: list[Any] = [None, True, 0, -1, 5, 1.5, "x", [], {}, [[]], [1], [1, 2], [1, 2, 3], [-1, 2], ["1", 2], [True, 2]]
ODD += [{"at": "1"}, {"at": -1}, {"at": True}, {"at": 2**53}, {"delivered": "1"}, {"read": -1}, {"read": True}]
ODD += [[[1, 1]], [[0, 1]], [[1, -1]], [[1, True]], [[1, 2, 3]], [[1]], [None], [IDS[0] + "A"], [IDS[0] + "\n"], [5]]
RIGHT: dict[str, list[Any]] = {
    "prefs": [{"at": 1, "nick": "A"}, {"at": 2}, {"at": 2, "nick": "é"}, {"at": 2, "nick": "👍"}, {"at": 0}],
    "met": [{"at": 1, "accepted": True, "blocked": False}, {"at": 3, "accepted": False, "blocked": True}],
    "blocks": [[[1, 2]], [[1, 0], [9, 0]], [[1, 3], [4, 0]], [[n, 0] for n in range(1, 25)]],
    "timed": [1, NOW, LATEST],
    "told": [{"delivered": 1, "read": 0}, {"read": 7}, {"delivered": 2**53 - 1, "more": 1}],
    "hidden": [IDS[:3], IDS[2:210], IDS[5:1:-1]],
    "cleared": [[0, 0], [5, 1], [2, 9]],
}


def some_contact(dice: random.Random) -> dict[str, Any]:
    """What a client may find in a vault, sometimes malformed."""
    names = [name for name in RIGHT if dice.random() < 0.7]
    return {name: dice.choice(ODD if dice.random() < 0.2 else RIGHT[name]) for name in names} | {"own": None, "zz": 1}


def test_both_implementations_merge_and_read_alike() -> None:
    dice = random.Random(24)  # noqa: S311
    pairs = [(some_contact(dice), some_contact(dice)) for _ in range(600)]
    questions: list[tuple[str, Any]] = [("remembered", ["mergeRemembered", [*pair]]) for pair in pairs]
    answers: list[Any] = [merge_remembered(*pair) for pair in pairs]
    for value in [*ODD, *itertools.chain(*RIGHT.values())]:
        for name, theirs in (("read_told", "readTold"), ("read_hidden", "readHidden"), ("read_cleared", "readCleared")):
            questions.append(("remembered", [theirs, [value]]))
            answers.append(getattr(remembered, name)(value))
        for name, theirs in (("next_at", "nextAt"), ("blocked_from", "blockedFrom"), ("blocked_until", "blockedUntil")):
            questions.append(("remembered", [theirs, [value, NOW]]))
            answers.append(getattr(remembered, name)(value, NOW))
        for name, theirs in (("is_accepted", "isAccepted"), ("is_blocked", "isBlocked")):
            questions.append(("remembered", [theirs, [{"met": value, "own": None}]]))
            answers.append(getattr(remembered, name)({"met": value, "own": None}))
        for own, other in ((None, None), ([2, "h"], [9, "h"]), ([3, "h"], None)):
            contact = {"own": own, "theirs": other, "cleared": value}
            questions.append(("remembered", ["isDeleted", [contact]]))
            answers.append(is_cleared(contact))
    said = ask_twin(questions)
    assert [
        (asked, one, other) for asked, one, other in zip(questions, answers, said, strict=True) if one != other
    ] == []
    for name in RIGHT:
        assert sum(name in answer for answer in answers[: len(pairs)]) > 300


def test_merging_is_repeatable_and_leaves_out_what_is_malformed() -> None:
    dice = random.Random(25)  # noqa: S311
    contacts = [some_contact(dice) for _ in range(40)]
    for one, other in itertools.combinations(contacts, 2):
        found = merge_remembered(one, other)
        assert merge_remembered(found, other) | {"hidden": 0} == found | {"hidden": 0}
        assert {*merge_remembered(found, other).get("hidden", [])} == {*found.get("hidden", [])}
    for name, odd in itertools.product(RIGHT, ODD):
        found = merge_remembered({name: odd}, {name: RIGHT[name][0]})
        assert merge_remembered(found, {}) == found
        assert merge_remembered({}, {name: odd}).keys() <= {name}
