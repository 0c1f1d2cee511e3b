"""The chain of each sender's rows, and the order of both senders' rows."""

from __future__ import annotations

import pytest

from ezdms import crypto
from ezdms.crypto import Chain, Order, Row, is_taken_back, next_link, order_verdicts

FAR = 2**53 - 1  # the highest number that a row can carry


def follow(chain: Chain, n: int, p: str | None = "", hash: str = "") -> str | None:
    """Row n as an honest sender writes it, unless overridden. p None: no message to verify."""
    return chain.follow(n=n, hash=hash or f"h{n}", p=(f"h{n - 1}" if n > 1 else "") if p == "" else p)


def empty(chain: Chain, n: int, hash: str = "") -> str | None:
    """A row that holds no message: emptied, of an unknown suite, or refused."""
    return follow(chain, n, None, hash)


def test_an_older_page_extends_the_chain_downwards_and_a_wrong_link_is_a_fork() -> None:
    chain = Chain()
    assert [follow(chain, n) for n in (6, 7, 8)] == ["ok", "ok", "ok"]
    assert [follow(chain, n) for n in (3, 4, 5)] == ["ok", "ok", "ok"]
    assert chain.head == chain.last == (8, "h8")
    other = Chain()
    follow(other, 6)
    assert follow(other, 5, hash="another") == "fork"
    assert follow(other, 5) == "ok"
    assert follow(other, 7, p="another") == "fork"


def test_rows_are_checked_against_the_known_head() -> None:
    def judge(n: int, hash: str, p: str | None) -> str | None:
        return Chain(known=(5, "h5")).follow(n=n, hash=hash, p=p)

    assert judge(5, "h5", "h4") == judge(6, "h6", "h5") == judge(3, "h3", "h2") == "ok"
    assert judge(6, "h6", None) is judge(5, "h5", None) is None
    assert judge(5, "another", "h4") == judge(5, "another", None) == judge(6, "h6", "another") == "fork"


def test_empty_rows_are_not_a_gap_and_the_next_message_must_link_to_the_last_one() -> None:
    chain = Chain()
    assert follow(chain, 1) == "ok"
    assert [empty(chain, n) for n in (2, 3, 4)] == [None, None, None]
    assert chain.head == chain.last == (1, "h1")  # unsigned rows do not move the head
    assert follow(chain, 5) == "ok"
    assert chain.head == chain.last == (5, "h5")
    empty(chain, 6)
    assert follow(chain, 7, p="another") == "fork"
    assert chain.head == (5, "h5")
    assert chain.last == (7, "h7")


def test_a_refused_row_does_not_leave_a_permanent_gap() -> None:
    chain = Chain()
    follow(chain, 1)
    empty(chain, 2)
    assert [follow(chain, n) for n in range(3, 8)] == ["ok"] * 5
    assert chain.head == (7, "h7")


def test_a_missing_row_among_empty_ones_is_a_gap_and_holds_the_head_back() -> None:
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
def test_an_invented_row_far_ahead_does_not_block_the_chain_or_become_the_last(n: int) -> None:
    chain = Chain()
    assert follow(chain, 1) == "ok"
    assert empty(chain, n) is None
    assert [follow(chain, n) for n in (2, 3)] == ["ok", "ok"]
    assert chain.head == chain.last == (3, "h3")
    assert empty(chain, n) == "duplicate"
    assert empty(chain, n, "another") == "fork"


def test_rows_may_be_missing_before_the_first_row_but_not_after_it() -> None:
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
def test_rows_with_invalid_numbers_are_ignored(n: int) -> None:
    chain = Chain()
    follow(chain, 1)
    assert chain.follow(n=n, hash="h", p=None) is chain.follow(n=n, hash="h", p="p") is None
    assert (list(chain.rows), chain.last) == ([1], (1, "h1"))


