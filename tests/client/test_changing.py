"""Two people reply, edit, delete, react, hide and let messages disappear, against a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import ClientError
from ezdms.client.drafts import Draft
from tests.support.talking import Talk

SECRET = "the key is under the mat"


def files_of(home: Path) -> bytes:
    """What the three clients have on disk."""
    folders = [home / name for name in ("alice", "second", "bob")]
    return b"".join(path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file())


async def test_everything_one_can_do_to_a_message_reaches_all(talk: Talk) -> None:
    message = await talk.says("helo")
    theirs = (await talk.page(talk.bob))[-1]
    await theirs.react("👍")
    for client in talk.told:
        (event,) = await talk.hears(client, "reacted")
        assert event.is_own == (client is talk.bob)
        assert event.message is not None
        assert event.message.reactions == {"own" if client is talk.bob else "theirs": "👍"}
    await theirs.react("")
    await message.edit("hello")
    for client in talk.told:
        events = await talk.hears(client, "reacted", "edited")
        assert [event.message and event.message.text for event in events] == ["helo", "hello"]
        assert events[0].message is not None
        assert events[0].message.reactions == {}
    await theirs.reply("hi")
    for client in talk.told:
        (event,) = await talk.hears(client, "message")
        assert event.message is not None
        assert event.message.answers is not None
        assert (event.message.answers.text, event.message.answers.state) == ("hello", "edited")
    await message.delete()
    for client in talk.told:
        (event,) = await talk.hears(client, "deleted")
        assert (event.message and event.message.text, event.is_own) == (None, client is not talk.bob)
    assert await talk.agree() == [("deleted", None), ("text", "hi")]
    answer = (await talk.page(talk.bob))[-1].answers
    assert answer is not None
    assert (answer.text, answer.state) == (None, "deleted")


async def test_what_cannot_be_done_is_refused_before_anything_is_sent(
    talk: Talk,
) -> None:
    message = await talk.says("one")
    theirs = (await talk.page(talk.bob))[-1]
    late = replace(message, created_at=message.created_at - 86_400_001)
    acts: list[tuple[Callable[[], Coroutine[Any, Any, Any]], str]] = [
        (lambda: theirs.edit("mine"), "Only the person who sent a message"),
        (lambda: theirs.delete(), "Only the person who sent a message"),
        (lambda: late.edit("late"), "24 hours"),
        (lambda: message.edit(""), "Write something first"),
        (lambda: message.edit("x" * 501), "at most 500"),
        (lambda: message.react("x"), "one emoji"),
        (lambda: message.react("👍" * 17), "one emoji"),
        (lambda: message.react("👍" * 60), "one emoji"),
        (lambda: message.reply("\0"), "control"),
        (lambda: talk.alice.set_timer(talk.with_bob, 4), "0 or 5 to 31536000"),
        (lambda: talk.alice.set_timer(talk.with_bob, 31_536_001), "0 or 5 to 31536000"),
        (lambda: replace(message, hash="A" * 43).delete(), "has not been loaded"),
        (lambda: replace(message, message_id="A" * 22).delete(), "does not show this message"),
        (lambda: replace(message, state="withheld").reply("what?"), "does not hand over"),
        (lambda: replace(message, state="timer").react("👍"), "not a message that can be changed"),
    ]
    for act, sentence in acts:
        with pytest.raises((ClientError, crypto.Refused), match=sentence):
            await act()
    await message.delete()
    with pytest.raises(ClientError, match="was deleted"):
        await message.edit("again")
    with pytest.raises(ClientError, match="was deleted"):
        await message.delete()
    assert talk.alice.waiting() == talk.bob.waiting() == []
    assert await talk.agree() == [("deleted", None)]


async def test_two_devices_that_change_one_message_at_once_agree(talk: Talk) -> None:
    first = await talk.says("one")
    other = (await talk.page(talk.second))[-1]
    await asyncio.gather(*(one.edit(f"{i}") for i, one in enumerate([first, other] * 3)))
    ((state, text),) = await talk.agree()
    assert (state, text) in {("edited", str(i)) for i in range(6)}
    await first.delete()
    assert await talk.agree() == [("deleted", None)]
    rows = await talk.alice.sealed(talk.with_bob, 0, 100)
    assert [row.encrypted is None for row in rows] == [True] * 7 + [False]
    assert {message.place for message in await talk.page(talk.bob)} == {"ok"}


async def test_changes_that_waited_are_made_anew_after_another_device(talk: Talk) -> None:
    message = await talk.says("one")
    talk.server.stop()
    talk.alice._transport.patience = 0.1
    for text in ("from the first", "from the first again"):
        draft = Draft(text, 1_790_000_000_000, "edit", (message.message_id, message.hash))
        talk.alice._outbox.add(talk.with_bob, draft)
    with pytest.raises(ClientError):
        await talk.alice.flush(talk.with_bob)
    assert [one.kind for one in talk.alice.waiting()] == ["edit", "edit"]
    talk.server.start()
    other = (await talk.page(talk.second))[-1]
    await other.edit("from the second")
    await talk.alice.flush(talk.with_bob)
    assert talk.alice.waiting() == []
    assert await talk.agree() == [("edited", "from the first again")]
    assert [message.state for message in await talk.page(talk.bob)] == ["edited"]  # e proves all three


async def test_discarding_a_queued_edit_changes_what_the_next_one_proves(talk: Talk) -> None:
    message = await talk.says("one")
    about = (message.message_id, message.hash)
    for text in ("two", "three"):
        talk.alice._outbox.add(talk.with_bob, Draft(text, 1_790_000_000_000, "edit", about))
    await talk.alice.discard(talk.alice.waiting()[0])
    await talk.alice.flush(talk.with_bob)
    assert await talk.agree() == [("edited", "three")]
    await message.edit("four")
    assert await talk.agree() == [("edited", "four")]


async def test_what_is_hidden_is_gone_for_me_alone_and_stays_gone(talk: Talk) -> None:
    await talk.says("one")
    theirs = (await talk.page(talk.bob))[-1]
    await theirs.hide()
    assert [(one.state, one.text) for one in await talk.page(talk.bob)] == [("hidden", None)]
    assert [(one.state, one.text) for one in await talk.page(talk.alice)] == [("text", "one")]
    mine = (await talk.page(talk.alice))[-1]
    await mine.edit("uno")
    assert [(one.state, one.text) for one in await talk.page(talk.bob)] == [("hidden", None)]
    with pytest.raises(ClientError, match="You deleted this message for yourself"):
        await (await talk.page(talk.bob))[-1].reply("?")
    assert talk.bob.state.place(talk.with_alice.conversation_id)["marks"] == {}


async def test_a_mark_that_did_not_arrive_is_sent_the_next_time(talk: Talk, tmp_path: Path) -> None:
    await talk.says("one")
    mine = (await talk.page(talk.alice))[-1]
    where = talk.with_bob.conversation_id
    talk.server.stop()
    talk.alice._transport.patience = 0.1
    with pytest.raises(ClientError):
        await mine.hide()
    talk.server.start()
    assert (await talk.alice.sealed(where, 0, 1))[0].encrypted
    assert [(one.state, one.text) for one in await talk.page(talk.alice)] == [("hidden", None)]
    await talk.alice._flush_what_was_left()
    assert (await talk.alice.sealed(where, 0, 1))[0].encrypted is None


async def test_messages_disappear_at_their_time_also_without_a_server(talk: Talk) -> None:
    await talk.alice.set_timer(talk.with_bob, 5)
    for client in talk.told:
        (event,) = await talk.hears(client, "timer")
        assert (event.message and event.message.timer, event.is_own) == (5, client is not talk.bob)
    assert await talk.bob.timer(talk.with_alice) == 5
    sent = time.monotonic()
    await talk.bob.send(talk.with_alice, SECRET)
    for client in talk.told:
        (event,) = await talk.hears(client, "message")
        assert event.message is not None
        assert event.message.expires_at == event.message.created_at + 5000
    talk.server.stop()
    for client in talk.told:
        (event,) = await talk.hears(client, "expired")
        assert (event.message and event.message.state, event.message and event.message.text) == ("expired", None)
        assert 4.5 < time.monotonic() - sent < 15
        assert SECRET not in repr([one.entries for one in client._conversations._live.values()])
    talk.server.start()
    assert await talk.agree() == [("timer", None), ("expired", None)]
    conversation = await talk.alice.conversation(talk.with_bob)
    await conversation.set_timer(0)
    await talk.hears(talk.bob, "timer")
    await talk.bob.send(talk.with_alice, "stays")
    assert (await conversation.history())[-1].expires_at is None


async def test_a_timer_counts_for_a_program_that_only_sends(talk: Talk) -> None:
    await talk.bob.set_timer(talk.with_alice, 3600)
    await talk.alice.contacts()
    await talk.alice.send(talk.with_bob, "short")
    assert (await talk.page(talk.bob))[-1].lifetime == 3600


async def test_a_stale_message_is_not_sent_as_it_is(talk: Talk) -> None:
    await talk.alice.set_timer(talk.with_bob, 3600)
    old = time.time_ns() // 1_000_000 - 3_700_000
    draft = Draft("never tried", old, x=3600)
    talk.alice._outbox.add(talk.with_bob, draft)
    await talk.alice.flush(talk.with_bob)
    (message,) = (await talk.page(talk.bob))[1:]
    assert message.signed_at is not None
    assert message.signed_at > old + 3_600_000
    talk.alice._outbox.add(talk.with_bob, Draft("tried", old, x=3600))
    with talk.alice.state.change() as values:
        values["outbox"][0]["is_tried"] = True
    (waiting,) = talk.alice.waiting()
    assert waiting.is_stale
    with pytest.raises(ClientError, match="more than an hour ago"):
        await talk.alice.send(talk.with_bob, "behind it")
    await talk.alice.send_again(waiting)
    assert [one.text for one in await talk.page(talk.bob)][1:] == ["never tried", "tried", "behind it"]
    assert talk.alice.waiting() == []


async def test_nothing_that_is_gone_stays_in_the_clients_files(talk: Talk) -> None:
    for end in ("edit", "delete", "expire"):
        if end == "expire":
            await talk.alice.set_timer(talk.with_bob, 5)
        talk.server.stop()
        talk.alice._transport.patience = 0.1
        with pytest.raises(ClientError):
            await talk.alice.send(talk.with_bob, SECRET)
        (item,) = talk.alice.state.values["outbox"]
        assert item["content_for_a"].encode() in files_of(talk.home)
        assert SECRET.encode() not in files_of(talk.home)
        talk.server.start()
        await talk.alice.flush(talk.with_bob)
        sent = (await talk.page(talk.alice))[-1]
        await (sent.edit("new") if end == "edit" else sent.delete() if end == "delete" else asyncio.sleep(5))
        await talk.agree()
        for sealed in (item["content_for_a"], item["content_for_b"], SECRET):
            assert sealed.encode() not in files_of(talk.home)
