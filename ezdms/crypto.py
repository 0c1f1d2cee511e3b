"""The client side of docs/protocol.md in Python, pure functions. THE SERVER NEVER IMPORTS THIS (a test proves it).

Twin of static/js/crypto.js: same names, same order, same vectors. What is public comes from envelope.py.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from ezdms import encoding, envelope
from ezdms.encoding import (
    EnvelopeError,
    b64u_decode,
    b64u_encode,
    crockford_encode,
    in_groups,
    is_integer,
    label,
    sha256,
)
from ezdms.envelope import (
    BUCKETS,
    LOGIN_PIN_LENGTH,
    MAX_TEXT,
    MESSAGE_HEADER,
    SEARCH_PIN_LENGTH,
    STATEMENT_HEADER,
    WRAP_ITER_MAX,
    WRAP_ITER_MIN,
    PinError,
    SignatureError,
    Statement,
    conversation_id,
    envelope_header,
    fingerprint,
    in_order,
    key_id,
    normalise_search_pin,
    parse_statement,
    search_pin,
)


class ProtocolError(Exception):
    """Something that came from outside does not hold; the sentence can be shown, it holds no secret.

    ProtocolError
    ├── Refused        must not be shown: damaged, for somebody else
    │   └── Forged     signed by another key than the one pinned
    ├── Unsupported    made by a newer version
    └── Alarm          a contact's keys changed, went back or split: stop
    """


class Refused(ProtocolError):
    """A message, key or vault that must not be used."""


class Forged(Refused):
    """A message in somebody's name that their key did not sign."""


class Unsupported(ProtocolError):
    """Unknown suite, version or kind: needs a newer version. It counts as present.

    `p` is what Chain.follow needs to keep it in the chain: the link of a message that was opened and verified, None
    where it could not be read.
    """

    def __init__(self, p: str | None = None) -> None:
        super().__init__("This message needs a newer version of EZ-DMS.")
        self.p = p


class Alarm(ProtocolError):
    """A contact's key statement contradicts what is known of them."""


# ---- 2  Constants ----

LOGIN_ITER = 600_000
WRAP_ITER = WRAP_ITER_MIN
VAULT_HEADER = b'{"alg":"Ed25519","typ":"ezdms-vault+jws"}'
VAULT_STEP = 4096  # bytes
VAULT_MOST = 256 * 1024  # bytes
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


# ---- 3  Login PIN ----


def new_login_pin() -> str:
    """16 characters over 80 random bits, without dashes."""
    return crockford_encode(secrets.token_bytes(10))


def show_login_pin(pin: str) -> str:
    """XXXX-XXXX-XXXX-XXXX."""
    return in_groups(pin, 4)


def normalise_login_pin(typed: str) -> str:
    """The 16 characters that a person meant; raises PinError with a sentence that helps."""
    pin = envelope.fold_pin(typed)
    if len(pin) == SEARCH_PIN_LENGTH and envelope.is_in_alphabet(pin):
        raise PinError("This looks like a Search PIN. To log in, enter your Login PIN, which is shorter.")
    if len(pin) != LOGIN_PIN_LENGTH:
        raise PinError(f"A Login PIN has {LOGIN_PIN_LENGTH} letters and digits; this has {len(pin)}.")
    if not envelope.is_in_alphabet(pin):
        raise PinError("A Login PIN has only digits and letters without U.")
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
    """Derive from the normalised PIN (RFC 8018 and 5869). The number of rounds is never taken from a server.

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
    """One's private keys. `ik` is 32 bytes, `spki` 294, `fp` 32."""

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
    """Private keys locked under a PIN, as the server keeps them: b64u, but for the number of rounds."""

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
    """With few rounds whoever has the database could guess the PIN; with very many a login would never end."""
    if not is_integer(iterations, WRAP_ITER_MIN, WRAP_ITER_MAX):
        raise Refused(f"Expected {WRAP_ITER_MIN} to {WRAP_ITER_MAX} rounds for the keys.")


def wrap_keys(pin: str, keys: Keys, iterations: int = WRAP_ITER) -> WrappedKeys:
    """Lock both private keys under the PIN with a new salt. Raises Refused for rounds that no client accepts."""
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
    """Unlock, and make sure that the private keys belong to these public ones. Raises Refused."""
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
        raise Refused("The keys from the server do not open with this Login PIN.") from error
    if not isinstance(identity, Ed25519PrivateKey) or not isinstance(encryption, rsa.RSAPrivateKey):
        raise Refused("Expected an Ed25519 and an RSA key.")
    keys = Keys(identity, encryption)
    if keys.ik != ik or keys.spki != spki:
        raise Refused("The private keys from the server do not belong to the public ones.")
    return keys


