"""A request that cannot be met, as routes, actions and sockets say it. Knows no web."""

from __future__ import annotations


class Problem(Exception):
    """A request that cannot be met: HTTP status, a slug for programs, a sentence for people, further JSON members."""

    def __init__(self, status: int, code: str, sentence: str, **more: object) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.more = more

    def as_json(self) -> dict[str, object]:
        """The members of an error as programs get it."""
        return {"error": self.sentence, "code": self.code, **self.more}
