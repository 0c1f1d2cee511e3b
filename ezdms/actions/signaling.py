"""Relays signals: typing, delivered, read. Sealed like messages, but no messages: nothing here can open one."""

from __future__ import annotations

import json
from typing import NamedTuple

from ezdms.actions.event import Event
from ezdms.actions.send import has_left, no_conversation
from ezdms.db import Database
from ezdms.hub import Hub
from ezdms.models.conversation import select_pair
from ezdms.models.signal import replace_signal
from ezdms.problem import Problem
from ezdms.protocol.encoding import EnvelopeError
from ezdms.protocol.envelope import key_id_of_signal
from ezdms.views import fragments

RELAYED = ""  # typing: never stored
SLOTS = (RELAYED, "delivered", "read")
FIELDS = ("conversation_id", "slot", "sealed")


class Draft(NamedTuple):
    """A signal from a sender: its slot, and one encrypted copy, with the key id that it is encrypted for."""

    conversation_id: str
    slot: str
    sealed: str
    key_id: str


def parse_signal(fields: dict[str, str]) -> Draft:
    """Parse FIELDS strictly. Problem 400 or 422."""
    if fields["slot"] not in SLOTS:
        raise Problem(400, "malformed_field", "The field slot must be empty, delivered or read.")
    try:
        key_id = key_id_of_signal(fields["sealed"])
    except EnvelopeError as error:
        raise Problem(422, "envelope", str(error)) from error
    return Draft(fields["conversation_id"], fields["slot"], fields["sealed"], key_id)


async def signal(database: Database, hub: Hub[Event], draft: Draft, sender_id: str) -> None:
    """Store a receipt, and relay it to the partner's sockets, unless they block the sender, or one of the two has not
    accepted the conversation: the sender is answered as ever. Problem 404, 410 or 422, or Unavailable."""
    pair = await database.read(select_pair, conversation_id=draft.conversation_id, user_id=sender_id)
    if pair is None:
        raise no_conversation()
    partner = pair.other(sender_id)
    if partner.has_left:
        raise has_left()
    if draft.key_id != partner.key_id:
        raise Problem(422, "envelope", "Expected a signal encrypted for the other person's key.")
    relayed = {"sender_id": sender_id, **{name: getattr(draft, name) for name in FIELDS}}
    if draft.slot != RELAYED:
        await database.write(replace_signal, **relayed)
    as_json = json.dumps({"event": "signal", **relayed})
    as_html = fragments.signal_arrived(draft.conversation_id, draft.slot, draft.sealed)
    is_wanted = pair.a.has_accepted and pair.b.has_accepted and not partner.blocks
    if is_wanted:
        hub.relay(partner.user_id, as_json=as_json, as_html=as_html)
