"""Takes reports: signed messages of the other person, handed over to the operator by the one who got them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from ezdms.actions.send import has_left, no_conversation
from ezdms.db import Database, now
from ezdms.models.conversation import select_conversation
from ezdms.models.report import Original, Report, insert_report, select_rows
from ezdms.models.session import Session
from ezdms.problem import Problem
from ezdms.protocol import envelope
from ezdms.protocol.encoding import EnvelopeError


async def report(
    database: Database, session: Session, *, conversation_id: str, reason: str, messages: Sequence[tuple[str, str]]
) -> None:
    """Store what the user reports: (message_id, jws). Problem 404, 410, 422 or 507, or Unavailable.

    Each must be the original of a message that the other sent here: with its row's hash, and signed by their key.
    """
    conversation = await database.read(select_conversation, conversation_id=conversation_id, user_id=session.user_id)
    if conversation is None:
        raise no_conversation()
    if conversation.has_left:
        raise has_left()
    rows = await database.read(select_rows, [one for one, _ in messages], conversation_id=conversation_id)
    sent = {row["message_id"]: row for row in rows if row["sender_id"] == conversation.partner_id}
    ik, originals = envelope.parse_statement(conversation.partner_statement).ik, []
    for message_id, jws in messages:
        row = sent.get(message_id)
        try:
            envelope.check_original(jws, ik=ik, hash="" if row is None else row["hash"])
        except EnvelopeError as error:
            raise Problem(422, "original", "Expected the signed originals of messages that they sent here.") from error
        if row is not None:
            originals.append(Original(message_id, row["seq"], row["created_at"], jws))
    is_stored = await database.write(
        insert_report,
        Report(
            report_id=secrets.token_hex(6),  # typed by the operator
            created_at=now(),
            reporter_id=session.user_id,
            reported_id=conversation.partner_id,
            statement=conversation.partner_statement,
            conversation_id=conversation_id,
            reason=reason,
        ),
        originals,
    )
    if not is_stored:
        raise Problem(507, "reports", "The operator has not looked at your earlier reports yet. Ask the operator.")
