"""A report: signed messages that their recipient handed over to the operator. It stays whatever happens to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ezdms.db import Connection, fetch_all, fetch_one, keeps_sessions

MOST = 50  # reports of one person that are kept at a time, of at most 20 messages each
LISTED = 100  # at a time


class Original(NamedTuple):
    """A signed message (JWS) that was sent to the reporter, and where it stands in the conversation."""

    message_id: str
    seq: int
    sent_at: int
    jws: str


class Report(NamedTuple):
    """What is stored. `statement`: the reported person's key statement. `created_at`: ms."""

    report_id: str
    created_at: int
    reporter_id: str
    reported_id: str
    statement: str
    conversation_id: str
    reason: str


COLUMNS = ", ".join(Report._fields)


def select_rows(connection: Connection, message_ids: Sequence[str], *, conversation_id: str) -> list[dict[str, Any]]:
    """Sender, hash, seq and time of these messages of a conversation, without those that are not there."""
    found = [
        fetch_one(
            connection,
            """SELECT message_id, sender_id, hash, seq, created_at FROM messages
               WHERE conversation_id = :conversation_id AND message_id = :message_id""",
            conversation_id=conversation_id,
            message_id=message_id,
        )
        for message_id in message_ids
    ]
    return [dict(row) for row in found if row is not None]


@keeps_sessions
def insert_report(connection: Connection, report: Report, originals: Sequence[Original]) -> bool:
    """Store a report. False if the reporter has MOST already."""
    counted = fetch_one(
        connection,
        "SELECT COUNT(*) AS count FROM reports WHERE reporter_id = :reporter_id",
        reporter_id=report.reporter_id,
    )
    if counted is not None and counted["count"] >= MOST:
        return False
    fetch_all(
        connection,
        f"INSERT INTO reports ({COLUMNS}) VALUES ({', '.join(f':{name}' for name in Report._fields)})",
        **report._asdict(),
    )
    for original in originals:
        fetch_all(
            connection,
            """INSERT INTO reported_messages (report_id, message_id, seq, sent_at, jws)
               VALUES (:report_id, :message_id, :seq, :sent_at, :jws)""",
            report_id=report.report_id,
            **original._asdict(),
        )
    return True


def select_reports(connection: Connection, *, report_id: str | None) -> list[dict[str, Any]]:
    """The newest LISTED reports, oldest first, or the one with this id: the members of Report, `messages` (those of
    Original), `reporter` (their name now, "" once they left), and `has_left`: whether the reported person has."""
    rows = fetch_all(
        connection,
        f"""SELECT {COLUMNS}, COALESCE(reporter.username, '') AS reporter,
              NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = reported_id AND u.left_at IS NULL) AS has_left
            FROM (SELECT * FROM reports WHERE CAST(:report_id AS TEXT) IS NULL OR report_id = :report_id
                  ORDER BY created_at DESC, report_id LIMIT :limit) AS listed
            LEFT JOIN (SELECT user_id, username FROM users) AS reporter ON reporter.user_id = reporter_id
            ORDER BY listed.created_at, report_id""",
        report_id=report_id,
        limit=LISTED,
    )
    return [
        {**dict(row), "has_left": bool(row["has_left"]), "messages": _originals(connection, row["report_id"])}
        for row in rows
    ]


def _originals(connection: Connection, report_id: str) -> list[dict[str, Any]]:
    rows = fetch_all(
        connection,
        "SELECT message_id, seq, sent_at, jws FROM reported_messages WHERE report_id = :report_id ORDER BY seq",
        report_id=report_id,
    )
    return [dict(row) for row in rows]


def count_reports(connection: Connection) -> int:
    """How many there are."""
    row = fetch_one(connection, "SELECT COUNT(*) AS count FROM reports")
    return 0 if row is None else int(row["count"])


@keeps_sessions
def delete_report(connection: Connection, *, report_id: str) -> bool:
    """Delete a report with its messages. False if there is none with this id."""
    sql = "DELETE FROM reports WHERE report_id = :report_id RETURNING report_id"
    return fetch_one(connection, sql, report_id=report_id) is not None
