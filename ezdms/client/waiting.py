"""A queued message, as shown to the user."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that the server does not have yet. `text` is None if it cannot be decrypted here.

    `kind` is "text", "edit", "delete", "react", "timer" or "file"; `text` is what docs/protocol.md says for it, of a
    file its name. `is_stale`: it disappears, was written more than an hour ago and may have been sent; the user must
    send it again or discard it.
    """

    message_id: str
    conversation_id: str
    contact: str
    written_at: int
    text: str | None = field(repr=False)
    kind: str = "text"
    is_stale: bool = False
