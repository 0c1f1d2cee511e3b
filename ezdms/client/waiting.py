"""A message that waits to be sent, as its writer sees it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that the server does not have yet. `text` is None if it cannot be opened here."""

    message_id: str
    conversation_id: str
    contact: str
    written_at: int
    text: str | None = field(repr=False)