def test_a_signed_message_replaces_a_different_empty_row_and_is_a_fork() -> None:
    chain = Chain()
    follow(chain, 1)
    empty(chain, 2, "invented")
    assert follow(chain, 2) == "fork"
    assert [follow(chain, n) for n in (3, 4)] == ["ok", "ok"]
    assert chain.head == (4, "h4")


def test_the_true_row_replaces_one_that_the_next_message_does_not_link_to() -> None:
    chain = Chain()
    follow(chain, 1)
    empty(chain, 2, "invented")
    assert follow(chain, 3) == "fork"
    assert follow(chain, 4) == "ok"
    assert chain.head == (1, "h1")
    assert empty(chain, 2, "invented") == "fork"
    assert follow(chain, 2) == "late"
    assert chain.head == chain.last == (4, "h4")


def test_the_first_of_two_signed_messages_with_one_number_is_kept() -> None:
    chain = Chain()
    follow(chain, 1)
    follow(chain, 2)
    assert follow(chain, 2, hash="another") == "fork"
    assert follow(chain, 3, hash="x3", p="another") == "fork"
    assert follow(chain, 3) == "ok"
    assert empty(chain, 2, "another") == "fork"


def test_a_message_that_fills_an_empty_row_is_not_a_duplicate() -> None:
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


def test_an_empty_row_must_match_the_links_around_it() -> None:
    chain = Chain()
    assert empty(chain, 6) is None
    assert follow(chain, 5) == "ok"
    assert follow(chain, 8) == "gap"
    assert empty(chain, 7, "another") == "fork"
    assert chain.head == (5, "h5")
    assert empty(chain, 7) is None
    assert chain.head == chain.last == (8, "h8")


def test_a_chain_resumes_from_a_stored_head() -> None:
    chain = Chain.resume((5, "h5"), (5, "h5"))
    assert (chain.head, chain.last) == ((5, "h5"), (5, "h5"))
    assert follow(chain, 5) == "duplicate"
    assert follow(chain, 6) == "ok"
    assert follow(Chain.resume((5, "h5")), 6, p="another") == "fork"
    assert follow(Chain.resume((5, "h5")), 7) == "gap"
    assert follow(Chain.resume((5, "h5")), 3) == "late"
    assert follow(Chain.resume(None), 7) == "ok"


def test_a_row_with_its_number_and_hash_satisfies_the_known_head() -> None:
    for p in ("h4", None):
        chain = Chain(known=(5, "h5"))
        assert is_taken_back(chain)
        chain.follow(n=5, hash="h5", p=p)
        assert not is_taken_back(chain)
    assert not is_taken_back(Chain())


def test_no_other_row_satisfies_the_known_head() -> None:
    chain = Chain(known=(5, "h5"))
    for n in (4, 6, FAR):
        empty(chain, n)
    empty(chain, 5, "another")
    assert is_taken_back(chain)


def test_a_known_head_that_forks_from_earlier_rows_is_a_fork_and_not_a_rollback() -> None:
    chain = Chain(known=(5, "h5"))
    follow(chain, 4, hash="another")
    assert follow(chain, 5) == "fork"
    assert not is_taken_back(chain)


def test_a_resumed_chain_must_reach_the_head_that_another_device_knew() -> None:
    assert not is_taken_back(Chain.resume((9, "h9"), (5, "h5")))
    assert not is_taken_back(Chain.resume((5, "h5"), (5, "h5")))
    assert is_taken_back(Chain.resume((5, "h5"), (5, "another")))  # the server showed each device another row
    chain = Chain.resume((5, "h5"), (7, "h7"))
    assert is_taken_back(chain)
    follow(chain, 6)
    empty(chain, 7)
    assert not is_taken_back(chain)


HASH = "h" * 43


def test_the_next_message_links_to_the_highest_own_row() -> None:
    assert next_link(None) == (1, "")
    assert next_link((4, "h4")) == (5, "h4")
    assert next_link((4, "h4"), [(3, HASH), (7, HASH), (6, HASH)]) == (8, HASH)
    assert next_link((4, "h4"), [(4, HASH)]) == (5, "h4")  # local knowledge takes precedence


