"""What can go wrong between a client and a server. Every sentence can be shown; none holds a secret."""

from __future__ import annotations


class ClientError(Exception):
    """The root of what a client raises, beside crypto.ProtocolError (what was received does not hold).

    ClientError
    ├── NoAccount          nothing is saved here under this name
    ├── WrongPin           the PIN is missing, malformed or opens nothing
    ├── OtherServer        this address is not known as the server it says it is: a person decides
    ├── Unreachable        the server did not answer, for as long as one was ready to wait
    ├── BadAnswer          the server answered, but not as EZ-DMS does: nothing of it was used
    └── ServerError        the server refused; `status` and `code` say how (docs/http.md)
        └── SessionEnded   401: logged out, here or elsewhere
    """


class NoAccount(ClientError):
    """There is no saved account that fits."""


class WrongPin(ClientError):
    """A Login PIN is missing, is none, or does not open the account."""


class OtherServer(ClientError):
    """No Login PIN is used at this address before a person says so."""


class Unreachable(ClientError):
    """No answer came."""


class BadAnswer(ClientError):
    """An answer that is not of the form docs/http.md describes."""


class ServerError(ClientError):
    """An answer of 3xx, 4xx or 5xx. `next_n` comes with the code "counter", else it is 0."""

    def __init__(self, status: int, code: str, sentence: str, next_n: int = 0) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.next_n = next_n


class SessionEnded(ServerError):
    """The token is dead. Logging in with the PIN makes a new one."""
