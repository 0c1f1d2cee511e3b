"""Events of a conversation, as sent to one participant: JSON for programs, HTML for pages."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from ezdms.hub import Place
from ezdms.models.conversation import Conversation, Line
from ezdms.models.message import Message
from ezdms.views import fragments

encode = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make a new one each time
NO_COPY = '"encrypted":""'  # never within a text, whose quotation marks are escaped


@dataclass(frozen=True, slots=True)
class Event:
    """A changed line in a user's list of conversations, with the new message (their copy) if there is one.

    Each form is rendered once, even for many sockets of one user.
    """

    line: Line | Conversation
    message: Message | None = None
    faces: dict[tuple[bool, bool], str] = field(default_factory=dict, compare=False)

    def face(self, user_id: str, *, as_json: bool, is_open: bool) -> str:
        """The frame for a socket of this user. `is_open`: the socket has the conversation open."""
        found = self.faces.get((as_json, is_open))
        if found is None:
            found = self._as_json(is_open) if as_json else self._as_html(user_id, is_open)
            self.faces[as_json, is_open] = found
        return found

    def _as_json(self, is_open: bool) -> str:
        line = self.line
        if is_open and self.message is not None:
            name = "new_message"
            members = self.message.as_json()
        else:
            name = "conversation"
            members = {"last_seq": line.last_seq, "unread": line.unread}
        return json.dumps({"event": name, "conversation_id": line.conversation_id, **members})

    def _as_html(self, user_id: str, is_open: bool) -> str:
        if is_open and self.message is not None:
            return fragments.message_arrived(self.message, self.line, user_id)
        return fragments.conversation_changed(self.line, self.message, user_id)


class Codec:
    """Events on the bus between processes: a name and the values of each part, in JSON."""

    def pack(self, event: Event) -> str:
        """The event in JSON."""
        packed = {type(event.line).__name__: _values(event.line)}
        if event.message is None:
            return encode(packed)
        sealed, values = event.message.encrypted, _values(event.message)
        if sealed is None:
            return encode(packed | {"Message": values})
        values["encrypted"] = ""  # it is base64url and dots: to look through it would cost more than all else
        return encode(packed | {"Message": values}).replace(NO_COPY, f'"encrypted":"{sealed}"', 1)

    def unpack(self, body: dict[str, Any]) -> Event:
        """The event. Raises KeyError, TypeError or ValueError if a process of another version packed something else."""
        message = body.get("Message")
        line = Line(**body["Line"]) if "Line" in body else Conversation(**body["Conversation"])
        return Event(line, None if message is None else Message(**message))

    def place(self, event: Event) -> Place | None:
        """Messages have a place in their conversation."""
        return None if event.message is None else Place(event.line.conversation_id, event.message.seq)


def _values(part: Line | Conversation | Message) -> dict[str, Any]:
    return {one.name: getattr(part, one.name) for one in fields(part)} if is_dataclass(part) else part._asdict()
