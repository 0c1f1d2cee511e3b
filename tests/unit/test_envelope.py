"""What a server checks without any secret: encodings, public keys, statements, PINs and the outside of envelopes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezdms import crypto
from ezdms.protocol import envelope
from ezdms.protocol.encoding import ALPHABET, EnvelopeError, b64u_decode, b64u_encode, crockford_encode, sha256
from tests.support.people import PEOPLE, load_vectors

ALICE, BOB = PEOPLE["alice"], PEOPLE["bob"]
KID = envelope.key_id(BOB.spki)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


# ---- 1  Conventions ----


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_base64url_round_trips(raw: bytes) -> None:
    assert b64u_decode(b64u_encode(raw), len(raw)) == raw


@settings(max_examples=300, deadline=None)
@given(st.text(LETTERS + "=+/.\n é", max_size=12))
def test_only_the_canonical_base64url_encoding_is_decoded(text: str) -> None:
    try:
        raw = b64u_decode(text)
    except EnvelopeError:
        return
    assert b64u_encode(raw) == text


@pytest.mark.parametrize(
    "text", ["AB", "AAB", "A", "AA==", "AA=", "+/+/", "AAAA\n", " AAAA", "AA AA", "ÄAAA", "１２３４"]
)
def test_a_noncanonical_base64url_encoding_is_refused(text: str) -> None:
    with pytest.raises(EnvelopeError):
        b64u_decode(text)


def test_a_wrong_size_is_reported() -> None:
    with pytest.raises(EnvelopeError, match="Expected 4 bytes in base64url, got 3"):
        b64u_decode("AAAA", 4)


@settings(deadline=None)
@given(st.binary(max_size=40).filter(lambda raw: len(raw) % 5 == 0))
def test_crockford_encodes_a_number_in_base_32(raw: bytes) -> None:
    number = 0
    for letter in crockford_encode(raw):
        number = number * 32 + ALPHABET.index(letter)
    assert number.to_bytes(len(raw), "big") == raw


# ---- 2  Names ----


@pytest.mark.parametrize("name", ["abc", "A-1", "___", "x" * 32])
def test_a_valid_username_is_accepted(name: str) -> None:
    envelope.check_username(name)


@pytest.mark.parametrize("name", ["", "ab", "x" * 33, "a b", "abc\n", "ab\x00c", "Zoë", "абв", "abc٣", "<b>"])
def test_an_invalid_username_is_refused(name: str) -> None:
    with pytest.raises(EnvelopeError, match=r"^A username has 3 to 32 letters \(a to z\), digits, _ or -\.$"):
        envelope.check_username(name)


@pytest.mark.parametrize(
    "name", ["christopherjames", "anna-of-the-north-sea", "UUUU-UUUU-UUUU-UUUU-UUUU-UUUU", "x" * 24]
)
def test_a_valid_new_username_is_accepted(name: str) -> None:
    envelope.check_new_username(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("9XM9A-MQQPM-79YKF-XPQ75-NHP58", "Search PIN"),
        ("9xm9amqqpm79ykfxpq75nhp58", "Search PIN"),
        ("9XM9A-MQQPM-79YKF-XPQ75-NHP59", "Search PIN"),  # with a typo
        ("oil" * 8 + "o", "Search PIN"),  # O, I and L mean 0 and 1
        ("ABCD-EFGH-JKMN-PQRS", "Login PIN"),
        ("abcdefgh1234jkmn", "Login PIN"),
        ("a b", "3 to 32 letters"),
    ],
)
def test_an_invalid_new_username_is_refused(name: str, words: str) -> None:
    with pytest.raises(EnvelopeError, match=words):
        envelope.check_new_username(name)


def test_statements_with_existing_names_that_look_like_a_pin_stay_valid() -> None:
    name = "9XM9A-MQQPM-79YKF-XPQ75-NHP58"
    assert envelope.parse_statement(crypto.sign_statement(ALICE, name, 1, 5)).name == name


# ---- 5  Keys ----

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def small_order_encodings() -> set[bytes]:
    """Every encoding (sign bit cleared) of a point P with 8P = 0, computed from RFC 8032, 5.1."""

    def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        t = D * a[0] * b[0] * a[1] * b[1] % P
        x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + t, -1, P) % P
        return x, (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, P) % P

    def point(y: int) -> tuple[int, int] | None:
        square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
        x = pow(square, (P + 3) // 8, P)
        x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
        return (x, y) if x * x % P == square else None

    order = 2**252 + 27742317777372353535851937790883648493
    found = {1}
    for y in range(2, 40):  # order * any point has small order; a few points reach all eight
        if (start := point(y)) is None:
            continue
        torsion = (0, 1)
        for bit in bin(order)[2:]:
            torsion = add(torsion, torsion)
            torsion = add(torsion, start) if bit == "1" else torsion
        multiple = torsion
        for _ in range(8):
            found.add(multiple[1])
            multiple = add(multiple, torsion)
    return {y.to_bytes(32, "little") for low in found for y in (low, low + P) if y < 2**255}


def test_the_list_of_small_order_keys_is_complete() -> None:
    assert small_order_encodings() == envelope.SMALL_ORDER


@pytest.mark.parametrize("sign", [0, 0x80])
def test_a_small_order_identity_key_is_refused(sign: int) -> None:
    for point in envelope.SMALL_ORDER:
        with pytest.raises(EnvelopeError, match="forged"):
            envelope.check_identity_key(point[:31] + bytes([point[31] | sign]))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_an_identity_key_has_32_bytes(size: int) -> None:
    with pytest.raises(EnvelopeError, match=f"32 bytes, got {size}"):
        envelope.check_identity_key(ALICE.ik.ljust(size, b"x")[:size])


@pytest.mark.parametrize("at", [*range(33), 33, *range(289, 294)])
def test_an_encryption_key_has_only_one_encoding(at: int) -> None:
    wrong = bytearray(BOB.spki)
    wrong[at] ^= 0x80
    with pytest.raises(EnvelopeError, match="2048 bits"):
        envelope.check_encryption_key(bytes(wrong))


def test_a_key_id_is_the_first_half_of_the_hash() -> None:
    assert b64u_decode(KID, 16) == sha256(BOB.spki)[:16]


# ---- 7  Key statement ----

STATEMENT = load_vectors("statements")[0]["statement"]
MEMBERS = json.loads(b64u_decode(STATEMENT.split(".")[1]))


def signed(**changed: object) -> str:
    """A statement by Alice with these changes."""
    return crypto._sign(ALICE, envelope.STATEMENT_HEADER, json.dumps(MEMBERS | changed).encode())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_statement_with_a_flipped_character_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(STATEMENT) - 1))
    letter = data.draw(st.sampled_from((LETTERS + ".=").replace(STATEMENT[at], "")))
    with pytest.raises(EnvelopeError):
        envelope.parse_statement(STATEMENT[:at] + letter + STATEMENT[at + 1 :])


def test_unknown_suites_are_kept_and_their_keys_ignored() -> None:
    later = envelope.parse_statement(signed(suites=[1, 2], ek=[{"s": 2, "kem": "x"}, *MEMBERS["ek"]], z=[None]))
    assert (later.suites, later.spki) == ((1, 2), ALICE.spki)


@pytest.mark.parametrize("suites", [[2], [True], [0, 1], [1, -1], [[1]], "1", None])
def test_a_statement_without_suite_1_is_refused(suites: object) -> None:
    with pytest.raises(EnvelopeError, match="suite 1"):
        envelope.parse_statement(signed(suites=suites))


@pytest.mark.parametrize("statement", [None, 5, b"a.b.c", ["a", "b", "c"], {}])
def test_a_statement_that_is_not_text_is_refused(statement: object) -> None:
    with pytest.raises(EnvelopeError, match="key statement"):
        envelope.parse_statement(statement)  # type: ignore[arg-type]  # a server's JSON can say anything


# ---- 8  Search PIN ----


def test_each_mistake_in_a_search_pin_gets_its_own_message() -> None:
    good = envelope.search_pin(ALICE.ik, bytes(16)).replace("-", "")
    other = ALPHABET[(ALPHABET.index(good[-1]) + 1) % 32]
    mistakes = {
        "12XT-6D6C-9WPW-09H0": "This looks like a Login PIN. Never give yours away",
        good[:-1]: "has 25 letters and digits; this has 24",
        good[:-1] + "U": "only digits, and letters except U",
        good[:-1] + other: "a typo",
    }
    for typed, sentence in mistakes.items():
        with pytest.raises(envelope.PinError, match=sentence) as told:
            envelope.normalise_search_pin(typed)
        assert typed.replace("-", "") not in str(told.value)  # the input may be a secret


@pytest.mark.parametrize("change", [str.lower, lambda pin: f" {pin}\n", lambda pin: pin.replace("-", " - ")])
def test_a_search_pin_is_normalized(change: Callable[[str], str]) -> None:
    shown = envelope.search_pin(BOB.ik, b"sixteen bytes ok")
    assert envelope.normalise_search_pin(change(shown)) == shown


def test_a_search_pin_commits_to_key_and_salt() -> None:
    pins = {envelope.search_pin(ik, salt) for ik in (ALICE.ik, BOB.ik) for salt in (bytes(16), b"x" * 16)}
    assert len(pins) == 4


# ---- 9  Conversation ----


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_both_sides_compute_the_same_conversation_id(x: bytes, y: bytes) -> None:
    assert envelope.conversation_id(x, y) == envelope.conversation_id(y, x)
    assert envelope.in_order(x, y) == envelope.in_order(y, x) == tuple(sorted((x, y)))


# ---- 12  Outside of an envelope ----


def outside(size: int = 512, kid: str = KID) -> list[str]:
    """The five parts of an envelope filled with noise; a server cannot tell the difference."""
    jws = (
        len(b64u_encode(envelope.MESSAGE_HEADER)) + 1 + len(b64u_encode(bytes(size))) + 1 + len(b64u_encode(bytes(64)))
    )
    return [envelope.envelope_header(kid), *(b64u_encode(b"\x55" * count) for count in (256, 12, jws, 16))]


def refusal(sealed: str) -> str:
    """The error message, which must not repeat any sealed part."""
    with pytest.raises(EnvelopeError) as told:
        envelope.key_id_of(sealed)
    sentence = str(told.value)
    assert not any(part in sentence for part in sealed.split(".") if len(part) > 3)
    return sentence


@pytest.mark.parametrize("bucket", envelope.BUCKETS)
def test_only_envelopes_of_a_bucket_in_use_are_accepted(bucket: int) -> None:
    if bucket > 8192:  # reserved for future kinds
        assert "padded sizes" in refusal(".".join(outside(bucket)))
    else:
        assert envelope.key_id_of(".".join(outside(bucket))) == KID
    for size in (bucket - 1, bucket + 1, bucket - 64, bucket + 16):
        assert "padded sizes" in refusal(".".join(outside(size)))


def test_the_server_accepts_every_vector_envelope_that_opens() -> None:
    opens = [case for case in load_vectors("envelopes") if case["verdict"] == "ok"]
    assert opens
    for case in opens:
        assert envelope.key_id_of(case["jwe"]) == KID


def test_the_key_id_is_read_from_the_header_and_any_other_header_is_refused() -> None:
    alice = envelope.key_id(ALICE.spki)
    assert envelope.key_id_of(".".join(outside(kid=alice))) == alice
    for header in (envelope.envelope_header(KID, "ezdms-vault+jwe"), envelope.envelope_header(KID + "A"), "e30"):
        assert "header" in refusal(".".join([header, *outside()[1:]]))


@pytest.mark.parametrize("part", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda part: part[:-4],
        lambda part: part + "AAAA",
        lambda part: part + "=",
        lambda part: part[:-1] + "é",
        lambda part: part[:-1] + "+",
        lambda part: part[:-1] + " ",
        lambda _: "",
    ],
    ids=["shorter", "longer", "padding", "not ascii", "another alphabet", "a space", "empty"],
)
def test_a_malformed_part_is_refused(part: int, spoil: Callable[[str], str]) -> None:
    parts = outside()
    parts[part] = spoil(parts[part])
    refusal(".".join(parts))


@pytest.mark.parametrize("part", [1, 3, 4])
def test_trailing_bits_in_a_part_are_refused(part: int) -> None:
    for bucket in envelope.MESSAGE_SIZES.values():
        parts = outside(bucket)
        if len(parts[part]) % 4:  # the last letter has bits that encode nothing
            parts[part] = parts[part][:-1] + LETTERS[LETTERS.index(parts[part][-1]) ^ 1]
            refusal(".".join(parts))


@pytest.mark.parametrize("count", [0, 1, 4, 6])
def test_an_envelope_has_five_parts(count: int) -> None:
    assert "five parts" in refusal(".".join([*outside(), "AAAA"][:count]))
