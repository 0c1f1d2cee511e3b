"""What a client shows: messages with everything that happened to them since, and events."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Protocol

from ezdms import crypto
from ezdms.protocol.encoding import b64u_decode

Place = Literal["ok", "gap", "late", "crossed"]
Happening = Literal["message", "edited", "deleted", "reacted", "timer", "expired", "delivered", "read", "typing"]
NOT_TOLD = ("hash", "lifetime", "actions", "originals")  # to programs
WHOLE = ("text", "file", "edited", "timer", "change")  # states without a failure


class Actions(Protocol):
    """What can be done to a message (Client)."""

    async def reply(self, message: Message, text: str) -> str:
        """Answer a message with a text that quotes it. Returns the id of the new message."""

    async def edit(self, message: Message, text: str) -> str:
        """Replace the text of one's own message, for both."""

    async def delete(self, message: Message) -> str:
        """Delete one's own message, for both."""

    async def react(self, message: Message, emoji: str) -> str:
        """React to a message with one emoji; "" withdraws the reaction."""

    async def hide(self, message: Message) -> None:
        """Remove a message from one's own sight alone."""

    async def save(self, message: Message, to: Path | str) -> Path:
        """Download the file of a message."""


@dataclass(frozen=True, slots=True)
class SharedFile:
    """The file of a message, as its sender described it: nothing of that is known to be true before it is saved.

    `name` may contain anything but control characters and slashes (naming.safe_name); `type` is what the sender calls
    it, or "". `size`: bytes.
    """

    name: str
    size: int
    type: str
    id: str = field(repr=False)
    key: bytes = field(repr=False)
    hash: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> SharedFile:
        """From the content of a message of kind "file". Raises crypto.Refused."""
        read = crypto.read_file(text)
        return cls(read["name"], read["size"], read["type"], read["id"], b64u_decode(read["key"], 32), read["hash"])

    def as_json(self) -> dict[str, Any]:
        """The members for programs."""
        return {"name": self.name, "size": self.size, "type": self.type}


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that a reply answers, as it is shown now. Without `text`, it is gone or was not loaded; `is_own` is
    None if it was not loaded."""

    message_id: str
    is_own: bool | None = None
    text: str | None = field(default=None, repr=False)
    state: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message, safe to show, with the edits, deletions and reactions known so far.

    `text` is None if there is none to show; `state` says why:

    - "text", "edited" (at `edited_at`, the sender's own time): there is a text
    - "file": `file` describes it; `save` downloads it
    - "timer": `timer` is the number of seconds after which messages disappear from here on, 0 for never
    - "deleted" (for both), "hidden" (by the user, for themselves), "expired", "retention" (removed by the host),
      "blocked" (sent while the user blocked them): proven; `failure` is "gone"
    - "withheld": the server gives no content and no proof why; `failure` is "gone". "undecided": what could prove it
      was not loaded
    - "unverified": damaged, forged, or from another conversation; "unsupported": from a newer version. So is `failure`
    - "change": an edit, deletion or reaction, shown here only because of its `place` or `alarm`

    `place` is "gap" if messages before it are missing, "late" if it was written before messages that arrived earlier,
    "crossed" if its sender had not yet seen a message shown above it. `alarm` is a sentence if the message is an alarm:
    nothing can be sent in its conversation until `Client.go_on`. `n` is its number among its sender's messages here, 0
    unless verified; `seq` is only the server's claim. Times are milliseconds since 1970, UTC: `created_at` is the
    server's, `signed_at` the sender's, None if unverified; at `expires_at` it disappears. `reactions`: emoji by side
    ("own", "theirs").
    """

    conversation_id: str
    contact: str
    message_id: str
    seq: int
    is_own: bool
    created_at: int
    text: str | None = field(repr=False)
    failure: str = ""
    place: Place = "ok"
    alarm: str = ""
    signed_at: int | None = None
    n: int = 0
    state: str = "text"
    edited_at: int | None = None
    expires_at: int | None = None
    timer: int | None = None
    answers: Quote | None = None
    reactions: dict[str, str] = field(default_factory=dict, hash=False)
    file: SharedFile | None = None
    hash: str = field(default="", repr=False)
    lifetime: int = field(default=0, repr=False)
    originals: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)  # ids, and signed messages
    actions: Actions | None = field(default=None, repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """The members for programs (docs/command-line.md)."""
        members = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in NOT_TOLD}
        quote = self.answers
        if self.file is not None:
            members["file"] = self.file.as_json()
        if quote is not None:
            members["answers"] = {one.name: getattr(quote, one.name) for one in fields(quote)}
        return members

    async def reply(self, text: str) -> str:
        """Send a text that answers this message. Returns its id. Raises like Client.send; ClientError, with a sentence
        for people, if this message cannot be answered."""
        return await self._do.reply(self, text)

    async def edit(self, text: str) -> str:
        """Replace the text of one's own message, for both, within 24 hours. Raises like `reply`."""
        return await self._do.edit(self, text)

    async def delete(self) -> str:
        """Delete one's own message, for both. Raises like `reply`."""
        return await self._do.delete(self)

    async def react(self, emoji: str) -> str:
        """React with one emoji, which replaces an earlier one; "" withdraws it. Raises like `reply`."""
        return await self._do.react(self, emoji)

    async def hide(self) -> None:
        """Remove this message from one's own sight alone; the other person keeps it. Raises ClientError."""
        await self._do.hide(self)

    async def save(self, to: Path | str) -> Path:
        """Download the file of this message, verify it, and save it: as `to`, or in the folder `to` under the name that
        its sender gave it, made safe and unique. Returns its path; nothing is there before all of it was verified.

        Raises ClientError if there is no file (any more) or `to` exists, crypto.Refused if the server has another one.
        """
        return await self._do.save(self, to)

    @property
    def _do(self) -> Actions:
        if self.actions is None:
            raise ValueError("This message does not belong to a client.")
        return self.actions


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a conversation.

    "message": a new message. "edited", "deleted", "reacted", "expired": `message` as it is now. "timer":
    `message.timer` was set. "delivered", "read": the user's own messages up to the number `n`. "typing": the other
    person is typing; show it for six seconds. `is_own`: it was done by the user, maybe on another device. `is_request`:
    it is in a conversation that the user has not accepted.
    """

    kind: Happening
    conversation_id: str
    contact: str
    is_own: bool = False
    message: Message | None = None
    n: int = 0
    is_request: bool = False

    def as_json(self) -> dict[str, Any]:
        """The members for programs: those of the message, if there is one, and `event` and `is_request`."""
        if self.message is not None:
            return {"event": self.kind, "is_request": self.is_request, **self.message.as_json()}
        return {"event": self.kind, "conversation_id": self.conversation_id, "contact": self.contact, "n": self.n}
