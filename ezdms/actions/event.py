"""What happens in a conversation, as one participant may know it, and what it looks like to pages and programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from ezdms.models.conversation import Conversation, Line
from ezdms.models.message import Message
from ezdms.views import fragments


@dataclass(frozen=True, slots=True)
class Event:
    """A conversation's new line in somebody's list, with the new message in their own copy if that is what happened.

    Each face is made once, so that many sockets of one person cost one rendering.
    """

    line: Line | Conversation
    message: Message | None = None
    faces: dict[tuple[bool, bool], str] = field(default_factory=dict, compare=False)

    def face(self, user_id: str, *, as_json: bool, is_open: bool) -> str:
        """The frame for a socket of this person; `is_open`: it has the conversation open."""
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
        return fragments.conversation_changed(self.line)
