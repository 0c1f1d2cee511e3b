"""Files are sealed in chunks, and open only whole, unchanged, and with what their message says."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezdms import crypto
from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_encode, sha256
from tests.unit.test_twins import FILE, ask_twin

SIZES = st.integers(0, 300_000) | st.sampled_from([0, 1, 2, 65_535, 65_536, 65_537, 131_072, 196_608])
STEPS = st.integers(1, 100_000)
SEALED_CHUNK = envelope.CHUNK + envelope.TAG


def in_steps(whole: bytes, step: int) -> Iterable[bytes]:
    return (whole[start : start + step] for start in range(0, len(whole), step))


def sealed(plain: bytes, step: int = 70_000) -> tuple[crypto.FileSealer, bytes]:
    sealer = crypto.FileSealer(len(plain))
    chunks = [chunk for part in in_steps(plain, step) for chunk in sealer.feed(part)]
    return sealer, b"".join([*chunks, *sealer.finish()])


def opened(key: bytes, size: int, hash: str, whole: bytes, step: int = 70_000) -> bytes:
    opener = crypto.FileOpener(key, size, hash)
    found = b"".join(plain for part in in_steps(whole, step) for plain in opener.feed(part))
    opener.finish()
    return found


@settings(max_examples=40, deadline=None)
@given(SIZES, STEPS, STEPS)
def test_a_file_of_any_size_opens_in_any_steps(size: int, step: int, other_step: int) -> None:
    plain = secrets.token_bytes(size)
    sealer, whole = sealed(plain, step)
    assert len(whole) == crypto.sealed_size(size)
    assert sealer.hash == b64u_encode(sha256(whole))
    assert opened(sealer.key, size, sealer.hash, whole, other_step) == plain


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_file_that_was_changed_anywhere_does_not_open(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 200_000))
    sealer, whole = sealed(secrets.token_bytes(size))
    at = data.draw(st.integers(0, len(whole) - 1))
    count = data.draw(st.integers(1, 3))
    changes: list[Callable[[], bytes]] = [
        lambda: whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],  # a bit flipped
        lambda: whole[:at],
        lambda: whole + whole[-count:],
        lambda: whole[at + 1 :],
        lambda: whole[:at] + secrets.token_bytes(count) + whole[at:],
    ]
    changed = data.draw(st.sampled_from(changes))()
    for hash in (sealer.hash, b64u_encode(sha256(changed))):  # also if the hash were right
        with pytest.raises(crypto.Refused):
            opened(sealer.key, size, hash, changed)


def test_chunks_of_a_file_cannot_be_exchanged_repeated_or_left_out() -> None:
    size = 4 * envelope.CHUNK
    sealer, whole = sealed(secrets.token_bytes(size))
    a, b, c, d = in_steps(whole, SEALED_CHUNK)
    assert opened(sealer.key, size, sealer.hash, a + b + c + d)
    for order in ((b, a, c, d), (a, a, c, d), (a, c, d), (a, b, c), (a, b, d, c), (d,), (a, b, c, d, d)):
        changed = b"".join(order)
        for claimed in (size, (len(order)) * envelope.CHUNK):
            with pytest.raises(crypto.Refused):
                opened(sealer.key, claimed, b64u_encode(sha256(changed)), changed)


def test_a_file_does_not_open_with_the_key_of_another() -> None:
    (one, whole), (other, _) = sealed(b"same"), sealed(b"same")
    assert one.key != other.key
    with pytest.raises(crypto.Refused):
        opened(other.key, 4, one.hash, whole)


def test_nothing_beyond_the_claimed_size_is_handed_over() -> None:
    """The sender can lie, too: what it calls padding must be zero."""
    size = 1000
    sealer, whole = sealed(b"x" * size)
    assert crypto.padded_size(size) == crypto.padded_size(1023)
    with pytest.raises(crypto.Refused):
        opened(sealer.key, 990 + 3, sealer.hash, whole)
    assert opened(sealer.key, 1023, sealer.hash, whole) == b"x" * size + bytes(23)


@pytest.mark.parametrize("given_bytes", [0, 9, 11, 100_000])
def test_a_file_that_changes_while_it_is_sealed_is_not_sealed(given_bytes: int) -> None:
    sealer = crypto.FileSealer(10)
    with pytest.raises(crypto.Refused):
        [*sealer.feed(bytes(given_bytes)), *sealer.finish()]


@pytest.mark.parametrize("size", [-1, crypto.LARGEST_FILE + 1])
def test_a_file_that_is_too_large_is_neither_sealed_nor_opened(size: int) -> None:
    for make in (lambda: crypto.FileSealer(size), lambda: crypto.FileOpener(bytes(32), size, "")):
        with pytest.raises(crypto.Refused):
            make()


def test_the_largest_file_can_be_sealed() -> None:
    assert crypto.padded_size(crypto.LARGEST_FILE) == crypto.LARGEST_FILE
    assert crypto.FileSealer(crypto.LARGEST_FILE).key != crypto.FileSealer(crypto.LARGEST_FILE).key


def test_padding_hides_all_but_the_first_bits_of_a_size() -> None:
    sizes = range(2, 100_000, 7)
    assert all(size <= crypto.padded_size(size) <= size * 1.12 for size in sizes if size > 8)
    assert all(crypto.padded_size(crypto.padded_size(size)) == crypto.padded_size(size) for size in sizes)
    assert len({crypto.padded_size(size) for size in range(65_537, 131_073)}) == 32


def test_both_twins_pad_to_the_same_size() -> None:
    sizes = [0, 1, 2, 3, 4, 5, 7, 8, 9, 1000, 65_535, 65_536, 65_537, 9_999_999, 26_214_399, 26_214_400]
    sizes += [secrets.randbelow(26_214_401) for _ in range(2000)]
    ours = [[crypto.padded_size(size), crypto.sealed_size(size)] for size in sizes]
    assert ask_twin([("file_sizes", size) for size in sizes]) == ours


def test_the_description_of_a_file_is_read_as_it_was_written() -> None:
    made: dict[str, Any] = {
        "id": FILE["id"],
        "key": bytes(32),
        "size": 5,
        "hash": FILE["hash"],
        "name": 'a "b"',
        "type": "image/png",
    }
    text = crypto.describe_file(**made, thumb=b"abc", w=2, h=3)
    expected = made | {"key": b64u_encode(bytes(32)), "thumb": "YWJj", "w": 2, "h": 3}
    assert crypto.read_file(text) == expected
    assert [*crypto.read_file(text)] == ["id", "key", "size", "hash", "name", "type", "thumb", "w", "h"]


@pytest.mark.parametrize(
    "odd",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": "a\\b"},
        {"name": "a\0"},
        {"name": "x" * 129},
        {"name": "\ud800"},
        {"type": "text"},
        {"type": "Text/Html"},
        {"size": crypto.LARGEST_FILE + 1},
        {"thumb": bytes(4097)},
        {"w": -1},
        {"id": "short"},
        {"key": bytes(31)},
    ],
    ids=str,
)
def test_a_description_that_readers_refuse_is_not_written(odd: dict[str, Any]) -> None:
    fine: dict[str, Any] = {"id": FILE["id"], "key": bytes(32), "size": 5, "hash": FILE["hash"], "name": "a"}
    assert crypto.describe_file(**fine)
    with pytest.raises(crypto.Refused):
        crypto.describe_file(**fine | odd)
