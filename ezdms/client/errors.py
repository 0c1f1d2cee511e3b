"""What can go wrong between a client and a server. Every sentence can be shown; none holds a secret."""

from __future__ import annotations


class ClientError(Exception):
    """The root of what a client raises, beside crypto.ProtocolError (what was received does not hold).

    ClientError
    ├── NoAccount          nothing is saved here under this name
    ├── WrongPin           the PIN is missing, malformed or opens nothing
    ├── Unreachable        the server did not answer, for as long as one was ready to wait
    └── ServerError        the server refused; `status` and `code` say how (docs/http.md)
        └── SessionEnded   401: logged out, here or elsewhere
    """


class NoAccount(ClientError):
    """There is no saved account that fits."""


class WrongPin(ClientError):
    """A Login PIN is missing, is none, or does not open the account."""


class Unreachable(ClientError):
    """No answer came."""


class ServerError(ClientError):
    """An answer of 4xx or 5xx."""

    def __init__(self, status: int, code: str, sentence: str, answer: dict[str, object]) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.answer = answer


class SessionEnded(ServerError):
    """The token is dead. Logging in with the PIN makes a new one."""
