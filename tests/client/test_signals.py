"""Receipts and typing: off until one turns them on, sent and shown only then; false ones are ignored."""

from __future__ import annotations

from typing import Any

from ezdms import crypto
from ezdms.client.account import now
from ezdms.client.live import Frame
from tests.support.people import PEOPLE
from tests.support.someone import until
from tests.support.talking import Talk

EVE = PEOPLE["eve"]


async def test_receipts_and_typing_are_sent_and_shown_only_while_both_have_turned_them_on(talk: Talk) -> None:
    alice, bob, where = talk.alice, talk.bob, talk.with_bob.conversation_id
    assert not alice.has_receipts
    assert not alice.has_typing
    await talk.says("one")
    for client in (alice, bob):
        await client.mark_read(where)
        await client.typing(where)
    assert await alice._transport.get(f"/signals/{where}") == []
    await bob.set_receipts(True)  # his are sent, and she does not look at them
    await bob.mark_read(where)
    await until(lambda: _slots(talk, where, {"read"}))
    assert talk.told[alice] == []
    await alice.set_receipts(True)
    for client in (alice, bob):
        await client.set_typing(True)
    await alice.send(talk.with_bob, "two")

    def told() -> list[tuple[str, int]]:
        return [(event.kind, event.n) for event in talk.told[alice] if event.kind != "message"]

    await until(lambda: told() == [("delivered", 2)])
    await bob.mark_read(where)
    await bob.mark_read(where)
    await bob.typing(where)
    await bob.typing(where)  # too soon for another one
    await until(lambda: len(told()) >= 3)
    assert told() == [("delivered", 2), ("read", 2), ("typing", 0)]
    contact = alice.state.values["contacts"][where]
    assert contact["told"] == {"delivered": 2, "read": 2}
    assert await alice._signals.stored(where) == []  # told before


async def _slots(talk: Talk, where: str, slots: set[str]) -> bool:
    found = await talk.alice._transport.get(f"/signals/{where}")
    return slots <= {one["slot"] for one in found}


async def test_signals_that_are_old_forged_misdirected_or_about_nothing_are_ignored(talk: Talk) -> None:
    alice, bob, where = talk.alice, talk.bob, talk.with_bob.conversation_id
    await alice.set_receipts(True)
    await alice.set_typing(True)
    first, second = await talk.says("one"), await talk.says("two")
    m = (second.n, second.hash)
    moment = now()

    def frame(slot: str, author: crypto.Keys = bob.keys, reader: crypto.Keys = alice.keys, **more: Any) -> Frame:
        body: dict[str, Any] = {"kind": slot or "typing", "m": m if slot else (0, ""), "ts": moment, **more}
        return Frame(where, slot, crypto.seal_signal(author, reader.ik, reader.spki, **body))

    read, typing = frame("read"), frame("")
    false = {
        "forged": frame("read", EVE),
        "for another person": Frame(where, "read", frame("read", reader=EVE).sealed),
        "her own": frame("read", alice.keys, bob.keys),
        "another slot": Frame(where, "delivered", read.sealed),
        "typing in a slot": Frame(where, "read", typing.sealed),
        "a slot that does not exist": Frame(where, "seen", read.sealed),
        "another conversation": Frame("0" * 24, "read", read.sealed),
        "a message never sent": frame("read", m=(3, second.hash)),
        "another hash": frame("read", m=(2, first.hash)),
        "far ahead": frame("read", m=(2**53 - 1, second.hash)),
        "from the past": frame("", ts=moment - 660_000),
        "from the future": frame("", ts=moment + 660_000),
        "garbage": Frame(where, "read", "a.b.c.d.e"),
    }
    for name, one in false.items():
        assert await alice._signals.take(one) is None, name
    for good, kind in ((read, "read"), (typing, "typing")):
        event = await alice._signals.take(good)
        assert event is not None
        assert (event.kind, event.contact) == (kind, "bob")
        assert await alice._signals.take(good) is None, "replayed"
    assert await alice._signals.take(frame("read", m=(1, first.hash))) is None, "fewer than before"
    assert await alice._signals.take(frame("", ts=moment - 1)) is None, "before the last one"
    await alice.set_receipts(False)
    assert await alice._signals.take(frame("delivered")) is None, "turned off"
