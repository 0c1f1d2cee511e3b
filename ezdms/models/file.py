"""A file: where its sealed bytes are, who uploads it, and the message that it belongs to. Not its name or key."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from ezdms.db import Connection, fetch_all, fetch_one, keeps_sessions, now
from ezdms.models.conversation import select_pair
from ezdms.models.usage import give_back_files, take_room_for_file

MOST_UNSENT = 100  # uploads of one account that no message has named yet
SLICE = 100  # files


class File(NamedTuple):
    """An upload. `name`: on the disk. `size`: declared bytes."""

    name: str
    size: int
    is_whole: bool


class Refusal(Enum):
    """Why no upload can begin."""

    NO_CONVERSATION = "not a participant"
    LEFT = "the other deleted the account"
    QUOTA = "no room, or too many unsent uploads"


@keeps_sessions
def insert_file(
    connection: Connection,
    *,
    file_id: str,
    name: str,
    conversation_id: str,
    user_id: str,
    size: int,
    quota: int | None,
) -> Refusal | None:
    """Begin an upload of `size` bytes, which count at once. None if all is well."""
    pair = select_pair(connection, conversation_id=conversation_id, user_id=user_id)
    if pair is None:
        return Refusal.NO_CONVERSATION
    if pair.a.has_left or pair.b.has_left:
        return Refusal.LEFT
    if _count_unsent(connection, user_id=user_id) >= MOST_UNSENT:
        return Refusal.QUOTA
    if not take_room_for_file(connection, user_id=user_id, size=size, quota=quota):
        return Refusal.QUOTA
    fetch_all(
        connection,
        """INSERT INTO files (file_id, name, conversation_id, user_id, size, created_at)
           VALUES (:file_id, :name, :conversation_id, :user_id, :size, :created_at)""",
        file_id=file_id,
        name=name,
        conversation_id=conversation_id,
        user_id=user_id,
        size=size,
        created_at=now(),
    )
    return None


def _count_unsent(connection: Connection, *, user_id: str) -> int:
    row = fetch_one(
        connection,
        "SELECT COUNT(*) FROM files WHERE user_id = :user_id AND seq IS NULL AND is_gone = 0",
        user_id=user_id,
    )
    return 0 if row is None else int(row[0])


def select_upload(connection: Connection, *, file_id: str, user_id: str) -> File | None:
    """A file that this user uploads or uploaded."""
    row = fetch_one(
        connection,
        "SELECT name, size, is_whole FROM files WHERE file_id = :file_id AND user_id = :user_id AND is_gone = 0",
        file_id=file_id,
        user_id=user_id,
    )
    return None if row is None else File(row["name"], row["size"], bool(row["is_whole"]))


def select_readable(connection: Connection, *, file_id: str, user_id: str) -> File | None:
    """A whole file of one of the user's conversations. Once sent, only who has a copy of its message may have it."""
    row = fetch_one(
        connection,
        """SELECT f.name, f.size, f.is_whole FROM files f
           JOIN participants me ON me.user_id = :user_id AND me.conversation_id = f.conversation_id
           LEFT JOIN messages m ON m.conversation_id = f.conversation_id AND m.seq = f.seq
           WHERE f.file_id = :file_id AND f.is_whole = 1 AND f.is_gone = 0
             AND (f.seq IS NULL OR CASE me.side WHEN 'a' THEN m.sealed_a ELSE m.sealed_b END IS NOT NULL)""",
        file_id=file_id,
        user_id=user_id,
    )
    return None if row is None else File(row["name"], row["size"], bool(row["is_whole"]))


@keeps_sessions
def finish_file(connection: Connection, *, file_id: str) -> bool:
    """Note that all of it is durable. False if it has gone meanwhile."""
    sql = "UPDATE files SET is_whole = 1 WHERE file_id = :file_id AND is_gone = 0 RETURNING file_id"
    return fetch_one(connection, sql, file_id=file_id) is not None


def bind_file(connection: Connection, *, file_id: str, conversation_id: str, user_id: str, seq: int) -> bool:
    """Make a file part of the message with this seq. False unless it is whole, the user's own, of this conversation,
    and not part of another message."""
    bound = fetch_one(
        connection,
        """UPDATE files SET seq = :seq WHERE file_id = :file_id AND conversation_id = :conversation_id
             AND user_id = :user_id AND seq IS NULL AND is_whole = 1 AND is_gone = 0 RETURNING file_id""",
        file_id=file_id,
        conversation_id=conversation_id,
        user_id=user_id,
        seq=seq,
    )
    return bound is not None


def is_stale(connection: Connection, *, before: int) -> bool:
    """True if an upload that began before that (ms) was never sent."""
    sql = "SELECT 1 FROM files WHERE seq IS NULL AND created_at < :before AND is_gone = 0 LIMIT 1"
    return fetch_one(connection, sql, before=before) is not None


@keeps_sessions
def drop_stale(connection: Connection, *, before: int) -> None:
    """Give up every upload that began before that (ms) and was never sent."""
    sql = "UPDATE files SET is_gone = 1 WHERE seq IS NULL AND created_at < :before"
    fetch_all(connection, sql, before=before)


@keeps_sessions
def drop_file(connection: Connection, *, file_id: str) -> None:
    """Give up one."""
    fetch_all(connection, "UPDATE files SET is_gone = 1 WHERE file_id = :file_id", file_id=file_id)


def drop_files_of(connection: Connection, *, user_id: str) -> None:
    """Give up everything that a deleted account uploaded."""
    fetch_all(connection, "UPDATE files SET is_gone = 1 WHERE user_id = :user_id", user_id=user_id)


def select_gone(connection: Connection) -> list[tuple[str, str]]:
    """Some of the files to be deleted from the disk: (file_id, name)."""
    rows = fetch_all(connection, "SELECT file_id, name FROM files WHERE is_gone = 1 LIMIT :limit", limit=SLICE)
    return [(row["file_id"], row["name"]) for row in rows]


@keeps_sessions
def delete_files(connection: Connection, *, file_ids: Sequence[str]) -> None:
    """Forget files that are no longer on the disk, and subtract them from the usage of who uploaded them."""
    for file_id in file_ids:
        sql = "DELETE FROM files WHERE file_id = :file_id RETURNING user_id, size"
        for row in fetch_all(connection, sql, file_id=file_id):
            give_back_files(connection, user_id=row["user_id"], size=row["size"])


def select_unknown(connection: Connection, *, names: Sequence[str]) -> list[str]:
    """Those of these names on the disk that belong to no file."""
    sql = "SELECT 1 FROM files WHERE name = :name"
    return [name for name in names if fetch_one(connection, sql, name=name) is None]


def select_whole(connection: Connection, *, after: str) -> list[tuple[str, str, int]]:
    """The next whole files after this name, by name: (file_id, name, size)."""
    rows = fetch_all(
        connection,
        """SELECT file_id, name, size FROM files WHERE name > :after AND is_whole = 1 AND is_gone = 0
           ORDER BY name LIMIT :limit""",
        after=after,
        limit=SLICE,
    )
    return [(row["file_id"], row["name"], row["size"]) for row in rows]


def count_files(connection: Connection) -> tuple[int, int]:
    """How many files there are, with uploads, and their declared bytes."""
    row = fetch_one(connection, "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM files WHERE is_gone = 0")
    return (0, 0) if row is None else (int(row[0]), int(row[1]))
