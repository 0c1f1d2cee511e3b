"""Messages that a program sends over its socket: like POST /send_message, without a request for each."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from math import ceil
from typing import Any

from ezdms.actions import send
from ezdms.actions.event import Event
from ezdms.actions.send import Sent
from ezdms.db import Conflict, Unavailable
from ezdms.hub import Mailbox
from ezdms.models.conversation import Pair
from ezdms.models.message import Draft, Outcome, insert_message
from ezdms.models.session import Session
from ezdms.problem import Problem
from ezdms.web import context
from ezdms.web.answers import again_later, too_often
from ezdms.web.drafts import FIELDS, OPTIONAL, parse_draft
from ezdms.web.fields import pick_fields

MOST_UNDER_WAY = 16  # messages of one socket waiting to be stored, in order
LONGEST_ID = 64  # characters of the message_id repeated in an error


class Outgoing:
    """The messages of one socket in progress. Each is acknowledged on the socket once it is durable.

    A message in progress when the socket ends is still stored and delivered.
    """

    def __init__(self, mailbox: Mailbox[Event], session: Session) -> None:
        self._mailbox = mailbox
        self._user_id = session.user_id
        self._database, self._hub, self._limiter = context.database(), context.hub(), context.limiter()
        self._sweeper = context.sweeper()
        self._quota = context.settings().quota_account
        self._under_way = 0
        self._room: asyncio.Future[None] | None = None  # send() waits for it

    async def send(self, members: list[tuple[str, Any]]) -> None:
        """Accept one message. Waits only while too many are in progress."""
        try:
            seconds = await self._limiter.count("messages.send_message", self._user_id)
            if seconds:
                raise too_often(ceil(seconds))
            draft = parse_draft(pick_fields(members, FIELDS, OPTIONAL))
            write = self._database.submit(insert_message, draft, sender_id=self._user_id, quota=self._quota)
        except (Problem, Unavailable) as error:
            given = [value for name, value in members if name == "message_id" and isinstance(value, str)]
            self._tell_error(given[0][:LONGEST_ID] if given else None, error)
            return
        self._under_way += 1
        write.add_done_callback(partial(self._finish, draft))  # a task per message would cost more than everything else
        if self._under_way >= MOST_UNDER_WAY:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def _finish(self, draft: Draft, write: asyncio.Future[tuple[Pair | None, Outcome]]) -> None:
        try:
            self._tell(send.publish(self._hub, draft, self._user_id, *write.result()))
            if draft.replaces:
                self._sweeper.forget_soon()
        except Conflict:
            self._tell_error(draft.message_id, send.id_is_taken())
        except (Problem, Unavailable) as error:
            self._tell_error(draft.message_id, error)
        self._make_room()

    def _make_room(self) -> None:
        self._under_way -= 1
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _tell(self, sent: Sent) -> None:
        self._mailbox.put(json.dumps({"event": "sent", **sent.as_json()}))

    def _tell_error(self, message_id: str | None, error: Problem | Unavailable) -> None:
        problem = error if isinstance(error, Problem) else again_later(error)
        self._mailbox.put(json.dumps({"event": "error", "message_id": message_id, **problem.as_json()}))
