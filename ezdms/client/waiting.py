"""A queued message, as shown to the user."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that the server does not have yet. `text` is None if it cannot be decrypted here."""

    message_id: str
    conversation_id: str
    contact: str
    written_at: int
    text: str | None = field(repr=False)
