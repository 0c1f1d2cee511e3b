"""Publish and subscribe within one process: events go only to the open sockets of a user."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Container
from typing import Any, Generic, NamedTuple, TypeVar

Event = TypeVar("Event")  # opaque here
LARGEST_MAILBOX = 256  # events queued for a slow reader before its socket is closed

SESSION_ENDED = 1008
RESTART = 1012
TOO_SLOW = 1013


class Place(NamedTuple):
    """An event's place among others: in which row, and where."""

    row: str
    number: int


class Mailbox(Generic[Event]):
    """The queue of events for one socket."""

    def __init__(self, user_id: str, session_id: str) -> None:
        self.user_id = user_id
        self.session_id = session_id
        self.joined: set[str] = set()
        self.takes_json = False  # the socket's frames are JSON
        self.is_visible = False  # its page is, as it says itself
        self.has_place = False  # it is counted among the sockets that its user may have
        self.close_code: int | None = None
        self.close_reason = ""
        self._events: deque[Event | str] = deque()
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Future[None] | None = None  # get() waits for it
        self.closed: asyncio.Future[None] = self._loop.create_future()  # done once it is closed

    def put(self, event: Event | str) -> None:
        """Add an event, or a frame only for this socket.

        A full mailbox closes. The client catches up when it reconnects.
        """
        if len(self._events) >= LARGEST_MAILBOX:
            self.close(TOO_SLOW)
        elif self.close_code is None:
            self._events.append(event)
            self._wake()

    def close(self, code: int, reason: str = "") -> None:
        """Accept no more events. The socket is to be closed with this code and reason."""
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            self._wake()
            if not self.closed.done():
                self.closed.set_result(None)

    async def get(self) -> Event | str | None:
        """Wait for the next event. None once the mailbox is closed; remaining events are dropped."""
        while self.close_code is None:
            if self._events:
                return self._events.popleft()
            self._news = self._loop.create_future()
            await self._news
        return None

    @property
    def waiting(self) -> int:
        """Events that the socket has not taken yet."""
        return len(self._events)

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Hub(Generic[Event]):
    """All open mailboxes, by user."""

    def __init__(self) -> None:
        self._mailboxes: dict[str, set[Mailbox[Event]]] = {}
        self._closing = False
        self.is_cut_off = False  # from the other processes: sockets and requests are for those
        self.messages = 0  # published since the start, for metrics
        self.on_message: Callable[[str], None] | None = None  # told of each new message: for which user

    def subscribe(self, user_id: str, session_id: str) -> Mailbox[Event]:
        """Open a mailbox for one socket of this session."""
        mailbox: Mailbox[Event] = Mailbox(user_id, session_id)
        self._mailboxes.setdefault(user_id, set()).add(mailbox)
        if self._closing or self.is_cut_off:
            mailbox.close(RESTART)
        return mailbox

    def unsubscribe(self, mailbox: Mailbox[Event]) -> None:
        """Remove the mailbox of a closed socket."""
        mailboxes = self._mailboxes.get(mailbox.user_id, set())
        mailboxes.discard(mailbox)
        if not mailboxes:
            self._mailboxes.pop(mailbox.user_id, None)

    def mailboxes(self, user_id: str) -> tuple[Mailbox[Event], ...]:
        """The open mailboxes of this user."""
        return tuple(self._mailboxes.get(user_id, ()))

    async def admit(self, mailbox: Mailbox[Event], most: int | None) -> bool:
        """Give the socket one of its user's places; False if there is none. There are any number if `most` is None."""
        mailbox.has_place = most is not None and self._places_of(mailbox.user_id) < most
        return most is None or mailbox.has_place

    def _places_of(self, user_id: str) -> int:
        return sum(mailbox.has_place for mailbox in self.mailboxes(user_id))

    async def confirmed(self, mailbox: Mailbox[Event]) -> None:
        """Wait until everything that is published from now on reaches this mailbox."""

    def publish(self, user_id: str, event: Event, but: Mailbox[Event] | None = None) -> None:
        """Put the event in every mailbox of this user, but not in `but`."""
        for mailbox in self.mailboxes(user_id):
            if mailbox is not but:
                mailbox.put(event)

    def know_place(self, user_id: str, place: Place) -> None:
        """The last event of a row, for a hub that puts them in order: here they are."""

    def relay(self, user_id: str, *, as_json: str, as_html: str) -> None:
        """Put a frame, in the form that it takes, in every mailbox of this user."""
        for mailbox in self.mailboxes(user_id):
            mailbox.put(as_json if mailbox.takes_json else as_html)

    def announce(self, what: str, about: str = "") -> None:
        """Tell other processes: there are none."""

    async def processes(self) -> list[dict[str, Any]]:
        """The processes, if there are several."""
        return []

    async def is_connected(self, user_id: str) -> bool:
        """True if this user has an open socket."""
        return user_id in self._mailboxes

    async def is_watched(self, user_id: str) -> bool:
        """True if this user looks at a page."""
        return any(mailbox.is_visible for mailbox in self.mailboxes(user_id))

    def note_visible(self, mailbox: Mailbox[Event], is_visible: bool) -> None:
        """Note whether the page of this socket is visible, as it says itself."""
        mailbox.is_visible = is_visible

    def end_session(self, user_id: str, session_id: str, reason: str = "") -> None:
        """Close the sockets of one session. The reason is told to them."""
        for mailbox in self.mailboxes(user_id):
            if mailbox.session_id == session_id:
                mailbox.close(SESSION_ENDED, reason)

    def end_sessions(self, user_id: str, *, but: str = "", reason: str = "") -> None:
        """Close the sockets of all this user's sessions, except those of the session `but`."""
        for mailbox in self.mailboxes(user_id):
            if mailbox.session_id != but:
                mailbox.close(SESSION_ENDED, reason)

    def drop_sessions(self, session_ids: Container[str]) -> None:
        """Close the sockets of these sessions, which have ended elsewhere."""
        for mailbox in self._all():
            if mailbox.session_id in session_ids:
                mailbox.close(SESSION_ENDED)

    @property
    def session_ids(self) -> set[str]:
        """The sessions that have an open socket."""
        return {mailbox.session_id for mailbox in self._all()}

    def _all(self) -> list[Mailbox[Event]]:
        return [mailbox for mailboxes in self._mailboxes.values() for mailbox in mailboxes]

    def close_all(self) -> None:
        """Close all mailboxes, and any opened later, with RESTART, so that clients reconnect."""
        self._closing = True
        self._restart_all()

    def _restart_all(self) -> None:
        for mailbox in self._all():
            mailbox.close(RESTART)

    @property
    def waiting(self) -> int:
        """Events in all mailboxes."""
        return sum(mailbox.waiting for mailboxes in self._mailboxes.values() for mailbox in mailboxes)

    def __len__(self) -> int:
        return sum(len(mailboxes) for mailboxes in self._mailboxes.values())
