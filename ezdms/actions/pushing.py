"""Tells a user's devices, through the push services of their browsers, that there is a new message. Nothing else."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from urllib.parse import urlsplit

from ezdms import logs
from ezdms.actions import outward, tasks
from ezdms.actions.event import Event
from ezdms.actions.web_push import authorization, new_key, parse_subscription, private_key, public_bytes, seal
from ezdms.db import Database, Unavailable, now
from ezdms.hub import Hub
from ezdms.models.push import (
    Stored,
    delete_subscription,
    insert_push_key,
    replace_subscription,
    select_subscribers,
    select_subscriptions,
)
from ezdms.models.session import Session
from ezdms.problem import Problem
from ezdms.protocol.encoding import EnvelopeError, b64u_encode

PAYLOAD = b"New message"  # always: no name, no text, no id
HEADERS = {
    "Content-Encoding": "aes128gcm",
    "Content-Type": "application/octet-stream",
    "TTL": str(24 * 60 * 60),  # seconds for which the service keeps it for a device that is off
    "Urgency": "high",
    "Topic": "new-message",  # a newer one takes the place of one not delivered yet
}
GONE = (404, 410)  # the subscription has ended (RFC 8030, 7.3)
MOST = 50  # subscriptions of one account
AT_ONCE, AT_ONCE_EACH = 64, 4  # requests to push services, of all users and of one
SLOW = 3.0  # seconds for an answer; push services take a fraction of one
SILENT_AT_ONCE = 8  # of all users with a host that did not answer, or was slow: nobody else waits for those
FIRST_REST, LONGEST_REST = 60.0, 60 * 60.0  # seconds without a try
MOST_RESTS = 10_000  # remembered


class Pusher:
    """At most one task for each user. Messages that come meanwhile are one push more, when it has ended."""

    def __init__(self, database: Database, hub: Hub[Event], *, allow_local: bool) -> None:
        self._database, self._hub = database, hub
        self._allow_local = allow_local
        self._subscribers: set[str] = set()  # users who may have a subscription, or had one since the start
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        # An endpoint that refused, or a host that did not answer: until when (loop time), and how long. They are of a
        # user, so that nobody can keep others from a service, and stay when the user subscribes again.
        self._rests: dict[tuple[str, str], tuple[float, float]] = {}
        self._silent: dict[str, float] = {}  # user with a host that did not answer, or was slow → until when
        self._room, self._silent_room = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(SILENT_AT_ONCE)
        self._trouble = logs.Seldom("a push service refused or did not answer")

    async def start(self) -> None:
        """Read this server's key, made at its first start, and who is subscribed. Raises Unavailable."""
        self._key = private_key(await self._database.write(insert_push_key, push_key=new_key()))
        self._subscribers = await self._database.read(select_subscribers)
        self._hub.on_message = self.ring

    async def close(self) -> None:
        """Stop. What is not sent is not sent later."""
        await tasks.stop(*self._tasks.values())

    @property
    def public_key(self) -> str:
        """What a browser subscribes with (`applicationServerKey`): b64u of 65 bytes."""
        return b64u_encode(public_bytes(self._key))

    async def subscribe(self, session: Session, origin: str, *, endpoint: str, p256dh: str, auth: str) -> None:
        """Store the subscription of this session. Problem 400, 409 or 422, or Unavailable."""
        try:
            parse_subscription(endpoint, p256dh, auth)
        except EnvelopeError as error:
            raise Problem(400, "malformed_field", "The keys of this push subscription are not valid.") from error
        try:
            await outward.look_up(endpoint, allow_local=self._allow_local)
        except outward.Refused as error:
            raise Problem(422, "endpoint", f"No push can be sent to this address. {error}") from error
        others = await self._database.read(select_subscriptions, user_id=session.user_id)
        if len([one for one in others if one.session_id != session.session_id]) >= MOST:
            sentence = f"{MOST} of your devices get notifications already. Turn them off on one of them, or log it out."
            raise Problem(409, "too_many", sentence)
        self.know(session.user_id)
        self._hub.announce("subscriber", session.user_id)
        is_stored = await self._database.write(
            replace_subscription,
            session_id=session.session_id,
            user_id=session.user_id,
            endpoint=endpoint,
            p256dh=p256dh,
            auth=auth,
            origin=origin,
        )
        if not is_stored:
            raise Problem(401, "no_session", "Please log in.")

    def know(self, user_id: str) -> None:
        """This user has a subscription, also if another process was told."""
        self._subscribers.add(user_id)

    async def know_all(self) -> None:
        """Read again who is subscribed."""
        with suppress(Unavailable):
            self._subscribers |= await self._database.read(select_subscribers)

    def ring(self, user_id: str) -> None:
        """There is a new message for this user. Does nothing if they are looking at a page, or nobody is subscribed."""
        if user_id not in self._subscribers or any(mailbox.is_visible for mailbox in self._hub.mailboxes(user_id)):
            return
        if user_id in self._tasks:
            self._again.add(user_id)
        else:
            self._tasks[user_id] = tasks.begin("pushing", self._push_to_all(user_id))

    async def _push_to_all(self, user_id: str) -> None:
        try:
            while not await self._hub.is_watched(user_id):
                self._again.discard(user_id)
                found = await self._database.read(select_subscriptions, user_id=user_id)
                if not found:
                    return
                room = asyncio.Semaphore(1 if self._is_silent(user_id) else AT_ONCE_EACH)
                await asyncio.gather(*(self._push(user_id, one, room) for one in found))
                if user_id not in self._again:
                    return
        except Unavailable:
            pass  # the message is stored, and shown when a page is opened
        finally:
            self._again.discard(user_id)
            del self._tasks[user_id]

    def _rests_now(self, user_id: str, stored: Stored) -> bool:
        moment = asyncio.get_running_loop().time()
        keys = [(user_id, stored.endpoint), (user_id, _host(stored))]
        return any(self._rests.get(key, (0.0, 0.0))[0] > moment for key in keys)

    def _is_silent(self, user_id: str) -> bool:
        return self._silent.get(user_id, 0.0) > asyncio.get_running_loop().time()

    def _rest(self, user_id: str, what: str) -> None:
        moment = asyncio.get_running_loop().time()
        if len(self._rests) >= MOST_RESTS:
            self._rests = {key: rest for key, rest in self._rests.items() if rest[0] > moment}
        seconds = min(self._rests.get((user_id, what), (0.0, FIRST_REST / 2))[1] * 2, LONGEST_REST)
        self._rests[user_id, what] = (moment + seconds, seconds)

    async def _push(self, user_id: str, stored: Stored, room: asyncio.Semaphore) -> None:
        async with room, self._silent_room if self._is_silent(user_id) else self._room:
            if self._rests_now(user_id, stored):  # perhaps since this was waiting
                return
            began = asyncio.get_running_loop().time()
            try:
                status = await self._post(stored)
            except (OSError, outward.Refused):
                status = 0
            ended = asyncio.get_running_loop().time()
        if not status or ended - began > SLOW:
            self._silent[user_id] = ended + LONGEST_REST
        if status in GONE:
            with suppress(Unavailable):  # the next push finds out again
                await self._database.write(delete_subscription, session_id=stored.session_id, endpoint=stored.endpoint)
        if 200 <= status < 300 or status in GONE:
            for what in (stored.endpoint, _host(stored)):
                self._rests.pop((user_id, what), None)
            return
        self._rest(user_id, stored.endpoint if status else _host(stored))
        self._trouble.event(logging.WARNING, service=urlsplit(stored.endpoint).hostname, status=status)

    async def _post(self, stored: Stored) -> int:
        place = await outward.look_up(stored.endpoint, allow_local=self._allow_local)
        contact = stored.origin if stored.origin.startswith("https:") else "mailto:nobody@localhost"
        signed = authorization(self._key, stored.endpoint, contact=contact, moment=now())
        body = seal(PAYLOAD, parse_subscription(stored.endpoint, stored.p256dh, stored.auth))
        return await outward.post(stored.endpoint, place, headers={**HEADERS, "Authorization": signed}, body=body)


def _host(stored: Stored) -> str:
    return urlsplit(stored.endpoint).netloc
