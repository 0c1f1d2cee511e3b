"""The error raised by routes, actions and sockets when a request fails. Does not depend on the web framework."""

from __future__ import annotations


class Problem(Exception):
    """A failed request: HTTP status, a slug for programs, a sentence for people, more JSON members."""

    def __init__(self, status: int, code: str, sentence: str, **more: object) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.more = more

    def as_json(self) -> dict[str, object]:
        """The JSON members of the error response."""
        return {"error": self.sentence, "code": self.code, **self.more}
