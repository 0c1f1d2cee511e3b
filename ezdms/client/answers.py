"""Strict parsers of the server's responses (docs/http.md). The server is the adversary: nothing it sends is used,
stored or shown before it is validated here.

Each reader takes parsed JSON and returns a frozen dataclass, or raises BadAnswer. Unknown members are ignored: they are
for newer clients. What a client knows itself (its name, its Search PIN) is not read at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ezdms.client.errors import BadAnswer
from ezdms.client.live import Frame
from ezdms.client.members import Members, read_list
from ezdms.protocol.encoding import ALPHABET, LARGEST_INTEGER
from ezdms.protocol.envelope import LARGEST_STATEMENT

LATEST = 253_402_300_799_999  # ms: the end of the year 9999
LONGEST_LIFE = 31_536_000  # seconds: a year
LARGEST_SEALED = 64 * 1024  # characters of one sealed copy of a message
LARGEST_VAULT = 4 * 1024 * 1024  # characters of a sealed vault
LARGEST_KEY = 4096  # characters of a wrapped private key
RECOVERY_CODES = 10
RECOVERY_CODE = re.compile(rf"[{ALPHABET}]{{5}}-[{ALPHABET}]{{5}}")
SECRET = re.compile(r"[A-Z2-7]{32}")  # of two-step login


@dataclass(frozen=True, slots=True)
class Deployment:
    """GET /deployment."""

    deployment_id: str


@dataclass(frozen=True, slots=True)
class Registered:
    """POST /register: what the client did not know before."""

    user_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """POST /login. `search_salt` is "" if the server does not send it."""

    user_id: str
    token: str = field(repr=False)
    salt: str
    iterations: int
    wrapped_sig: str = field(repr=False)
    wrapped_enc: str = field(repr=False)
    statement: str
    search_salt: str


@dataclass(frozen=True, slots=True)
class Found:
    """POST /start_conversation."""

    conversation_id: str
    statement: str
    search_salt: str


@dataclass(frozen=True, slots=True)
class Line:
    """One of GET /conversations. `statement` is "" if the partner deleted the account. What the server says of
    requests and blocks is not read: the vault knows."""

    conversation_id: str
    partner_id: str
    statement: str
    last_seq: int
    unread: int
    found_by: str = ""
    pin_created_at: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One of GET /messages. `gone` says why `encrypted` is None; it is not authenticated.

    A row is `is_malformed` if only `seq` and `message_id` are valid: it keeps its place in the page, and nothing else
    in it is used.
    """

    seq: int
    message_id: str
    created_at: int = 0
    sender_id: str = ""
    suite: int = 0
    n: int = 0
    hash: str = ""
    encrypted: str | None = field(default=None, repr=False)
    expires_in: int = 0
    replaces: str | None = None
    file: str | None = None
    gone: str | None = None
    mark: str | None = field(default=None, repr=False)
    is_malformed: bool = False


@dataclass(frozen=True, slots=True)
class StoredVault:
    """GET /vault: version 0 and an empty blob if none is stored yet."""

    version: int
    blob: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """POST /send_message."""

    message_id: str
    seq: int
    created_at: int


# ---- Readers of whole responses ----


def read_deployment(answer: Any) -> Deployment:
    """Raises BadAnswer, like all readers below."""
    return Deployment(Members(answer).octets("deployment_id", 16))


def knows_changes(answer: Any) -> bool:
    """Whether GET /deployment is from a server that does what edits, deletions and timers say. Older ones store them
    like texts, and nobody can read them then."""
    return Members(answer).has("retention")  # since the same version


def read_retention(answer: Any) -> int:
    """The days after which the host removes messages; 0 for never, also if the server does not say."""
    members = Members(answer)
    return members.number("retention", 0, LATEST) if members.has("retention") else 0


def read_registered(answer: Any) -> Registered:
    """The new account."""
    members = Members(answer)
    return Registered(members.octets("user_id", 16), members.octets("token", 32))


def read_logged_in(answer: Any) -> LoggedIn:
    """The session, and the wrapped private keys."""
    members = Members(answer)
    return LoggedIn(
        user_id=members.octets("user_id", 16),
        token=members.octets("token", 32),
        salt=members.octets("salt", 16),
        iterations=members.number("iterations", 1),
        wrapped_sig=members.sealed("wrapped_sig", LARGEST_KEY),
        wrapped_enc=members.sealed("wrapped_enc", LARGEST_KEY),
        statement=members.sealed("statement", LARGEST_STATEMENT),
        search_salt=members.octets("search_salt", 16) if members.has("search_salt") else "",
    )


