"""The client side of docs/protocol.md in Python, as pure functions. THE SERVER NEVER IMPORTS THIS (a test proves it).

Twin of static/js/crypto.js: same names, same order, same vectors. The public parts are in envelope.py.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from ezdms.protocol import encoding, envelope
from ezdms.protocol.encoding import (
    LARGEST_INTEGER,
    LATEST_TIME,
    EnvelopeError,
    b64u_decode,
    b64u_encode,
    crockford_encode,
    in_groups,
    is_integer,
    label,
    sha256,
)
from ezdms.protocol.envelope import (
    ACT_HEADER,
    BUCKETS,
    CHUNK,
    LARGEST_VAULT,
    LOGIN_PIN_LENGTH,
    MARK_HEADER,
    MAX_TEXT,
    MESSAGE_HEADER,
    SEARCH_PIN_LENGTH,
    SIGNAL_HEADER,
    SIGNAL_SIZE,
    SIGNAL_TYP,
    STATEMENT_HEADER,
    TAG,
    VAULT_HEADER,
    VAULT_STEP,
    WRAP_ITER_MAX,
    WRAP_ITER_MIN,
    PinError,
    SignatureError,
    Statement,
    change_pin_purpose,
    conversation_id,
    envelope_header,
    fingerprint,
    in_order,
    key_id,
    normalise_search_pin,
    padded_size,
    parse_statement,
    sealed_size,
    search_pin,
)


class ProtocolError(Exception):
    """Received data is invalid. The message contains no secret and can be shown.

    ProtocolError
    ├── Refused        must not be shown: damaged, or for someone else
    │   └── Forged     signed by a key other than the pinned one
    ├── Unsupported    from a newer version
    └── Alarm          a contact's keys changed, were rolled back or forked: stop
    """


class Refused(ProtocolError):
    """A message, key or vault that must not be used."""


class Forged(Refused):
    """A message not signed by the key of its claimed sender."""


class Unsupported(ProtocolError):
    """Unknown suite, version or kind: needs a newer version. The message counts as present.

    `p` and `a` are the link and the acknowledgment of a decrypted and verified message, which Chain.follow and
    order_verdicts need to keep its place. Both are None if it could not be read.
    """

    def __init__(self, p: str | None = None, a: tuple[int, str] | None = None) -> None:
        super().__init__("This message needs a newer version of EZ-DMS.")
        self.p = p
        self.a = a


class Alarm(ProtocolError):
    """A contact's key statement contradicts what is known about them."""


# ---- 2  Constants ----

LOGIN_ITER = 600_000
WRAP_ITER = WRAP_ITER_MIN
MOST_SECONDS = 31_536_000  # a year: the longest lifetime of a disappearing message
LARGEST_FILE = 26_214_400  # bytes
LARGEST_THUMB = 4096  # bytes
LARGEST_SIDE = 65_536  # pixels of an image
LARGEST_ROW = 2**52  # a row's n from here on is a lie: no message could follow it
TIME_OFF = 600_000  # ms that clocks may differ
DAY = 86_400_000  # ms
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


# ---- 3  Login PIN ----


def new_login_pin() -> str:
    """16 characters over 80 random bits, without dashes."""
    return crockford_encode(secrets.token_bytes(10))


def show_login_pin(pin: str) -> str:
    """XXXX-XXXX-XXXX-XXXX."""
    return in_groups(pin, 4)


def normalise_login_pin(typed: str) -> str:
    """The 16 characters of a typed PIN. Raises PinError with a helpful message."""
    pin = envelope.fold_pin(typed)
    if len(pin) == SEARCH_PIN_LENGTH and envelope.is_in_alphabet(pin):
        raise PinError("This looks like a Search PIN. To log in, enter your Login PIN, which is shorter.")
    if not pin:
        raise PinError("Enter your Login PIN.")
    if len(pin) != LOGIN_PIN_LENGTH:
        raise PinError(f"A Login PIN has {LOGIN_PIN_LENGTH} letters and digits; this has {len(pin)}.")
    if not envelope.is_in_alphabet(pin):
        raise PinError("A Login PIN has only digits, and letters except U.")
    return pin


# ---- 4  Logging in ----


@dataclass(frozen=True, slots=True)
class LoginKeys:
    """What the server gets instead of the PIN: 16 and 32 bytes, b64u."""

    login_id: str
    auth_key: str = field(repr=False)


def _pbkdf2(pin: str, salt: bytes, iterations: int) -> bytes:
    return PBKDF2HMAC(hashes.SHA256(), 32, salt, iterations).derive(pin.encode())


def login_keys(pin: str, deployment_id: bytes) -> LoginKeys:
    """Derive login keys from the normalized PIN (RFC 8018 and 5869). The iteration count is never taken from a server.

    `deployment_id` is 16 bytes. Raises Refused.
    """
    if len(deployment_id) != 16:
        raise Refused(f"Expected a deployment id of 16 bytes, got {len(deployment_id)}.")
    root = _pbkdf2(pin, label("login") + deployment_id, LOGIN_ITER)

    def derive(name: str, size: int) -> str:
        return b64u_encode(HKDF(hashes.SHA256(), size, None, f"ezdms/1 {name}".encode()).derive(root))

    return LoginKeys(derive("login-id", 16), derive("auth-key", 32))


# ---- 5  Keys ----


@dataclass(frozen=True, slots=True)
class Keys:
    """The user's private keys. `ik` is 32 bytes, `spki` 294, `fp` 32."""

    identity: Ed25519PrivateKey = field(repr=False)
    encryption: rsa.RSAPrivateKey = field(repr=False)

    @property
    def ik(self) -> bytes:
        """The raw public identity key."""
        return self.identity.public_key().public_bytes_raw()

    @property
    def spki(self) -> bytes:
        """The public encryption key, DER."""
        return self.encryption.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def fp(self) -> bytes:
        """The fingerprint."""
        return fingerprint(self.ik)


def generate_keys() -> Keys:
    """A new identity."""
    return Keys(Ed25519PrivateKey.generate(), rsa.generate_private_key(public_exponent=65537, key_size=2048))


# ---- 6  Private keys at rest ----


