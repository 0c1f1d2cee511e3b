"""Mailboxes: who gets what, and what happens to a reader that does not read."""

from __future__ import annotations

import asyncio

from ezdms.hub import Hub
from ezdms.hub.memory import LARGEST_MAILBOX, RESTART, SESSION_ENDED, TOO_SLOW


async def test_an_event_reaches_every_mailbox_of_its_user_and_no_other() -> None:
    hub = Hub[str]()
    first, second = hub.subscribe("alice", "s1"), hub.subscribe("alice", "s2")
    other = hub.subscribe("bob", "s3")
    hub.publish("alice", "one")
    hub.publish("bob", "two")
    assert await first.get() == await second.get() == "one"
    assert await other.get() == "two"


async def test_an_overflowing_mailbox_closes_and_the_others_continue() -> None:
    hub = Hub[str]()
    slow, quick = hub.subscribe("alice", "s1"), hub.subscribe("alice", "s2")
    for i in range(LARGEST_MAILBOX + 10):
        hub.publish("alice", str(i))
        assert await quick.get() == str(i)
    assert (slow.close_code, await slow.get()) == (TOO_SLOW, None)
    assert quick.close_code is None


async def test_ending_a_session_closes_only_its_mailboxes() -> None:
    hub = Hub[str]()
    ended, other = hub.subscribe("alice", "s1"), hub.subscribe("alice", "s2")
    hub.end_session("alice", "s1")
    assert (ended.close_code, other.close_code) == (SESSION_ENDED, None)
    assert await asyncio.wait_for(ended.get(), 1) is None


async def test_a_stopping_server_closes_all_mailboxes_including_late_ones() -> None:
    hub = Hub[str]()
    early = hub.subscribe("alice", "s1")
    hub.close_all()
    late = hub.subscribe("bob", "s2")
    assert early.close_code == late.close_code == RESTART


def test_a_closed_socket_leaves_no_mailbox() -> None:
    async def main() -> None:
        hub = Hub[str]()
        mailbox = hub.subscribe("alice", "s1")
        assert len(hub) == 1
        hub.unsubscribe(mailbox)
        hub.unsubscribe(mailbox)
        hub.publish("alice", "one")
        assert (len(hub), hub.mailboxes("alice")) == (0, ())

    asyncio.run(main())
