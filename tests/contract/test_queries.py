"""Every query on a table that grows with users or messages uses an index."""

from __future__ import annotations

from threading import get_ident

import pytest
from quart import Quart

from ezdms.db import Connection, Database, fetch_all
from ezdms.models import (
    conversation,
    erasure,
    file,
    message,
    message_facts,
    passkey,
    push,
    second_step,
    session,
    signal,
    user,
    vault,
)

QUERIES = {
    "log in": (user.select_user_by_login_id, {"login_id": "x"}),
    "look up a Search PIN": (user.select_user_by_search_pin, {"search_pin": "x"}),
    "list a slice of accounts": (user.select_slice, {"after": "", "before": 1, "limit": 5}),
    "check if an account is unused": (user.is_unused, {"user_id": "x", "before": 1}),
    "find a session": (session.select_session, {"token_hash": "x"}),
    "find a second step": (second_step.select_second_step, {"user_id": "x"}),
    "count recovery codes and trusted devices": (second_step.select_standing, {"user_id": "x"}),
    "find a trusted device": (second_step._is_trusted, {"user_id": "x", "token_hash": "x"}),
    "trust no device": (second_step.distrust, {"user_id": "x"}),
    "list sessions": (session.select_devices, {"user_id": "x"}),
    "find the partners of a deleted account": (conversation.select_partners, {"user_id": "x", "after": "", "limit": 5}),
    "erase the next conversations": (erasure._conversations, {"user_id": "x", "first": ""}),
    "erase messages": (erasure._delete_messages, {"conversation_id": "x", "limit": 5}),
    "open a vault": (vault.select_vault, {"user_id": "x"}),
    "list conversations": (conversation.select_conversations, {"user_id": "x"}),
    "find a side": (conversation.select_side, {"conversation_id": "x", "user_id": "x"}),
    "find a pair": (conversation.select_pair, {"conversation_id": "x", "user_id": "x"}),
    "find a pair to write to": (conversation.select_pair_to_write, {"conversation_id": "x", "user_id": "x"}),
    "find a message": (
        message.select_message,
        {"conversation_id": "x", "message_id": "x", "sender_id": "x", "side": "a"},
    ),
    "newest page": (message.select_messages, {"conversation_id": "x", "side": "a", "limit": 50}),
    "page before": (message.select_messages, {"conversation_id": "x", "side": "a", "limit": 50, "before": 9}),
    "catch up": (message.select_messages, {"conversation_id": "x", "side": "a", "limit": 50, "after": 9}),
    "find a message to hide": (message.select_hash, {"conversation_id": "x", "message_id": "x"}),
    "find what a change replaces": (
        message_facts.select_replaced,
        {"conversation_id": "x", "message_id": "x", "sender_id": "x"},
    ),
    "earlier changes": (message_facts._select_changes, {"conversation_id": "x", "message_id": "x"}),
    "see if messages disappear": (message_facts.is_due, {"moment": 1}),
    "messages that disappear": (message_facts.expire_slice, {"moment": 1}),
    "conversations with old messages": (message_facts.select_outdated, {"after": "", "before": 1, "limit": 5}),
    "old messages": (message_facts.retire_slice, {"conversation_id": "x", "before": 1}),
    "list signals": (signal.select_signals, {"conversation_id": "x", "user_id": "x"}),
    "find a passkey": (passkey.select_passkey, {"credential_id": "x"}),
    "list passkeys": (passkey.select_passkeys, {"user_id": "x"}),
    "find an upload": (file.select_upload, {"file_id": "x", "user_id": "x"}),
    "find a file": (file.select_readable, {"file_id": "x", "user_id": "x"}),
    "count unsent uploads": (file._count_unsent, {"user_id": "x"}),
    "see if uploads were never sent": (file.is_stale, {"before": 1}),
    "drop uploads that were never sent": (file.drop_stale, {"before": 1}),
    "drop the files of an account": (file.drop_files_of, {"user_id": "x"}),
    "files to delete": (file.select_gone, {}),
    "look for a file on the disk": (file.select_unknown, {"names": ["x"]}),
    "push subscriptions": (push.select_subscriptions, {"user_id": "x"}),
    "last sent": (message.select_last_sent, {"conversation_id": "x", "sender_id": "x", "side": "a"}),
}


@pytest.mark.parametrize("name", list(QUERIES))
async def test_no_query_scans_a_table(app: Quart, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    query, arguments = QUERIES[name]
    plans: list[str] = []
    asking: set[int] = set()  # the thread of this query, since the app asks queries of its own meanwhile

    def explained(connection: Connection, **values: object) -> None:
        asking.add(get_ident())
        try:
            query(connection, **values)  # type: ignore[operator]
        finally:
            asking.clear()

    def explain(connection: Connection, sql: str, **values: object) -> list[object]:
        if get_ident() not in asking:
            return []
        rows = connection.execute("EXPLAIN QUERY PLAN " + sql, values)
        plans.extend(str(row["detail"]) for row in rows)
        return []

    def explain_one(connection: Connection, sql: str, **values: object) -> None:
        explain(connection, sql, **values)

    for module in (
        user,
        second_step,
        session,
        conversation,
        message,
        message_facts,
        signal,
        vault,
        erasure,
        file,
        push,
        passkey,
    ):
        monkeypatch.setattr(module, "fetch_all", explain, raising=False)
        monkeypatch.setattr(module, "fetch_one", explain_one, raising=False)
    database: Database = app.extensions["ezdms.database"]
    await database.read(explained, **arguments)  # type: ignore[arg-type]
    assert plans
    assert not [plan for plan in plans if plan.startswith("SCAN")], plans
    if "page" in name or name in ("catch up", "last sent"):
        assert not [plan for plan in plans if "TEMP B-TREE" in plan], plans
    assert fetch_all is not explain
