"""Listens to all conversations at once. An error in one conversation does not stop the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress

from ezdms import crypto
from ezdms.client.account import now
from ezdms.client.conversations import Conversations
from ezdms.client.errors import ClientError, SessionEnded
from ezdms.client.live import Bell, Frame, VaultStored
from ezdms.client.message import Event
from ezdms.client.signals import Signals
from ezdms.client.witness import Witness

HEADS_EVERY = 2.0  # seconds between stores of the read position
TRY_AGAIN = 5.0  # seconds before a failed fetch is retried
LONGEST_WAIT = 60.0  # seconds
MOST_REPORTED = 1000  # warnings remembered, so that each is logged once
log = logging.getLogger(__name__)


class Listener:
    """Receives the messages of one account. Logs each warning once."""

    def __init__(
        self,
        conversations: Conversations,
        witness: Witness,
        signals: Signals,
        retry: Callable[[str], Awaitable[None]],
    ) -> None:
        """`retry(where)`: something happened there, so what waits may be taken now."""
        self._retry = retry
        self._conversations = conversations
        self._witness = witness
        self._signals = signals
        self._reported: set[tuple[str, str]] = set()

    async def events(self, bell: Bell, only: str | None = None) -> AsyncGenerator[Event, None]:
        """Each event once, as the bell rings; with `only`, those of one conversation. Raises SessionEnded.

        Messages disappear at their time, even while a request waits for a server that does not answer.
        """
        news = self._news(bell, only)
        step: asyncio.Future[Event] | None = None
        try:
            while True:
                if self._conversations.next_expiry() is None:
                    yield await anext(news)
                    continue
                step = asyncio.ensure_future(anext(news))
                while not step.done():
                    await asyncio.wait({step}, timeout=self._until_expiry())
                    for event in self._conversations.expired(now()):
                        yield event
                yield step.result()
        finally:
            if step is not None:
                step.cancel()
                await asyncio.gather(step, return_exceptions=True)
            await news.aclose()

    def _until_expiry(self) -> float | None:
        """Seconds until the next delivered message disappears, at most LONGEST_WAIT: clocks can be set."""
        due = self._conversations.next_expiry()
        return None if due is None else min(max(0, due - now()) / 1000, LONGEST_WAIT)

    async def _news(self, bell: Bell, only: str | None) -> AsyncGenerator[Event, None]:
        async for news in bell:
            if isinstance(news, Frame):
                for event in await self._take(news) if only in (None, news.where) else []:
                    yield event
                continue
            if isinstance(news, VaultStored):
                await self._sync(bell)
                continue
            self._witness.begin(now())  # in the background, so that a slow page delays no message
            for where in [news] if news else await self._all(bell):
                if only not in (None, where):
                    continue
                async with aclosing(self._catch_up(where, bell)) as events:
                    async for event in events:
                        yield event
                await self._retry(where)
                await self._signals.tell(where, "delivered")
                for event in [] if news else await self._stored(where):
                    yield event
            await self._conversations.vault.push_what_is_new(every=HEADS_EVERY)

    def report(self, where: str, sentence: str, *, is_printed: bool = False) -> None:
        """Log a warning with the contact's name. `is_printed`: it is also printed with a message."""
        if (where, sentence) not in self._reported:
            if len(self._reported) >= MOST_REPORTED:
                self._reported.clear()
            self._reported.add((where, sentence))
            name = (self._conversations.roster.known(where) or {}).get("name")
            told = f"{name}: {sentence}" if name else sentence
            log.warning("%s", told, extra={"is_printed": is_printed})

    async def _take(self, frame: Frame) -> list[Event]:
        with suppress(ClientError, crypto.ProtocolError):  # it is still there after the next connect
            event = await self._signals.take(frame)
            return [event] if event is not None else []
        return []

    async def _sync(self, bell: Bell) -> None:
        """Take over what another client has stored in the vault, unless this one stored it."""
        claimed, bell.claimed = bell.claimed, 0
        if claimed <= self._conversations.vault.version:
            return
        try:
            await self._conversations.sync()
        except SessionEnded:
            raise
        except (ClientError, crypto.ProtocolError) as error:
            self.report("", str(error))

    async def _stored(self, where: str) -> list[Event]:
        with suppress(ClientError, crypto.ProtocolError):
            return await self._signals.stored(where)
        return []

    async def _all(self, bell: Bell) -> list[str]:
        """The conversations of all contacts, unknown ones last; none if the server's list cannot be fetched now."""
        try:
            listed = [contact.conversation_id for contact in await self._conversations.roster.all()]
            return sorted(listed, key=lambda where: self._conversations.vault.contact(where) is None)
        except SessionEnded:
            raise
        except (ClientError, crypto.ProtocolError) as error:
            self.report("", str(error))
            bell.ring_later(None, TRY_AGAIN)
            return []

    async def _catch_up(self, where: str, bell: Bell) -> AsyncGenerator[Event, None]:
        try:
            async with aclosing(self._conversations.catch_up(where)) as events:
                async for event in events:
                    if event.message is not None and event.message.alarm:
                        self.report(where, event.message.alarm, is_printed=True)
                    yield event
        except SessionEnded:
            raise
        except (ClientError, crypto.ProtocolError) as error:
            self.report(where, str(error))
            if self._conversations.vault.contact(where) is not None:
                bell.ring_later(where, TRY_AGAIN)
        else:
            if self._conversations.has_more(where):
                bell.ring(where)  # after the others had their turn
