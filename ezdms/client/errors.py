"""Client errors. Every message can be shown to the user; none contains a secret."""

from __future__ import annotations


class ClientError(Exception):
    """Base class of everything a client raises, besides crypto.ProtocolError (invalid data was received).

    ClientError
    ├── NoAccount          no account of this name is saved here
    ├── WrongPin           the PIN is missing, malformed or wrong
    ├── WrongCode          a code of two-step login is malformed, wrong or used
    ├── OtherServer        not the server known at this address: the user must decide
    ├── NoFile             a message has no file, or it is not there any more
    ├── Unreachable        the server did not answer in time
    ├── BadAnswer          the response is not valid EZ-DMS; nothing in it was used
    └── ServerError        the server refused; `status` and `code` say why (docs/http.md)
        ├── SessionEnded   401: logged out, here or elsewhere
        └── CodeNeeded     401: the Login PIN was right, and two-step login asks for a code; `challenge` stands for it
    """


class NoAccount(ClientError):
    """No saved account matches."""


class WrongPin(ClientError):
    """A Login PIN is missing, malformed, or wrong."""


class WrongCode(ClientError):
    """A code of two-step login is malformed, wrong, too old, or was used before."""


class OtherServer(ClientError):
    """Not the expected server. The Login PIN is not used there until the user agrees."""


class NoFile(ClientError):
    """The message has no file, or the server does not have it any more."""


class Unreachable(ClientError):
    """The server did not answer."""


class BadAnswer(ClientError):
    """A response that does not have the form described in docs/http.md."""


class ServerError(ClientError):
    """A 3xx, 4xx or 5xx response. `next_n` is set with the code "counter", else 0; `offset` with "offset", else -1."""

    def __init__(self, status: int, code: str, sentence: str, next_n: int = 0, offset: int = -1) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.next_n = next_n
        self.offset = offset


class SessionEnded(ServerError):
    """The session token is no longer valid. Log in again with the PIN."""


class CodeNeeded(ServerError):
    """The Login PIN was right. Log in again with a code from the user's app and this `challenge`, in ten minutes."""

    def __init__(self, challenge: str) -> None:
        super().__init__(401, "second_step", "Two-step login is on: a code from your app is needed, too.")
        self.challenge = challenge