def read_is_on(answer: Any) -> bool:
    """Whether two-step login is on, as the server says."""
    return Members(answer).flag("is_on")


def read_secret(answer: Any) -> str:
    """A new secret for an app (base32)."""
    return Members(answer).matching("secret", SECRET)


def read_recovery_codes(answer: Any) -> list[str]:
    """Ten recovery codes, in two groups each."""
    codes = read_list(answer.get("recovery_codes") if isinstance(answer, dict) else None)
    if len(codes) != RECOVERY_CODES or not all(
        isinstance(code, str) and RECOVERY_CODE.fullmatch(code) for code in codes
    ):
        raise BadAnswer("The server's response has no valid recovery_codes.")
    return codes


def read_found(answer: Any) -> Found:
    """The owner of a Search PIN, according to the server."""
    members = Members(answer)
    return Found(
        members.conversation(),
        members.sealed("partner_statement", LARGEST_STATEMENT),
        members.octets("partner_search_salt", 16),
    )


def read_lines(answer: Any) -> tuple[list[Line], int]:
    """The conversations without duplicates, and the number of malformed or duplicate lines."""
    lines: dict[str, Line] = {}
    given = read_list(answer)
    for one in given:
        try:
            line = _read_line(Members(one))
        except BadAnswer:
            continue
        lines.setdefault(line.conversation_id, line)
    return list(lines.values()), len(given) - len(lines)


def _read_line(members: Members) -> Line:
    return Line(
        conversation_id=members.conversation(),
        partner_id=members.octets("partner_id", 16),
        statement=members.sealed("partner_statement", LARGEST_STATEMENT),
        last_seq=members.number("last_seq", 0),
        unread=max(0, members.number("unread", -LARGEST_INTEGER)),
        found_by=members.word("found_by") if members.says("found_by") else "",
        pin_created_at=members.number("pin_created_at", 0, LATEST) if members.has("pin_created_at") else None,
    )


def read_page(answer: Any, *, limit: int, after: int = 0, before: int = LARGEST_INTEGER + 1) -> list[Row]:
    """Messages by rising seq between `after` and `before`, at most `limit`, so that reading page after page always
    ends."""
    rows = [_read_row(Members(one)) for one in read_list(answer)]
    if len(rows) > limit:
        raise BadAnswer("The server sent more messages than requested.")
    seqs = [after, *(row.seq for row in rows), before]
    if any(following <= seq for seq, following in pairwise(seqs)):
        raise BadAnswer("The server sent messages that were not requested, or out of order.")
    return rows


def _read_row(members: Members) -> Row:
    seq, message_id = members.number("seq", 1), members.octets("message_id", 16)
    try:
        return Row(
            seq=seq,
            message_id=message_id,
            created_at=members.number("created_at", 0, LATEST),
            sender_id=members.octets("sender_id", 16),
            suite=members.number("suite", 1),
            n=members.number("n", 1),
            hash=members.octets("hash", 32),
            encrypted=members.sealed("encrypted", LARGEST_SEALED) if members.has("encrypted") else None,
            expires_in=members.number("expires_in", 0, LONGEST_LIFE) if members.has("expires_in") else 0,
            replaces=members.octets("replaces", 16) if members.has("replaces") else None,
            file=members.octets("file", 16) if members.has("file") else None,
            gone=members.word("gone") if members.has("gone") else None,
            mark=members.sealed("mark", LARGEST_SEALED) if members.has("mark") else None,
        )
    except BadAnswer:
        return Row(seq, message_id, is_malformed=True)


def read_vault(answer: Any) -> StoredVault:
    """The stored vault, not decrypted yet."""
    members = Members(answer)
    return StoredVault(members.number("version", 0), members.sealed("blob", LARGEST_VAULT))


def read_signals(answer: Any, where: str) -> list[Frame]:
    """The receipts of the other person in a conversation, not opened yet."""
    given = [Members(one) for one in read_list(answer)]
    return [Frame(where, members.word("slot"), members.sealed("sealed", LARGEST_SEALED)) for members in given]


def read_sent(answer: Any) -> Sent:
    """The server's confirmation of a message."""
    members = Members(answer)
    return Sent(members.octets("message_id", 16), members.number("seq", 1), members.number("created_at", 0, LATEST))