# ---- 7  Key statement; 11  Signature ----


def _compact(members: dict[str, Any]) -> bytes:
    """JSON as it is signed: UTF-8, no white space, nothing escaped that need not be. Raises Refused."""
    try:
        return json.dumps(members, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused("Expected plain JSON and well-formed text.") from error


def _sign(keys: Keys, header: bytes, body: bytes) -> str:
    signed = f"{b64u_encode(header)}.{b64u_encode(body)}"
    return f"{signed}.{b64u_encode(keys.identity.sign(signed.encode()))}"


def _verified(jws: str, header: bytes, ik: bytes) -> bytes:
    """The signed bytes as received. The header is compared as a string: nothing in it is believed."""
    parts = jws.split(".")
    if len(parts) != 3 or parts[0] != b64u_encode(header):
        raise Refused("Expected a signature of another kind.")
    body, signature = b64u_decode(parts[1]), b64u_decode(parts[2], 64)
    envelope.verify_signature(ik, f"{parts[0]}.{parts[1]}".encode(), signature)
    return body


def sign_statement(keys: Keys, name: str, seq: int, ts: int) -> str:
    """What one's identity says of its keys, as compact JWS (RFC 7515, 8037)."""
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
    """parse_statement, as a client sees it. Raises Refused."""
    try:
        return parse_statement(jws)
    except EnvelopeError as error:
        raise Refused(str(error)) from error


@dataclass(frozen=True, slots=True)
class Pin:
    """What is remembered of a contact's statement: `ik` and `hash` (of the JWS) in b64u, and the best suite."""

    ik: str
    seq: int
    hash: str
    suite: int


def pin_of(jws: str) -> Pin:
    """Enough of a statement to know the key again, and to notice a step back. Raises Refused."""
    statement = verify_statement(jws)
    return Pin(b64u_encode(statement.ik), statement.seq, message_hash(jws), max(statement.suites))


def check_succession(known: Pin, following: Pin) -> None:
    """A contact's statement may only move forward. Raises Alarm."""
    if known.ik != following.ik:
        raise Alarm("The server shows another key for this person than before.")
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


def check_text(text: str) -> None:
    """Raises Refused unless it is 1 to 500 well-formed code points, no C0 control but newline and tab."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Refused("This text holds broken characters.")
    if not text:
        raise Refused("Write something first.")
    if len(text) > MAX_TEXT:
        raise Refused(f"A message has at most {MAX_TEXT} characters; this has {len(text)}.")
    if re.search(r"[\x00-\x08\x0b-\x1f]", text):
        raise Refused("This text holds control characters.")


def _pad(body: bytes, size: int) -> bytes:
    return body.ljust(size, b" ")


# ---- 12  Envelope, suite 1 ----


def _seal(spki: bytes, typ: str, text: str) -> str:
    """JWE compact (RFC 7516): a fresh content key and iv for each reader."""
    public = serialization.load_der_public_key(spki)
    if not isinstance(public, rsa.RSAPublicKey):
        raise Refused("Expected an RSA encryption key.")
    header = envelope_header(key_id(spki), typ)
    content_key, iv = secrets.token_bytes(32), secrets.token_bytes(12)
    sealed = AESGCM(content_key).encrypt(iv, text.encode("ascii"), header.encode())
    wrapped = public.encrypt(content_key, OAEP)
    return ".".join([header, *map(b64u_encode, (wrapped, iv, sealed[:-16], sealed[-16:]))])


def _unseal(keys: Keys, typ: str, jwe: str) -> str:
    parts = jwe.split(".") if isinstance(jwe, str) else []  # a server's JSON can say anything
    if len(parts) != 5 or parts[0] != envelope_header(key_id(keys.spki), typ):
        raise Refused("Expected an envelope for one's own key.")
    wrapped, iv = b64u_decode(parts[1], 256), b64u_decode(parts[2], 12)
    text, tag = b64u_decode(parts[3]), b64u_decode(parts[4], 16)
    try:
        content_key = keys.encryption.decrypt(wrapped, OAEP)
        if len(content_key) != 32:
            raise Refused("Expected a content key of 32 bytes.")
        return AESGCM(content_key).decrypt(iv, text + tag, parts[0].encode()).decode("ascii")
    except (InvalidTag, ValueError) as error:
        raise Refused("The envelope does not open.") from error


@dataclass(frozen=True, slots=True)
class SealedMessage:
    """A message ready to be handed over: participant a is the one with the lower fingerprint."""

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
) -> SealedMessage:
    """Sign and seal a text for the peer and for oneself. What no one could open is never sealed.

    `p` is the hash of one's previous message ("" for n = 1), `a` (n, hash) of the highest message of theirs received
    without a gap, or (0, ""), `message_id` 16 bytes. Raises Refused for a text that is no message, and for a key,
    number or link that a receiver would refuse.
    """
    message_id = secrets.token_bytes(16) if message_id is None else message_id
    if len(message_id) != 16:
        raise Refused(f"Expected a message id of 16 bytes, got {len(message_id)}.")
    if kind == "text":
        check_text(text)
    elif kind == "delete" and not DELETION.fullmatch(text):
        raise Refused("Expected the id and the hash of the message to delete.")
    peer_fp = fingerprint(peer_ik)
    name = b64u_encode(message_id)
    body = _compact(
        {
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
    )
    padded = _pad(body, next((size for size in BUCKETS if size >= len(body)), 0))
    try:
        envelope.check_identity_key(peer_ik)
        envelope.check_encryption_key(peer_spki)
        _read_body(padded)
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    jws = _sign(keys, MESSAGE_HEADER, padded)
    mine, theirs = (_seal(spki, "ezdms-msg+jwe", jws) for spki in (keys.spki, peer_spki))
    for_a, for_b = (mine, theirs) if in_order(keys.fp, peer_fp)[0] == keys.fp else (theirs, mine)
    return SealedMessage(name, n, message_hash(jws), 1, jws, for_a, for_b)


def message_hash(jws: str) -> str:
    """b64u of the SHA-256 of a signed message: what the next one links to."""
    return b64u_encode(sha256(jws.encode("ascii")))


# ---- 13  Receiving ----

HASH = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
DELETION = re.compile(r"[A-Za-z0-9_-]{22} [A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Message:
    """An opened message: counter, hash of the one before, acknowledgement, time (ms), lifetime (s), kind and text."""

    id: str
    n: int
    p: str
    a: tuple[int, str]
    ts: int
    x: int
    kind: str
    text: str = field(repr=False)


def _read_body(octets: bytes) -> dict[str, Any]:
    if len(octets) not in BUCKETS:
        raise Refused("Expected a message of one of the padded sizes.")
    body = encoding.parse_json(octets)
    if not is_integer(body.get("v"), 1, 1):
        raise Unsupported
    numbers = is_integer(body.get("n"), 1) and is_integer(body.get("ts"), 0) and is_integer(body.get("x"), 0)
    if not numbers or not all(isinstance(body.get(member), str) for member in ["c", "f", "t", "id", "p", "k", "b"]):
        raise Refused("Expected a message body of version 1.")
    a = body.get("a")
    if not isinstance(a, list) or len(a) != 2 or not is_integer(a[0], 0) or not isinstance(a[1], str):
        raise Refused("Expected an acknowledgement in the message body.")
    if not _is_link(body["n"] - 1, body["p"]) or not _is_link(a[0], a[1]):
        raise Refused("Expected the hash of a message in the message body.")
    return body


def _is_link(n: int, digest: str) -> bool:
    """ "" stands for no message (n = 0), anything else is named by its hash."""
    return HASH.fullmatch(digest) is not None if n else digest == ""


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
    """Open one's copy, with every check in the order of the protocol. `sender_ik` is the pinned key, or one's own.

    Raises Refused (Forged if somebody else signed it) or Unsupported.
    """
    if suite != 1:
        raise Unsupported
    try:
        jws = _unseal(keys, "ezdms-msg+jwe", sealed)
        body = _read_body(_verified(jws, MESSAGE_HEADER, sender_ik))
    except SignatureError as error:
        raise Forged(str(error)) from error
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    sender, recipient = fingerprint(sender_ik), fingerprint(recipient_ik)
    expected = (conversation_id(sender, recipient), b64u_encode(sender), b64u_encode(recipient))
    if (body["c"], body["f"], body["t"]) != expected:
        raise Refused("This message belongs to another conversation.")
    if (body["id"], body["n"], message_hash(jws)) != (message_id, n, hash):
        raise Refused("The server describes this message wrongly.")
    if body["k"] == "text":
        check_text(body["b"])
    elif body["k"] != "delete" or not DELETION.fullmatch(body["b"]):
        raise Unsupported(body["p"])
    a = (body["a"][0], body["a"][1])
    return Message(body["id"], body["n"], body["p"], a, body["ts"], body["x"], body["k"], body["b"])


Verdict = Literal["ok", "duplicate", "gap", "late", "fork"]


@dataclass(slots=True)
class Chain:
    """One sender's messages by n.

    `start` is the first one seen. A missing beginning is normal (paging, expiry), so what lies below it is an older
    page and not late. `head` is (n, hash) of the highest received without a gap from there. `known` is (n, hash) of the
    highest one that was seen on another day, by this or another device. A fork changes nothing: what was seen first
    stays, and which side is the true one, people decide.
    """

    known: tuple[int, str] | None = None
    links: dict[int, tuple[str, str | None]] = field(default_factory=dict)  # n → (hash, p)
    start: int = 0
    top: int = 0
    head: tuple[int, str] | None = None

    @classmethod
    def resume(cls, last: tuple[int, str] | None, known: tuple[int, str] | None = None) -> Chain:
        """A chain that goes on after `last`, the last message that was received without a gap."""
        if last is None:
            return cls(known)
        n, hash = last
        return cls(known, {n: (hash, None)}, start=n, top=n, head=last)

    def follow(self, *, n: int, hash: str, p: str | None) -> Verdict:
        """Judge the next message as it arrives, and remember it.

        `p` is None where only the row's hash is left (deleted, expired) or can be read (a newer suite): it counts as
        present, and the message after it still has to name its hash.
        """
        if n in self.links:
            return "duplicate" if self.links[n][0] == hash else "fork"
        before, behind = self.links.get(n - 1), self.links.get(n + 1)
        if (before and p not in (before[0], None)) or (behind and behind[1] not in (hash, None)):
            return "fork"
        if self.known is not None:
            known_n, known_hash = self.known
            if (n == known_n and hash != known_hash) or (n == known_n + 1 and p not in (known_hash, None)):
                return "fork"
        self.links[n] = (hash, p)
        self.start = self.start or n
        self.head = self.head or (n, hash)
        while (following := self.links.get(self.head[0] + 1)) is not None:
            self.head = (self.head[0] + 1, following[0])
        top, self.top = self.top, max(self.top, n)
        if n > top:
            return "ok" if n == top + 1 or n == self.start else "gap"
        return "ok" if n < self.start else "late"


# ---- 14  Safety number ----


def safety_number(fp_x: bytes, fp_y: bytes) -> str:
    """60 digits in groups of 5, the same on both sides."""
    groups = []
    for fp in in_order(fp_x, fp_y):
        digest = PBKDF2HMAC(hashes.SHA512(), 32, b"ezdms/1 safety", 4096).derive(fp)
        groups += [int.from_bytes(digest[5 * i : 5 * i + 5], "big") % 100_000 for i in range(6)]
    return " ".join(f"{group:05}" for group in groups)


def safety_qr(fp_x: bytes, fp_y: bytes) -> str:
    """What the QR code for comparing holds."""
    return "ezdms1:" + b64u_encode(b"".join(in_order(fp_x, fp_y)))


# ---- 15  Vault ----


def seal_vault(keys: Keys, vault: dict[str, Any]) -> str:
    """Sign and seal what must survive a new browser to oneself; `vault["version"]` rises. Raises Refused.

    What is no JSON (NaN, broken text) is never sealed: it would replace the one copy there is, and not open.
    """
    if not is_integer(vault.get("version"), 1):
        raise Refused("Expected a vault with a version.")
    body = _compact(vault)
    if len(body) > VAULT_MOST:
        raise Refused("There is more to keep than the vault holds.")
    size = -(-len(body) // VAULT_STEP) * VAULT_STEP
    return _seal(keys.spki, "ezdms-vault+jwe", _sign(keys, VAULT_HEADER, _pad(body, size)))


def open_vault(keys: Keys, sealed: str) -> dict[str, Any]:
    """Open one's own vault. Raises Refused."""
    try:
        body = _verified(_unseal(keys, "ezdms-vault+jwe", sealed), VAULT_HEADER, keys.ik)
        if len(body) % VAULT_STEP or len(body) > VAULT_MOST:
            raise Refused("Expected a vault of a padded size.")
        vault = encoding.parse_json(body)
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    if not is_integer(vault.get("version"), 1):
        raise Refused("Expected a vault with a version.")
    return vault


__all__ = [
    "Alarm",
    "Chain",
    "Forged",
    "Keys",
    "LoginKeys",
    "Message",
    "Pin",
    "PinError",
    "ProtocolError",
    "Refused",
    "SealedMessage",
    "Statement",
    "Unsupported",
    "WrappedKeys",
    "b64u_decode",
    "b64u_encode",
    "check_succession",
    "check_text",
    "conversation_id",
    "fingerprint",
    "generate_keys",
    "in_order",
    "key_id",
    "login_keys",
    "message_hash",
    "new_login_pin",
    "new_search_salt",
    "normalise_login_pin",
    "normalise_search_pin",
    "open_message",
    "open_vault",
    "pin_of",
    "safety_number",
    "safety_qr",
    "seal_message",
    "seal_vault",
    "search_pin",
    "search_pin_commits",
    "show_login_pin",
    "sign_statement",
    "unwrap_keys",
    "verify_statement",
    "wrap_keys",
]
