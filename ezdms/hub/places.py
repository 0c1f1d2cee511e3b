"""The open sockets of each user at all processes, counted on the bus.

A process counts under a lease, which it renews. What a process that died has counted counts until its lease runs out.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from weakref import WeakValueDictionary

from ezdms.hub.memory import Mailbox

LEASE = 15  # seconds, by the clock of the bus
COUNTED_FOR = 3600  # seconds that a count is kept without a word about it
TELL_EVERY = 900.0  # seconds after which all counts are told again

# The lease goes on, or else -1: it has run out, and others may have forgotten what was counted under it.
RENEW = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return -1 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('EXPIRE', KEYS[1], tonumber(ARGV[3]))
"""
BEGIN = """
redis.call('ZADD', KEYS[1], redis.call('TIME')[1] + tonumber(ARGV[2]), ARGV[1])
redis.call('EXPIRE', KEYS[1], tonumber(ARGV[3]))
return 1
"""
# 1 if this process may have so many sockets of this user, together with those at the others; else 0, uncounted.
TAKE = f"""{RENEW}
local sum, found = tonumber(ARGV[5]), redis.call('HGETALL', KEYS[2])
for i = 1, #found, 2 do
  if found[i] ~= ARGV[1] then
    if redis.call('ZSCORE', KEYS[1], found[i]) then sum = sum + tonumber(found[i + 1])
    else redis.call('HDEL', KEYS[2], found[i]) end
  end
end
if sum > tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], tonumber(ARGV[3]))
return 1
"""
LEASES = ("leases",)
Asks = Callable[..., Coroutine[Any, Any, Any]]


class Places:
    """What this process counts. `ask`: the bus's answer to a command, None while it is away. `count(user_id)`: the
    sockets here that have a place. `users()`: who has any."""

    def __init__(self, ask: Asks, count: Callable[[str], int], users: Callable[[], Iterable[str]]) -> None:
        self._ask = ask
        self._count = count
        self._users = users
        self._lease = ""
        self._beginning = asyncio.Lock()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # one socket of a user at a time
        self._told_all = 0.0

    async def take(self, mailbox: Mailbox[Any], most: int) -> None:
        """Give the socket a place if its user has fewer sockets than `most` at all processes; here, while the bus is
        away."""
        has_begun = False
        async with self._turn(mailbox.user_id):
            mailbox.has_place = self._count(mailbox.user_id) < most  # whatever ends this, the place is given up with it
            while mailbox.has_place:
                lease, here = self._lease, str(self._count(mailbox.user_id))
                given = (lease, str(LEASE), str(COUNTED_FOR), str(most), here)
                found = await self._ask("EVAL", TAKE, "2", LEASES, _key(mailbox.user_id), *given)
                if found != -1:
                    mailbox.has_place = found != 0
                    break
                has_begun |= await self._begin_again(lease)
        if has_begun:
            await self._tell_all()

    async def tell(self, user_id: str) -> None:
        """Say how many sockets of this user there are here now."""
        async with self._turn(user_id):
            count = self._count(user_id)
            if self._lease and count:
                await self._ask("HSET", _key(user_id), self._lease, str(count))
                await self._ask("EXPIRE", _key(user_id), str(COUNTED_FOR))
            elif self._lease:
                await self._ask("HDEL", _key(user_id), self._lease)

    async def renew(self) -> None:
        """Renew the lease, if there is one."""
        lease = self._lease
        has_ended = lease and await self._ask("EVAL", f"{RENEW} return 1", "1", LEASES, lease, str(LEASE)) == -1
        if (has_ended and await self._begin_again(lease)) or time.monotonic() - self._told_all > TELL_EVERY:
            await self._tell_all()

    def lose(self) -> Coroutine[Any, Any, Any]:
        """Count anew: sockets may have been closed while the bus was away. It is told by what this returns."""
        lease, self._lease = self._lease, ""
        return self._ask("ZREM", LEASES, lease)

    def _turn(self, user_id: str) -> asyncio.Lock:
        turn = self._turns.get(user_id) or asyncio.Lock()
        self._turns[user_id] = turn
        return turn

    async def _begin_again(self, lost: str) -> bool:
        """Begin a new lease. False if that was done meanwhile, or the bus is away."""
        async with self._beginning:
            lease = secrets.token_hex(8)
            given = (lease, str(LEASE), str(COUNTED_FOR))
            if self._lease != lost or await self._ask("EVAL", BEGIN, "1", LEASES, *given) is None:
                return False
            self._lease = lease
            return True

    async def _tell_all(self) -> None:
        self._told_all = time.monotonic()
        for user_id in tuple(self._users()):
            await self.tell(user_id)


def _key(user_id: str) -> tuple[str, str]:
    return ("sockets", user_id)
