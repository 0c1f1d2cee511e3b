"""What the rows of one sender say of each other, and what the two senders' rows say of their order."""

from __future__ import annotations

import pytest

from ezdms import crypto
from ezdms.crypto import Chain, Order, Row, is_taken_back, next_link, order_verdicts

FAR = 2**53 - 1  # the highest number that a row can carry


def follow(chain: Chain, n: int, p: str | None = "", hash: str = "") -> str | None:
    """The row of number n as an honest sender wrote it, unless something else is said. p None: nothing to verify."""
    return chain.follow(n=n, hash=hash or f"h{n}", p=(f"h{n - 1}" if n > 1 else "") if p == "" else p)


def empty(chain: Chain, n: int, hash: str = "") -> str | None:
    """A row that holds no message: emptied, of an unknown suite, or refused."""
    return follow(chain, n, None, hash)


def test_an_older_page_extends_the_chain_downwards_and_a_false_link_there_is_a_fork() -> None:
    chain = Chain()
    assert [follow(chain, n) for n in (6, 7, 8)] == ["ok", "ok", "ok"]
    assert [follow(chain, n) for n in (3, 4, 5)] == ["ok", "ok", "ok"]
    assert chain.head == chain.last == (8, "h8")
    other = Chain()
    follow(other, 6)
    assert follow(other, 5, hash="another") == "fork"
    assert follow(other, 5) == "ok"
    assert follow(other, 7, p="another") == "fork"


def test_what_was_seen_on_another_day_still_counts() -> None:
    def judge(n: int, hash: str, p: str | None) -> str | None:
        return Chain(known=(5, "h5")).follow(n=n, hash=hash, p=p)

    assert judge(5, "h5", "h4") == judge(6, "h6", "h5") == judge(3, "h3", "h2") == "ok"
    assert judge(6, "h6", None) is judge(5, "h5", None) is None
    assert judge(5, "another", "h4") == judge(5, "another", None) == judge(6, "h6", "another") == "fork"


def test_rows_without_a_message_are_no_gap_and_the_next_message_has_to_name_the_last_of_them() -> None:
    chain = Chain()
    assert follow(chain, 1) == "ok"
    assert [empty(chain, n) for n in (2, 3, 4)] == [None, None, None]
    assert chain.head == chain.last == (1, "h1")  # nothing unsigned moves anything
    assert follow(chain, 5) == "ok"
    assert chain.head == chain.last == (5, "h5")
    empty(chain, 6)
    assert follow(chain, 7, p="another") == "fork"
    assert chain.head == (5, "h5")
    assert chain.last == (7, "h7")


def test_one_refused_row_is_not_a_gap_for_ever() -> None:
    chain = Chain()
    follow(chain, 1)
    empty(chain, 2)
    assert [follow(chain, n) for n in range(3, 8)] == ["ok"] * 5
    assert chain.head == (7, "h7")


def test_a_missing_row_among_empty_ones_is_a_gap_and_the_head_waits_for_it() -> None:
    chain = Chain()
    follow(chain, 1)
    empty(chain, 2)
    empty(chain, 4)
    assert follow(chain, 5) == "gap"
    assert (chain.head, chain.last) == ((1, "h1"), (5, "h5"))
    assert chain.has_gap_before(5)
    assert empty(chain, 3) is None
    assert not any(chain.has_gap_before(n) for n in range(1, 6))
    assert chain.head == (5, "h5")


@pytest.mark.parametrize("n", [FAR, 2**52, 1000])
def test_an_invented_row_far_ahead_freezes_nothing_and_is_never_the_last(n: int) -> None:
    chain = Chain()
    assert follow(chain, 1) == "ok"
    assert empty(chain, n) is None
    assert [follow(chain, n) for n in (2, 3)] == ["ok", "ok"]
    assert chain.head == chain.last == (3, "h3")
    assert empty(chain, n) == "duplicate"
    assert empty(chain, n, "another") == "fork"


def test_the_beginning_may_be_missing_but_nothing_after_the_first_row_whatever_it_holds() -> None:
    chain = Chain()
    assert [empty(chain, n) for n in (11, 12)] == [None, None]
    assert (chain.head, chain.last) == (None, None)
    assert follow(chain, 13) == "ok"
    dropped = Chain()
    assert [empty(dropped, n) for n in (11, 12, FAR)] == [None, None, None]
    assert follow(dropped, 14) == "gap"
    assert follow(dropped, 13) == "late"
    assert dropped.head == dropped.last == (14, "h14")
    assert follow(dropped, 10) == "ok"  # an older page


@pytest.mark.parametrize("n", [0, -1, 2**53, 2**60, 1.5, True, "1", None], ids=repr)
def test_what_is_no_number_of_a_message_is_left_out(n: int) -> None:
    chain = Chain()
    follow(chain, 1)
    assert chain.follow(n=n, hash="h", p=None) is chain.follow(n=n, hash="h", p="p") is None
    assert (list(chain.rows), chain.last) == ([1], (1, "h1"))