@dataclass(frozen=True, slots=True)
class WrappedKeys:
    """Private keys encrypted under a PIN, as stored by the server: b64u, except the iteration count."""

    salt: str
    iterations: int
    wrapped_sig: str = field(repr=False)
    wrapped_enc: str = field(repr=False)


def _pkcs8(key: Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _wrap_data(use: str, public: bytes) -> bytes:
    return label(f"key {use}") + sha256(public)


def _check_iterations(iterations: int) -> None:
    """Too few iterations let anyone with the database guess the PIN; too many make a login take forever."""
    if not is_integer(iterations, WRAP_ITER_MIN, WRAP_ITER_MAX):
        raise Refused(f"Expected {WRAP_ITER_MIN} to {WRAP_ITER_MAX} iterations for the keys.")


def wrap_keys(pin: str, keys: Keys, iterations: int = WRAP_ITER) -> WrappedKeys:
    """Encrypt both private keys under the PIN with a new salt. Raises Refused for iterations that no client accepts."""
    _check_iterations(iterations)
    salt = secrets.token_bytes(16)
    kek = AESGCM(_pbkdf2(pin, label("wrap") + salt, iterations))

    def wrap(key: Ed25519PrivateKey | rsa.RSAPrivateKey, use: str, public: bytes) -> str:
        iv = secrets.token_bytes(12)
        return b64u_encode(iv + kek.encrypt(iv, _pkcs8(key), _wrap_data(use, public)))

    return WrappedKeys(
        b64u_encode(salt),
        iterations,
        wrap(keys.identity, "sig", keys.ik),
        wrap(keys.encryption, "enc", keys.spki),
    )


def unwrap_keys(pin: str, wrapped: WrappedKeys, ik: bytes, spki: bytes) -> Keys:
    """Decrypt, and check that the private keys match these public ones. Raises Refused."""
    _check_iterations(wrapped.iterations)
    try:
        salt = b64u_decode(wrapped.salt, 16)
        kek = AESGCM(_pbkdf2(pin, label("wrap") + salt, wrapped.iterations))

        def unwrap(text: str, use: str, public: bytes) -> Any:
            raw = b64u_decode(text)
            opened = kek.decrypt(raw[:12], raw[12:], _wrap_data(use, public))
            return serialization.load_der_private_key(opened, None)

        identity, encryption = unwrap(wrapped.wrapped_sig, "sig", ik), unwrap(wrapped.wrapped_enc, "enc", spki)
    except (InvalidTag, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refused("The keys from the server cannot be decrypted with this Login PIN.") from error
    if not isinstance(identity, Ed25519PrivateKey) or not isinstance(encryption, rsa.RSAPrivateKey):
        raise Refused("Expected an Ed25519 and an RSA key.")
    keys = Keys(identity, encryption)
    if keys.ik != ik or keys.spki != spki:
        raise Refused("The private keys from the server do not match the public ones.")
    return keys


# ---- 7  Key statement; 11  Signature ----


def _compact(members: dict[str, Any]) -> bytes:
    """JSON as it is signed: UTF-8, no white space, minimal escapes. Raises Refused."""
    try:
        return encoding.compact(members)
    except EnvelopeError as error:
        raise Refused(str(error)) from error


def _sign(keys: Keys, header: bytes, body: bytes) -> str:
    signed = f"{b64u_encode(header)}.{b64u_encode(body)}"
    return f"{signed}.{b64u_encode(keys.identity.sign(signed.encode()))}"


def _verified(jws: str, header: bytes, ik: bytes) -> bytes:
    """Verify a signature, and return the signed bytes. The header is compared as a string, never parsed."""
    parts = jws.split(".")
    if len(parts) != 3 or parts[0] != b64u_encode(header):
        raise Refused("Expected a signature of a different kind.")
    body, signature = b64u_decode(parts[1]), b64u_decode(parts[2], 64)
    envelope.verify_signature(ik, f"{parts[0]}.{parts[1]}".encode(), signature)
    return body


def sign_statement(keys: Keys, name: str, seq: int, ts: int) -> str:
    """Sign a statement about one's keys, as compact JWS (RFC 7515, 8037)."""
    members = {
        "v": 1,
        "ik": b64u_encode(keys.ik),
        "seq": seq,
        "ts": ts,
        "name": name,
        "suites": [1],
        "ek": [{"s": 1, "spki": b64u_encode(keys.spki)}],
    }
    return _sign(keys, STATEMENT_HEADER, _compact(members))


def verify_statement(jws: str) -> Statement:
    """Like parse_statement, but raises Refused."""
    try:
        return parse_statement(jws)
    except EnvelopeError as error:
        raise Refused(str(error)) from error


@dataclass(frozen=True, slots=True)
class Pin:
    """What is remembered about a contact's statement: `ik` and `hash` (of the JWS) in b64u, and the best suite."""

    ik: str
    seq: int
    hash: str
    suite: int


def pin_of(jws: str) -> Pin:
    """The part of a statement needed to recognize the key, and detect a rollback. Raises Refused."""
    statement = verify_statement(jws)
    return Pin(b64u_encode(statement.ik), statement.seq, message_hash(jws), max(statement.suites))


def check_succession(known: Pin, following: Pin) -> None:
    """Check that a contact's statement only moves forward. Raises Alarm."""
    if known.ik != following.ik:
        raise Alarm("The server shows a different key for this person than before.")
    if following.seq < known.seq:
        raise Alarm("The server shows an older statement of this person's keys than before.")
    if following.seq == known.seq and following.hash != known.hash:
        raise Alarm("The server shows two statements of this person's keys.")
    if following.suite < known.suite:
        raise Alarm("The server shows weaker keys for this person than before.")


# ---- 8  Search PIN ----


def new_search_salt() -> bytes:
    """16 random bytes."""
    return secrets.token_bytes(16)


def search_pin_commits(pin: str, ik: bytes, salt: bytes) -> bool:
    """True if the Search PIN (shown form) belongs to this key with this salt (16 bytes)."""
    return len(salt) == 16 and search_pin(ik, salt) == pin


# ---- 10  Message body ----


LINE_BREAKS = re.compile("\r\n|[\r\x0b\x0c]")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean_text(text: str) -> str:
    """Normalize typed or pasted text: CR, CR LF, vertical tab and form feed become newlines."""
    return LINE_BREAKS.sub("\n", text)


def check_text(text: str) -> None:
    """Raises Refused unless it is 1 to 500 well-formed code points, with no control characters but newline and tab."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Refused("This text contains broken characters.")
    if not text:
        raise Refused("Write something first.")
    if len(text) > MAX_TEXT:
        raise Refused(f"A message has at most {MAX_TEXT} characters; this has {len(text)}.")
    if CONTROLS.search(text):
        raise Refused("This text contains control characters.")


# Code points of emoji. Those that are invisible alone (digits, joiner, keycap, variation, tags) are not an emoji by
# themselves. The list is fixed, so that clients with different Unicode versions do not disagree.
_PARTS = r"#*0-9\u200d\u20e3\ufe0f\U000e0020-\U000e007f"
_SIGNS = (
    r"\xa9\xae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    r"\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
EMOJI = re.compile(rf"(?![{_PARTS}]+\Z)[{_PARTS}{_SIGNS}]{{1,16}}|[#*0-9]\ufe0f?\u20e3")
TIMER = re.compile(r"0|[1-9][0-9]{0,7}", re.ASCII)
ID = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
HASH = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
DELETION = re.compile(r"[A-Za-z0-9_-]{22} [A-Za-z0-9_-]{43}", re.ASCII)
FILE_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f/\\]{1,128}")
FILE_TYPE = re.compile(r"(?=.{1,100}\Z)[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+|", re.ASCII)


def _pad(body: bytes, size: int) -> bytes:
    return body.ljust(size, b" ")


def _pad_to_bucket(body: bytes) -> bytes:
    """Pad to the smallest size that fits; unchanged if none does."""
    return _pad(body, next((size for size in BUCKETS if size >= len(body)), 0))


@dataclass(frozen=True, slots=True)
class Body:
    """The content of a signed message. `reference` is (id, hash) of the message it refers to.

    `e` identifies the earlier changes of the same target ("" for none; None in kinds that change nothing). `kind` is
    None if a newer version is needed; text, reference, ts and x are meaningless then.
    """

    c: str
    f: str
    t: str
    id: str
    n: int
    p: str
    a: tuple[int, str]
    ts: int = 0
    x: int = 0
    kind: str | None = None
    text: str = field(default="", repr=False)
    reference: tuple[str, str] | None = None
    e: str | None = None


def read_body(padded: bytes) -> Body:
    """Parse a body, possibly of an unknown version or kind. Raises Refused if the protocol forbids it.

    Raises Unsupported for an unknown version if not even its place in the chain can be read.
    """
    body = padded.rstrip(b" ")
    if len(padded) not in BUCKETS or _pad_to_bucket(body) != padded:
        raise Refused("Expected a message of the smallest padded size.")
    try:
        members = encoding.parse_canonical(body)
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    is_known = is_integer(members.get("v"), 1, 1)
    try:
        place = _read_place(members)
    except Refused:
        if is_known:
            raise
        raise Unsupported from None
    return _read_content(place, members) if is_known else Body(**place)


def _read_place(members: dict[str, Any]) -> dict[str, Any]:
    """The part that is the same in every version: sender, recipient, and place in the chain."""
    place = {name: members.get(name) for name in ("c", "f", "t", "id", "n", "p", "a")}
    n, p, a = place["n"], place["p"], place["a"]
    if not all(isinstance(place[name], str) for name in ("c", "f", "t", "id")) or not is_integer(n, 1):
        raise Refused("Expected a message body of version 1.")
    if not isinstance(a, list) or len(a) != 2 or not is_integer(a[0], 0):
        raise Refused("Expected an acknowledgment in the message body.")
    if not _is_link(int(n or 0) - 1, p) or not _is_link(a[0], a[1]):
        raise Refused("Expected the hash of a message in the message body.")
    return place | {"a": (a[0], a[1])}


def _is_link(n: int, digest: Any) -> bool:
    """ "" stands for no message (n = 0); any other is identified by its hash."""
    return _matches(HASH, digest) if n else digest == ""


def _matches(form: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _read_content(place: dict[str, Any], members: dict[str, Any]) -> Body:
    """The content of a body of version 1, by its kind."""
    ts, x, kind, text = (members.get(name) for name in ("ts", "x", "k", "b"))
    if not is_integer(ts, 0, LATEST_TIME) or not is_integer(x, 0, MOST_SECONDS):
        raise Refused("Expected a message with a time and a lifetime.")
    if not isinstance(kind, str) or not isinstance(text, str):
        raise Refused("Expected a message with a kind and a content.")
    if kind not in KINDS:
        return Body(**place)
    _check_content(kind, text, int(x or 0))
    reference, e = None, None
    if kind in MUST_REFER or (kind in MAY_REFER and "r" in members):
        reference = _read_reference(members.get("r"))
    if kind in CHANGES:
        e = members.get("e")
        if e != "" and not _matches(HASH, e):
            raise Refused("Expected the earlier changes in the message body.")
    return Body(**place, ts=int(ts or 0), x=int(x or 0), kind=kind, text=text, reference=reference, e=e)


KINDS = ("text", "edit", "delete", "react", "timer", "file")
MUST_REFER = ("edit", "react")
MAY_REFER = ("text", "file")
CHANGES = ("edit", "delete")


def _check_content(kind: str, text: str, x: int) -> None:
    if kind in ("text", "edit"):
        check_text(text)
    elif kind == "delete" and not DELETION.fullmatch(text):
        raise Refused("Expected the id and the hash of the message to delete.")
    elif kind == "react" and text and not EMOJI.fullmatch(text):
        raise Refused("Expected one emoji.")
    elif kind == "timer" and (not TIMER.fullmatch(text) or not (text == "0" or 5 <= int(text) <= MOST_SECONDS) or x):
        raise Refused("Expected 0 or 5 to 31536000 seconds.")
    elif kind == "file":
        read_file(text)


def _read_reference(r: Any) -> tuple[str, str]:
    if not isinstance(r, list) or len(r) != 2 or not _matches(ID, r[0]) or not _matches(HASH, r[1]):
        raise Refused("Expected the id and the hash of the message that this one refers to.")
    return r[0], r[1]


def read_file(text: str) -> dict[str, Any]:
    """Parse the description of a file: id, key, size, hash, name, type, thumb, w, h (and unknown members).

    Only its form is checked; do not trust the content. Raises Refused. (docs/protocol.md, Kinds)
    """
    try:
        file = encoding.parse_canonical(text.encode("utf-8", "surrogatepass"))
        if not isinstance(file.get("key"), str) or not isinstance(file.get("thumb"), str):
            raise Refused("Expected a file with a key and a thumbnail.")
        b64u_decode(file["key"], 32)
        is_drawable = len(b64u_decode(file["thumb"])) <= LARGEST_THUMB
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    forms = {"id": ID, "hash": HASH, "name": FILE_NAME, "type": FILE_TYPE}
    sizes = {"size": LARGEST_FILE, "w": LARGEST_SIDE, "h": LARGEST_SIDE}
    if (
        not is_drawable
        or not all(_matches(form, file.get(name)) for name, form in forms.items())
        or not all(is_integer(file.get(name), 0, most) for name, most in sizes.items())
    ):
        raise Refused("Expected the description of a file.")
    return file


# ---- 12  Envelope, suite 1 ----


def _seal(spki: bytes, typ: str, text: str) -> str:
    """Encrypt as JWE compact (RFC 7516), with a fresh content key and iv for each reader."""
    public = serialization.load_der_public_key(spki)
    if not isinstance(public, rsa.RSAPublicKey):
        raise Refused("Expected an RSA encryption key.")
    header = envelope_header(key_id(spki), typ)
    content_key, iv = secrets.token_bytes(32), secrets.token_bytes(12)
    sealed = AESGCM(content_key).encrypt(iv, text.encode("ascii"), header.encode())
    wrapped = public.encrypt(content_key, OAEP)
    return ".".join([header, *map(b64u_encode, (wrapped, iv, sealed[:-16], sealed[-16:]))])


def _unseal(keys: Keys, typ: str, jwe: str) -> str:
    parts = jwe.split(".") if isinstance(jwe, str) else []  # a server's JSON can contain anything
    if len(parts) != 5 or parts[0] != envelope_header(key_id(keys.spki), typ):
        raise Refused("Expected an envelope for your own key.")
    wrapped, iv = b64u_decode(parts[1], 256), b64u_decode(parts[2], 12)
    text, tag = b64u_decode(parts[3]), b64u_decode(parts[4], 16)
    try:
        content_key = keys.encryption.decrypt(wrapped, OAEP)
        if len(content_key) != 32:
            raise Refused("Expected a content key of 32 bytes.")
        return AESGCM(content_key).decrypt(iv, text + tag, parts[0].encode()).decode("ascii")
    except (InvalidTag, ValueError) as error:
        raise Refused("The envelope cannot be decrypted.") from error


@dataclass(frozen=True, slots=True)
class SealedMessage:
    """A message ready to be sent. Participant a is the one with the lower fingerprint."""

    message_id: str
    n: int
    hash: str
    suite: int
    jws: str = field(repr=False)
    content_for_a: str = field(repr=False)
    content_for_b: str = field(repr=False)


def seal_message(
    keys: Keys,
    peer_ik: bytes,
    peer_spki: bytes,
    *,
    n: int,
    p: str,
    a: tuple[int, str],
    ts: int,
    text: str,
    message_id: bytes | None = None,
    x: int = 0,
    kind: str = "text",
    reference: tuple[str, str] | None = None,
    e: str | None = None,
    z: bytes | None = None,
) -> SealedMessage:
    """Sign a message, and encrypt it for the peer and for oneself.

    `p`: hash of one's own previous message ("" for n = 1; see next_link). `a`: (n, hash) of the peer's highest verified
    message with no row missing before it, or (0, ""). `message_id`: 16 bytes. `x`: seconds. `ts`: ms. `text`: the
    content by its kind. `reference`: (id, hash). `e`: as in Body. `z`: 16 bytes that keep a short text from being
    guessed by its hash; random by default, left out if empty. Raises Refused for anything a receiver would refuse.
    """
    message_id = secrets.token_bytes(16) if message_id is None else message_id
    z = secrets.token_bytes(16) if z is None else z
    if len(message_id) != 16 or len(z) not in (0, 16):
        raise Refused("Expected a message id and a z of 16 bytes.")
    if kind in ("text", "edit"):
        check_text(text)
    peer_fp = fingerprint(peer_ik)
    name = b64u_encode(message_id)
    members = {
        "v": 1,
        "c": conversation_id(keys.fp, peer_fp),
        "f": b64u_encode(keys.fp),
        "t": b64u_encode(peer_fp),
        "id": name,
        "n": n,
        "p": p,
        "a": list(a),
        "ts": ts,
        "x": x,
        "k": kind,
        "b": text,
    }
    optional = {"r": reference and list(reference), "e": e, "z": b64u_encode(z) or None}
    body = _pad_to_bucket(_compact(members | {name: value for name, value in optional.items() if value is not None}))
    try:
        envelope.check_identity_key(peer_ik)
        envelope.check_encryption_key(peer_spki)
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    if read_body(body).kind is None:
        raise Refused("Expected a kind of message that this version supports.")
    jws = _sign(keys, MESSAGE_HEADER, body)
    mine, theirs = (_seal(spki, "ezdms-msg+jwe", jws) for spki in (keys.spki, peer_spki))
    for_a, for_b = (mine, theirs) if in_order(keys.fp, peer_fp)[0] == keys.fp else (theirs, mine)
    return SealedMessage(name, n, message_hash(jws), 1, jws, for_a, for_b)


def message_hash(jws: str) -> str:
    """b64u of the SHA-256 of a signed message, which the next one links to."""
    return b64u_encode(sha256(jws.encode("ascii")))


# ---- 13  Receiving ----


@dataclass(frozen=True, slots=True)
class Message:
    """A decrypted message: counter, hash of the previous one, acknowledgment, time (ms), lifetime (s), kind and text.

    `reference` and `e` as in Body. `jws`: the signed original.
    """

    id: str
    n: int
    p: str
    a: tuple[int, str]
    ts: int
    x: int
    kind: str
    text: str = field(repr=False)
    reference: tuple[str, str] | None = None
    e: str | None = None
    jws: str = field(default="", repr=False, compare=False)


def open_message(
    keys: Keys,
    sender_ik: bytes,
    recipient_ik: bytes,
    sealed: str,
    *,
    message_id: str,
    n: int,
    hash: str,
    suite: int = 1,
) -> Message:
    """Decrypt one's own copy, with all checks in the order of the protocol. `sender_ik`: the pinned key, or one's own.

    Raises Refused (Forged if someone else signed it) or Unsupported.
    """
    if suite != 1:
        raise Unsupported
    try:
        jws = _unseal(keys, "ezdms-msg+jwe", sealed)
        body = read_body(_verified(jws, MESSAGE_HEADER, sender_ik))
    except SignatureError as error:
        raise Forged(str(error)) from error
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    sender, recipient = fingerprint(sender_ik), fingerprint(recipient_ik)
    expected = (conversation_id(sender, recipient), b64u_encode(sender), b64u_encode(recipient))
    if (body.c, body.f, body.t) != expected:
        raise Refused("This message belongs to another conversation.")
    if (body.id, body.n, message_hash(jws)) != (message_id, n, hash):
        raise Refused("The server's description of this message is wrong.")
    if body.kind is None:
        raise Unsupported(body.p, body.a)
    place = (body.id, body.n, body.p, body.a, body.ts, body.x)
    return Message(*place, body.kind, body.text, body.reference, body.e, jws)


Verdict = Literal["ok", "duplicate", "gap", "late", "fork"]


@dataclass(frozen=True, slots=True)
class Link:
    """A row's place in a chain. `p` is None if unknown: nothing was verified, or it was in an earlier run."""

    hash: str
    p: str | None
    is_verified: bool


@dataclass(slots=True)
class Chain:
    """One sender's rows by n, and how far they were followed. Only signed messages change this state.

    `last`: (n, hash) of the highest verified message, which is remembered; nothing above it is missing. `head`: the
    highest verified message reached from the first without a gap. There are rows for all n from `head` to `reach`.
    `start`: the lowest n present when the first was verified; a missing beginning is normal (paging, expiry), so lower
    ones are an older page, not late. `known`: the (n, hash) that was `last` in an earlier run, here or on another
    device. Of two contradicting messages the first stays, and people decide which is true; an unsigned row is replaced
    by a signed one.
    """

    known: tuple[int, str] | None = None
    rows: dict[int, Link] = field(default_factory=dict)
    start: int = 0
    last: tuple[int, str] | None = None
    head: tuple[int, str] | None = None
    reach: int = 0
    is_known_found: bool = False

    @classmethod
    def resume(cls, last: tuple[int, str] | None, known: tuple[int, str] | None = None) -> Chain:
        """A chain that continues after `last`, the highest verified message already delivered. Lower ones are late."""
        if last is None:
            return cls(known)
        n, hash = last
        is_found = known is not None and (known[0] < n or known == last)
        return cls(known, {n: Link(hash, None, True)}, 1, last, last, n, is_found)

    def follow(self, *, n: int, hash: str, p: str | None) -> Verdict | None:
        """Judge and remember the next row as it arrives. Call it for every row, whatever it contains.

        `p` is None for a row without a verified message (emptied, unknown suite, refused). Such a row is present, so it
        is no gap, and the next message must link to its hash. Otherwise it changes nothing, and its verdict is None
        unless it is a duplicate or a fork. Rows with an invalid n are ignored, with None.
        """
        if not is_integer(n, 1):
            return None
        self.is_known_found = self.is_known_found or (n, hash) == self.known
        there, before = self.rows.get(n), self.rows.get(n - 1)
        if there and there.hash == hash and (there.is_verified or p is None):
            return "duplicate"
        is_new = there is None or there.hash == hash
        is_next = p is None or before is None or before.hash == p
        if (there and not is_new and (there.is_verified or p is None)) or self._contradicts(n, hash, p):
            return "fork"
        if not is_next:
            self._forget(n - 1)
        self.rows[n] = Link(hash, p, p is not None)
        verdict = self._place(n, hash) if p is not None else None
        self._advance()
        return verdict if is_new and is_next else "fork"

    def has_gap_before(self, n: int) -> bool:
        """True if the row before this verified message is missing, skipping rows without a message.

        It becomes False once the missing row arrives, unlike the verdict "gap", which is not updated.
        """
        below = n - 1
        while below >= self.start and (row := self.rows.get(below)) and not row.is_verified:
            below -= 1
        return below >= self.start and below not in self.rows

    def _contradicts(self, n: int, hash: str, p: str | None) -> bool:
        """True if a verified message contradicts this row."""
        before, behind = self.rows.get(n - 1), self.rows.get(n + 1)
        if p is not None and before and before.is_verified and before.hash != p:
            return True
        if behind and behind.p not in (hash, None):
            return True
        if self.known is None:
            return False
        known_n, known_hash = self.known
        return (n == known_n and hash != known_hash) or (n == known_n + 1 and p not in (known_hash, None))

    def _forget(self, n: int) -> None:
        """Remove an unsigned row whose hash is not the one that the next message links to."""
        del self.rows[n]
        if self.head and self.head[0] < n:
            self.reach = min(self.reach, n - 1)

    def _place(self, n: int, hash: str) -> Verdict:
        if self.last is None:
            self.start, self.reach, self.head = min(self.rows), n, (n, hash)
        elif self.head and self.head[0] < n <= self.reach:  # nothing was verified there before
            self.head = (n, hash)
        if self.last and n < self.last[0]:
            return "ok" if n < self.start else "late"
        self.last = (n, hash)
        return "gap" if self.has_gap_before(n) else "ok"

    def _advance(self) -> None:
        while self.head and (following := self.rows.get(self.reach + 1)):
            self.reach += 1
            if following.is_verified:
                self.head = (self.reach, following.hash)


def is_taken_back(chain: Chain) -> bool:
    """True if the known message was not among the followed rows: an alarm, once everything was loaded."""
    return chain.known is not None and not chain.is_known_found


def next_link(known: tuple[int, str] | None, rows: Iterable[tuple[int, str]] = ()) -> tuple[int, str]:
    """(n, p) of one's own next message.

    `known`: (n, hash) of one's own highest verified or sent message. `rows`: (n, hash) of one's own rows on the server,
    in any state. The highest counts. Invalid numbers, and those from 2^52 on, are ignored; a lie below that only makes
    a gap or a fork.
    """
    n, hash = known or (0, "")
    for row_n, row_hash in rows:
        if is_integer(row_n, n + 1, LARGEST_ROW - 1) and _matches(HASH, row_hash):
            n, hash = row_n, row_hash
    return n + 1, hash


OrderVerdict = Literal["ok", "crossed", "impossible", "fork"]


@dataclass(frozen=True, slots=True)
class Row:
    """A row for order_verdicts. `side`: the sender. `a`: None if nothing was verified."""

    side: str
    n: int
    hash: str
    a: tuple[int, str] | None


def order_verdicts(rows: Iterable[Row]) -> list[OrderVerdict | None]:
    """Judge the order of both sides' rows, given by rising seq, by their acknowledgments. None where `a` is None.

    "fork": the acknowledged row of the other side has a different hash. "impossible": an acknowledged row comes after
    the message. Both are alarms. "crossed": a message of the other side comes before it, and had not been seen. Runs in
    linear time.
    """
    rows = [*rows]
    names = (*sorted({row.side for row in rows}), "", "")[:2]
    other = {names[0]: names[1], names[1]: names[0]}
    hashes: dict[tuple[str, int], set[str]] = {}
    is_first = []  # a duplicate counts where it is shown first
    for row in rows:
        known = hashes.setdefault((row.side, row.n), set())
        is_first.append(row.hash not in known and is_integer(row.n, 1))
        known.add(row.hash)
    lowest, lowest_after = dict.fromkeys(names, LARGEST_INTEGER + 1), []
    for row, counts in zip(reversed(rows), reversed(is_first), strict=True):
        lowest_after.append(lowest[other[row.side]])
        if counts:
            lowest[row.side] = min(lowest[row.side], row.n)
    highest, verdicts = dict.fromkeys(names, 0), list[OrderVerdict | None]()
    for row, following in zip(rows, reversed(lowest_after), strict=True):
        if row.a is None:
            verdicts.append(None)
            continue
        n, hash = row.a
        found = hashes.get((other[row.side], n), {hash})
        verdicts.append(_order_verdict(hash in found, following <= n, highest[other[row.side]] > n))
        highest[row.side] = max(highest[row.side], row.n)
    return verdicts


def _order_verdict(is_same: bool, is_early: bool, is_crossed: bool) -> OrderVerdict:
    if not is_same:
        return "fork"
    if is_early:
        return "impossible"
    return "crossed" if is_crossed else "ok"


@dataclass(slots=True)
class Side:
    """Order's state of one sender: the highest verified n, the highest n they acknowledged, all hashes."""

    highest: int = 0
    acknowledged: int = 0
    hashes: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Order:
    """Incremental order_verdicts, for rows that are read one by one, by rising seq, and delivered at once.

    A row acknowledged before it is shown is "impossible" once it is shown, even without a message. `sides` can be given
    to continue an earlier run.
    """

    sides: dict[str, Side] = field(default_factory=dict)

    def follow(self, row: Row) -> OrderVerdict | None:
        """Judge the next row, unless it is a duplicate. None for a row without a message, unless it is "impossible"."""
        mine = self.sides.setdefault(row.side, Side())
        other = next((side for name, side in self.sides.items() if name != row.side), Side())
        if not is_integer(row.n, 1):
            return None
        mine.hashes.setdefault(row.n, row.hash)
        is_early = row.n <= other.acknowledged
        if row.a is None:
            return "impossible" if is_early else None
        n, hash = row.a
        mine.highest, mine.acknowledged = max(mine.highest, row.n), max(mine.acknowledged, n)
        return _order_verdict(other.hashes.get(n, hash) == hash, is_early, other.highest > n)


def is_time_off(ts: int, created_at: int) -> bool:
    """True if the signed time and the server's (ms) differ by more than 10 minutes, so that both must be shown."""
    return abs(ts - created_at) > TIME_OFF


# ---- 14  Safety number ----


def safety_number(fp_x: bytes, fp_y: bytes) -> str:
    """60 digits in groups of 5, the same for both people."""
    groups = []
    for fp in in_order(fp_x, fp_y):
        digest = PBKDF2HMAC(hashes.SHA512(), 32, b"ezdms/1 safety", 4096).derive(fp)
        groups += [int.from_bytes(digest[5 * i : 5 * i + 5], "big") % 100_000 for i in range(6)]
    return " ".join(f"{group:05}" for group in groups)


def safety_qr(fp_x: bytes, fp_y: bytes) -> str:
    """The content of the QR code for comparing."""
    return "ezdms1:" + b64u_encode(b"".join(in_order(fp_x, fp_y)))


# ---- 15  Vault ----


def seal_vault(keys: Keys, vault: dict[str, Any]) -> str:
    """Sign the vault and encrypt it to oneself. The caller must increment `vault["version"]`. Raises Refused.

    Invalid JSON (NaN, broken text) is refused: it would replace the only copy, and could not be read.
    """
    if not is_integer(vault.get("version"), 1):
        raise Refused("Expected a vault with a version.")
    body = _compact(vault)
    if len(body) > LARGEST_VAULT:
        raise Refused("The vault is full.")
    size = -(-len(body) // VAULT_STEP) * VAULT_STEP
    return _seal(keys.spki, "ezdms-vault+jwe", _sign(keys, VAULT_HEADER, _pad(body, size)))


def open_vault(keys: Keys, sealed: str) -> dict[str, Any]:
    """Decrypt and verify one's own vault. Raises Refused."""
    try:
        body = _verified(_unseal(keys, "ezdms-vault+jwe", sealed), VAULT_HEADER, keys.ik)
        if len(body) % VAULT_STEP or len(body) > LARGEST_VAULT:
            raise Refused("Expected a vault of a padded size.")
        vault = encoding.parse_json(body)
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    if not is_integer(vault.get("version"), 1):
        raise Refused("Expected a vault with a version.")
    return vault


# ---- 18  Changes ----


def changes_hash(earlier: Iterable[str]) -> str:
    """`e` of an edit or deletion, from the hashes of its sender's earlier changes of the same message, by rising n."""
    joined = ".".join(earlier)
    return b64u_encode(sha256(joined.encode("ascii"))) if joined else ""


# ---- 19  Disappearing ----


def expires_at(x: int, created_at: int, ts: int) -> int | None:
    """When (ms) a message disappears, `x` seconds after it was sent. None for never.

    `created_at` is the server's claim, so `ts`, which the sender signed, limits it to one day later.
    """
    return min(created_at, ts + DAY) + x * 1000 if x else None


# ---- 20  Files ----


class _FileCipher:
    """Where a file is: each chunk has a number, a length that the size determines, and at the end a mark."""

    def __init__(self, key: bytes, size: int) -> None:
        if not is_integer(size, 0, LARGEST_FILE):
            raise Refused(f"Expected a file of at most {LARGEST_FILE} bytes, got {size}.")
        if len(key) != 32:
            raise Refused(f"Expected a key of 32 bytes, got {len(key)}.")
        self._gcm = AESGCM(key)
        self._size, self._padded = size, padded_size(size)
        self._number, self._at = 0, 0  # chunks and padded bytes done
        self._waiting = bytearray()
        self._hash = hashlib.sha256()

    @property
    def is_done(self) -> bool:
        """True after the last chunk."""
        return self._number > 0 and self._at == self._padded

    @property
    def _length(self) -> int:
        """Bytes of the next chunk, without its tag."""
        return min(CHUNK, self._padded - self._at)

    def _take(self, size: int) -> bytes:
        taken = bytes(memoryview(self._waiting)[:size])
        del self._waiting[:size]
        return taken

    def _next_iv(self) -> bytes:
        """The iv of the next chunk, which is counted as done."""
        number, self._at = self._number, self._at + self._length
        self._number += 1
        return number.to_bytes(11, "big") + bytes([self._at == self._padded])


class FileSealer(_FileCipher):
    """Seals one file of `size` bytes, with a new key that never seals anything else. Its memory is that of a chunk.

    Whoever continues an upload sends the sealed bytes that were kept, or starts over with another FileSealer.
    """

    def __init__(self, size: int, *, key: bytes | None = None) -> None:
        """`key` is only for vectors. Raises Refused for a file that is too large."""
        self.key = key or secrets.token_bytes(32)
        super().__init__(self.key, size)

    def feed(self, plain: bytes) -> Iterator[bytes]:
        """Take the next bytes of the file; yields each chunk sealed. Raises Refused if they are more than `size`."""
        self._size -= len(plain)
        if self._size < 0:
            raise Refused("The file has grown while it was encrypted.")
        self._waiting += plain
        yield from self._sealed()

    def finish(self) -> Iterator[bytes]:
        """Pad, and yield the last chunks. Raises Refused if bytes are missing."""
        if self._size:
            raise Refused("The file has shrunk while it was encrypted.")
        self._waiting += bytes(self._padded - self._at - len(self._waiting))
        yield from self._sealed()

    @property
    def hash(self) -> str:
        """SHA-256 of the sealed bytes so far, b64u."""
        return b64u_encode(self._hash.digest())

    def _sealed(self) -> Iterator[bytes]:
        while not self.is_done and len(self._waiting) >= self._length:
            plain = self._take(self._length)
            sealed = self._gcm.encrypt(self._next_iv(), plain, None)
            self._hash.update(sealed)
            yield sealed


class FileOpener(_FileCipher):
    """Opens a sealed file. What it yields must not be used as a file before finish() has returned."""

    def __init__(self, key: bytes, size: int, hash: str) -> None:
        """`size` and `hash` (of the sealed bytes, b64u) are what the message says. Raises Refused."""
        super().__init__(key, size)
        self._expected = hash

    def feed(self, sealed: bytes) -> Iterator[bytes]:
        """Take the next sealed bytes; yields what is open. Raises Refused for anything that was not sealed so."""
        self._hash.update(sealed)
        self._waiting += sealed
        while not self.is_done and len(self._waiting) >= self._length + TAG:
            start, chunk = self._at, self._take(self._length + TAG)
            try:
                plain = self._gcm.decrypt(self._next_iv(), chunk, None)
            except InvalidTag as error:
                raise Refused("This file is damaged.") from error
            whole = max(0, min(self._size - start, len(plain)))
            if plain.count(0, whole) != len(plain) - whole:
                raise Refused("This file has something in its padding.")
            yield plain[:whole]
        if self.is_done and self._waiting:
            raise Refused("This file goes on after its end.")

    def finish(self) -> None:
        """Raises Refused unless the file was whole, and is the one that the message means."""
        if not self.is_done or self._waiting:
            raise Refused("This file is not complete.")
        if b64u_encode(self._hash.digest()) != self._expected:
            raise Refused("This is not the file that was sent.")


def describe_file(
    *, id: str, key: bytes, size: int, hash: str, name: str, type: str = "", thumb: bytes = b"", w: int = 0, h: int = 0
) -> str:
    """The content of a message of kind "file". `id` is from the server. Raises Refused for what read_file refuses."""
    members: dict[str, Any] = {"id": id, "key": b64u_encode(key), "size": size, "hash": hash, "name": name}
    text = _compact(members | {"type": type, "thumb": b64u_encode(thumb), "w": w, "h": h}).decode()
    read_file(text)
    return text


# ---- 21  Signals ----

SIGNALS = ("typing", "delivered", "read")


@dataclass(frozen=True, slots=True)
class Signal:
    """A verified signal. `m` is (n, hash) of the reader's own message that was delivered or read; typing has (0, "").

    `ts` (ms) is the sender's clock. The caller must compare both with what it knows (is_typing_now, is_receipt).
    """

    kind: str
    m: tuple[int, str]
    ts: int


def _read_signal(padded: bytes) -> tuple[tuple[Any, ...], Signal]:
    """((c, f, t), the signal). Raises Refused. Unknown members are ignored, as in a message."""
    if len(padded) != SIGNAL_SIZE:
        raise Refused("Expected a signal of the padded size.")
    try:
        members = encoding.parse_canonical(padded.rstrip(b" "))
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    kind, m, ts = members.get("k"), members.get("m"), members.get("ts")
    if not is_integer(members.get("v"), 1, 1) or kind not in SIGNALS or not is_integer(ts, 0, LATEST_TIME):
        raise Refused("Expected a signal of version 1 with a kind and a time.")
    if not isinstance(m, list) or len(m) != 2 or not is_integer(m[0], 0) or not _is_link(m[0], m[1]):
        raise Refused("Expected the number and the hash of a message in the signal.")
    if (kind == "typing") != (m[0] == 0):
        raise Refused("Expected a signal about a message, or about typing.")
    signal = Signal(str(kind), (m[0], m[1]), int(ts or 0))
    return tuple(members.get(name) for name in ("c", "f", "t")), signal


def seal_signal(keys: Keys, peer_ik: bytes, peer_spki: bytes, *, kind: str, m: tuple[int, str], ts: int) -> str:
    """Sign a signal, and encrypt it for the peer alone. Raises Refused for anything that a receiver would refuse."""
    peer_fp = fingerprint(peer_ik)
    members = {
        "v": 1,
        "c": conversation_id(keys.fp, peer_fp),
        "f": b64u_encode(keys.fp),
        "t": b64u_encode(peer_fp),
        "k": kind,
        "m": list(m),
        "ts": ts,
    }
    body = _pad(_compact(members), SIGNAL_SIZE)
    _read_signal(body)
    try:
        envelope.check_encryption_key(peer_spki)
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    return _seal(peer_spki, SIGNAL_TYP, _sign(keys, SIGNAL_HEADER, body))


def open_signal(keys: Keys, sender_ik: bytes, sealed: str, slot: str) -> Signal:
    """Decrypt and verify a signal of the contact with the pinned key `sender_ik`. Raises Refused; show nothing then.

    `slot` is what the server calls it: "delivered", "read", or "" for typing, which it must not store.
    """
    try:
        body = _verified(_unseal(keys, SIGNAL_TYP, sealed), SIGNAL_HEADER, sender_ik)
    except SignatureError as error:
        raise Forged(str(error)) from error
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    place, signal = _read_signal(body)
    sender = fingerprint(sender_ik)
    if place != (conversation_id(keys.fp, sender), b64u_encode(sender), b64u_encode(keys.fp)):
        raise Refused("This signal belongs to another conversation.")
    if slot != ("" if signal.kind == "typing" else signal.kind):
        raise Refused("The server's description of this signal is wrong.")
    return signal


def is_typing_now(signal: Signal, last_ts: int, now: int) -> bool:
    """True for a new signal that the sender is typing. `last_ts`: that of the last one taken from them, or 0."""
    return signal.kind == "typing" and signal.ts > last_ts and abs(now - signal.ts) <= TIME_OFF


def is_receipt(signal: Signal, told: int, own_hash: str | None) -> bool:
    """True for a receipt that says something true. `told`: the highest n that this kind said before, or 0.

    `own_hash`: the hash of one's own message with that number, or None if there is none.
    """
    n, hash = signal.m
    return signal.kind != "typing" and n >= told and hash == own_hash


# ---- 22  Marks ----


def sign_mark(keys: Keys, conversation_id: str, message_id: str, hash: str) -> str:
    """Sign that the user removed a message from their own sight alone. Raises Refused for a malformed id or hash."""
    if not _matches(ID, message_id) or not _matches(HASH, hash):
        raise Refused("Expected the id and the hash of a message.")
    members = {"v": 1, "c": conversation_id, "f": b64u_encode(keys.fp), "id": message_id, "hash": hash}
    return _sign(keys, MARK_HEADER, _compact(members))


def verify_mark(jws: str, ik: bytes, conversation_id: str, message_id: str, hash: str) -> None:
    """Check that this is one's own mark for this row. Raises Refused."""
    try:
        envelope.check_mark(jws, ik=ik, conversation_id=conversation_id, message_id=message_id, hash=hash)
    except EnvelopeError as error:
        raise Refused(str(error)) from error


# ---- 23  Acts ----


def sign_act(keys: Keys, deployment_id: bytes, act: str, purpose: str, ts: int) -> str:
    """Sign an act, which proves that the user wants to delete the account, change the PIN or replace the Search PIN.

    `act` is "delete_account" (`purpose` ""), "change_pin" (change_pin_purpose of the request) or "search_pin" (the new
    salt, b64u). `ts` is the client's clock (ms), never the server's. Raises Refused for a deployment id that is not 16
    bytes.
    """
    if len(deployment_id) != 16:
        raise Refused(f"Expected a deployment id of 16 bytes, got {len(deployment_id)}.")
    members = {"v": 1, "d": b64u_encode(deployment_id), "act": act, "for": purpose, "ts": ts}
    return _sign(keys, ACT_HEADER, _compact(members))


__all__ = [
    "Alarm",
    "Body",
    "Chain",
    "FileOpener",
    "FileSealer",
    "Forged",
    "Keys",
    "Link",
    "LoginKeys",
    "Message",
    "Order",
    "OrderVerdict",
    "Pin",
    "PinError",
    "ProtocolError",
    "Refused",
    "Row",
    "SealedMessage",
    "Side",
    "Signal",
    "Statement",
    "Unsupported",
    "Verdict",
    "WrappedKeys",
    "b64u_decode",
    "b64u_encode",
    "change_pin_purpose",
    "changes_hash",
    "check_succession",
    "check_text",
    "clean_text",
    "conversation_id",
    "describe_file",
    "expires_at",
    "fingerprint",
    "generate_keys",
    "in_order",
    "is_receipt",
    "is_taken_back",
    "is_time_off",
    "is_typing_now",
    "key_id",
    "login_keys",
    "message_hash",
    "new_login_pin",
    "new_search_salt",
    "next_link",
    "normalise_login_pin",
    "normalise_search_pin",
    "open_message",
    "open_signal",
    "open_vault",
    "order_verdicts",
    "padded_size",
    "pin_of",
    "read_body",
    "read_file",
    "safety_number",
    "safety_qr",
    "seal_message",
    "seal_signal",
    "seal_vault",
    "sealed_size",
    "search_pin",
    "search_pin_commits",
    "show_login_pin",
    "sign_act",
    "sign_mark",
    "sign_statement",
    "unwrap_keys",
    "verify_mark",
    "verify_statement",
    "wrap_keys",
]