@pytest.mark.parametrize("n", [2**52, FAR, 2**53, 0, -1, True, 7.0, "7", None], ids=repr)
def test_the_next_message_ignores_rows_with_invalid_numbers(n: int) -> None:
    assert next_link((4, "h4"), [(n, HASH)]) == (5, "h4")
    assert next_link((4, "h4"), [(2**52 - 1, HASH)]) == (2**52, HASH)


@pytest.mark.parametrize("hash", ["", "short", "ü" * 43, HASH + "\n", None], ids=repr)
def test_the_next_message_ignores_rows_without_a_valid_hash(hash: str) -> None:
    assert next_link(None, [(7, hash)]) == (1, "")


def mine(n: int, a: int | None, hash: str = "") -> Row:
    return Row("own", n, hash or f"o{n}", None if a is None else (a, f"t{a}" if a else ""))


def theirs(n: int, a: int | None, hash: str = "") -> Row:
    return Row("theirs", n, hash or f"t{n}", None if a is None else (a, f"o{a}" if a else ""))


def in_turn(rows: list[Row]) -> list[str | None]:
    order = Order()
    return [order.follow(row) for row in rows]


def test_reordered_rows_of_two_senders_are_detected_by_page_and_one_by_one() -> None:
    rows = [theirs(1, 0), mine(1, 1), theirs(2, 1), mine(2, 2)]
    assert order_verdicts(rows) == in_turn(rows) == ["ok"] * 4
    moved = [theirs(1, 0), mine(2, 2), theirs(2, 1), mine(1, 1)]  # "Yes, do it" now follows another question
    assert order_verdicts(moved) == ["ok", "impossible", "impossible", "crossed"]
    assert in_turn(moved) == ["ok", "ok", "impossible", "impossible"]  # detected once the acknowledged row arrives


def test_an_empty_row_can_make_an_order_impossible_but_never_crossed() -> None:
    early = [mine(1, 1), theirs(1, None)]
    assert order_verdicts(early) == ["impossible", None]
    assert in_turn(early) == ["ok", "impossible"]
    invented = [theirs(1, 0), theirs(FAR, None), mine(1, 1), theirs(2, 1), mine(2, 2)]
    assert order_verdicts(invented) == in_turn(invented) == ["ok", None, "ok", "ok", "ok"]


def test_an_empty_row_whose_hash_differs_from_the_acknowledged_one_is_a_fork() -> None:
    rows = [theirs(1, None, "another"), mine(1, 1)]
    assert order_verdicts(rows) == in_turn(rows) == [None, "fork"]


def test_a_repeated_message_counts_where_it_appears_first() -> None:
    rows = [theirs(1, 0), mine(1, 1), theirs(1, 0)]
    assert order_verdicts(rows) == ["ok", "ok", "crossed"]
    assert order_verdicts([mine(1, 1), theirs(1, 0), theirs(1, 0)])[0] == "impossible"


def test_rows_with_invalid_numbers_do_not_affect_the_order() -> None:
    rows = [theirs(1, 0), mine(1, 1), theirs(0, None), theirs(2**53, None), theirs(-1, None)]
    assert order_verdicts(rows) == in_turn(rows) == ["ok", "ok", None, None, None]
    assert order_verdicts([]) == []


def test_the_order_resumes_from_stored_state() -> None:
    order = Order({"own": crypto.Side(highest=3, acknowledged=7), "theirs": crypto.Side(highest=7, acknowledged=2)})
    assert order.follow(theirs(7, 3)) == "impossible"
    assert order.follow(theirs(8, 2)) == "crossed"
    assert order.follow(mine(4, 8)) == "ok"
    assert (order.sides["own"].highest, order.sides["own"].acknowledged) == (4, 8)


def test_a_conversation_of_100_000_rows_can_be_checked() -> None:
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