def test_what_is_signed_takes_the_place_of_what_is_not_once_and_with_an_alarm() -> None:
    chain = Chain()
    follow(chain, 1)
    empty(chain, 2, "invented")
    assert follow(chain, 2) == "fork"
    assert [follow(chain, n) for n in (3, 4)] == ["ok", "ok"]
    assert chain.head == (4, "h4")


def test_a_row_that_the_message_after_it_does_not_name_gives_way_to_the_true_one() -> None:
    chain = Chain()
    follow(chain, 1)
    empty(chain, 2, "invented")
    assert follow(chain, 3) == "fork"
    assert follow(chain, 4) == "ok"
    assert chain.head == (1, "h1")
    assert empty(chain, 2, "invented") == "fork"
    assert follow(chain, 2) == "late"
    assert chain.head == chain.last == (4, "h4")


def test_of_two_signed_messages_of_one_number_the_first_stays() -> None:
    chain = Chain()
    follow(chain, 1)
    follow(chain, 2)
    assert follow(chain, 2, hash="another") == "fork"
    assert follow(chain, 3, hash="x3", p="another") == "fork"
    assert follow(chain, 3) == "ok"
    assert empty(chain, 2, "another") == "fork"


def test_a_message_that_comes_for_a_row_that_held_none_is_no_duplicate() -> None:
    chain = Chain()
    follow(chain, 1)
    empty(chain, 2)
    empty(chain, 3)
    assert follow(chain, 2) == "ok"
    assert chain.head == chain.last == (2, "h2")
    assert follow(chain, 2) == empty(chain, 2) == empty(chain, 3) == "duplicate"
    assert follow(chain, 4) == "ok"
    assert follow(chain, 3) == "late"
    assert chain.head == (4, "h4")


def test_an_empty_row_fits_between_what_is_known_and_only_there() -> None:
    chain = Chain()
    assert empty(chain, 6) is None
    assert follow(chain, 5) == "ok"
    assert follow(chain, 8) == "gap"
    assert empty(chain, 7, "another") == "fork"
    assert chain.head == (5, "h5")
    assert empty(chain, 7) is None
    assert chain.head == chain.last == (8, "h8")


def test_a_chain_goes_on_after_what_was_handed_on() -> None:
    chain = Chain.resume((5, "h5"), (5, "h5"))
    assert (chain.head, chain.last) == ((5, "h5"), (5, "h5"))
    assert follow(chain, 5) == "duplicate"
    assert follow(chain, 6) == "ok"
    assert follow(Chain.resume((5, "h5")), 6, p="another") == "fork"
    assert follow(Chain.resume((5, "h5")), 7) == "gap"
    assert follow(Chain.resume((5, "h5")), 3) == "late"
    assert follow(Chain.resume(None), 7) == "ok"


def test_a_known_head_is_found_in_any_row_of_its_number_and_hash() -> None:
    for p in ("h4", None):
        chain = Chain(known=(5, "h5"))
        assert is_taken_back(chain)
        chain.follow(n=5, hash="h5", p=p)
        assert not is_taken_back(chain)
    assert not is_taken_back(Chain())


def test_a_known_head_is_not_found_in_another_row_however_high() -> None:
    chain = Chain(known=(5, "h5"))
    for n in (4, 6, FAR):
        empty(chain, n)
    empty(chain, 5, "another")
    assert is_taken_back(chain)


def test_a_known_head_that_forks_from_the_rows_before_it_is_a_fork_and_not_taken_back() -> None:
    chain = Chain(known=(5, "h5"))
    follow(chain, 4, hash="another")
    assert follow(chain, 5) == "fork"
    assert not is_taken_back(chain)


def test_what_another_device_knew_is_asked_for_where_this_one_goes_on() -> None:
    assert not is_taken_back(Chain.resume((9, "h9"), (5, "h5")))
    assert not is_taken_back(Chain.resume((5, "h5"), (5, "h5")))
    assert is_taken_back(Chain.resume((5, "h5"), (5, "another")))  # the server told each device something else
    chain = Chain.resume((5, "h5"), (7, "h7"))
    assert is_taken_back(chain)
    follow(chain, 6)
    empty(chain, 7)
    assert not is_taken_back(chain)


HASH = "h" * 43


def test_the_next_message_follows_the_highest_own_row_whatever_it_holds() -> None:
    assert next_link(None) == (1, "")
    assert next_link((4, "h4")) == (5, "h4")
    assert next_link((4, "h4"), [(3, HASH), (7, HASH), (6, HASH)]) == (8, HASH)
    assert next_link((4, "h4"), [(4, HASH)]) == (5, "h4")  # what one knows oneself comes first


@pytest.mark.parametrize("n", [2**52, FAR, 2**53, 0, -1, True, 7.0, "7", None], ids=repr)
def test_a_number_after_which_nobody_could_go_on_is_not_taken_for_ones_own(n: int) -> None:
    assert next_link((4, "h4"), [(n, HASH)]) == (5, "h4")
    assert next_link((4, "h4"), [(2**52 - 1, HASH)]) == (2**52, HASH)


@pytest.mark.parametrize("hash", ["", "short", "ü" * 43, HASH + "\n", None], ids=repr)
def test_a_row_without_a_hash_cannot_be_followed(hash: str) -> None:
    assert next_link(None, [(7, hash)]) == (1, "")


def mine(n: int, a: int | None, hash: str = "") -> Row:
    return Row("own", n, hash or f"o{n}", None if a is None else (a, f"t{a}" if a else ""))


def theirs(n: int, a: int | None, hash: str = "") -> Row:
    return Row("theirs", n, hash or f"t{n}", None if a is None else (a, f"o{a}" if a else ""))


def in_turn(rows: list[Row]) -> list[str | None]:
    order = Order()
    return [order.follow(row) for row in rows]


def test_exchanged_rows_of_different_senders_are_noticed_in_every_way_of_reading() -> None:
    rows = [theirs(1, 0), mine(1, 1), theirs(2, 1), mine(2, 2)]
    assert order_verdicts(rows) == in_turn(rows) == ["ok"] * 4
    moved = [theirs(1, 0), mine(2, 2), theirs(2, 1), mine(1, 1)]  # "Yes, do it" stands under another question
    assert order_verdicts(moved) == ["ok", "impossible", "impossible", "crossed"]
    assert in_turn(moved) == ["ok", "ok", "impossible", "impossible"]  # found when what was acknowledged comes


def test_an_empty_row_makes_an_order_impossible_but_never_crossed() -> None:
    early = [mine(1, 1), theirs(1, None)]
    assert order_verdicts(early) == ["impossible", None]
    assert in_turn(early) == ["ok", "impossible"]
    invented = [theirs(1, 0), theirs(FAR, None), mine(1, 1), theirs(2, 1), mine(2, 2)]
    assert order_verdicts(invented) == in_turn(invented) == ["ok", None, "ok", "ok", "ok"]


def test_a_row_of_an_acknowledged_number_with_another_hash_is_a_fork_also_when_it_is_empty() -> None:
    rows = [theirs(1, None, "another"), mine(1, 1)]
    assert order_verdicts(rows) == in_turn(rows) == [None, "fork"]


def test_a_message_shown_twice_stands_where_it_is_shown_first() -> None:
    rows = [theirs(1, 0), mine(1, 1), theirs(1, 0)]
    assert order_verdicts(rows) == ["ok", "ok", "crossed"]
    assert order_verdicts([mine(1, 1), theirs(1, 0), theirs(1, 0)])[0] == "impossible"


def test_numbers_that_are_none_say_nothing_about_the_order() -> None:
    rows = [theirs(1, 0), mine(1, 1), theirs(0, None), theirs(2**53, None), theirs(-1, None)]
    assert order_verdicts(rows) == in_turn(rows) == ["ok", "ok", None, None, None]
    assert order_verdicts([]) == []


def test_the_order_goes_on_from_what_another_run_remembered() -> None:
    order = Order({"own": crypto.Side(highest=3, acknowledged=7), "theirs": crypto.Side(highest=7, acknowledged=2)})
    assert order.follow(theirs(7, 3)) == "impossible"
    assert order.follow(theirs(8, 2)) == "crossed"
    assert order.follow(mine(4, 8)) == "ok"
    assert (order.sides["own"].highest, order.sides["own"].acknowledged) == (4, 8)


def test_a_conversation_of_100_000_rows_is_judged_in_one_go() -> None:
    rows = [row for n in range(1, 50_001) for row in (theirs(n, n - 1), mine(n, n))]
    assert set(order_verdicts(rows)) == set(in_turn(rows)) == {"ok"}
    chain = Chain()
    for n in range(1, 50_001):
        empty(chain, 2 * n)  # every other row is gone
        follow(chain, 2 * n + 1)
    assert chain.head == chain.last == (100_001, "h100001")


def test_clocks_may_differ_by_ten_minutes() -> None:
    assert not crypto.is_time_off(1_790_000_000_000, 1_790_000_600_000)
    assert not crypto.is_time_off(1_790_000_600_000, 1_790_000_000_000)
    assert crypto.is_time_off(1_790_000_000_000, 1_790_000_600_001)
    assert crypto.is_time_off(1_790_000_600_001, 1_790_000_000_000)
