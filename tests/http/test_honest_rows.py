"""Whatever two people do, the rows of an honest server prove themselves: a reader finds nothing withheld."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from quart import Quart

from ezdms import crypto
from ezdms.actions import sweeping
from ezdms.actions.sweeping import DAY, Sweeper
from ezdms.client.changes import Fact, next_e, proven_reason, shown, target_of
from ezdms.db import now
from ezdms.models import message
from tests.http.test_changes import rows
from tests.http.test_marks import hide, marked
from tests.support.people import Person
from tests.support.usage import usage

RETENTION = 3  # days
STEPS = 60


@dataclass
class Text:
    """A text as the model knows it. `state` is what it says now; times in ms."""

    author: Person
    id: str
    hash: str
    text: str
    x: int
    created_at: int
    changed_at: int = 0
    is_deleted: bool = False
    hidden: set[str] = field(default_factory=set)


class World:
    """Two people, a clock, and a model of what each must see."""

    def __init__(self, app: Quart, people: list[Person], conversation_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.people, self.conversation_id = people, conversation_id
        self.clock = now()
        self.texts: list[Text] = []
        self.opened: dict[tuple[str, str], crypto.Message] = {}
        self.lives: dict[str, int] = {}  # lifetimes by hash, as both saw them
        self.sweeper = Sweeper(app.extensions["ezdms.database"], retention=RETENTION)
        for module in (message, sweeping):
            monkeypatch.setattr(module, "now", lambda: self.clock)

    async def send(self, author: Person, **body: Any) -> Text:
        """Send a message of any kind, as a client does."""
        other = next(one for one in self.people if one is not author)
        fields = author.seal(other, ts=self.clock, **body)
        kind, text, x = body.get("kind", "text"), body["text"], body.get("x", 0)
        about = text[:22] if kind == "delete" else body.get("reference", ("",))[0] if kind == "edit" else ""
        response = await author.post("/send_message", fields | {"expires_in": x, "replaces": about})
        assert response.status_code == 201, await response.get_data()
        self.lives[fields["hash"]] = x
        return Text(author, fields["message_id"], fields["hash"], text, x, self.clock)

    async def facts(self, person: Person) -> list[Fact]:
        """The rows as a client judges them that has seen everything."""
        return [self._fact(person, row) for row in await rows(person, self.conversation_id)]

    def _fact(self, person: Person, row: dict[str, Any]) -> Fact:
        is_own = row["sender_id"] == person.user_id
        sender = person if is_own else next(one for one in self.people if one is not person)
        side = "own" if is_own else "theirs"
        more: dict[str, Any] = {"side": side, "id": row["message_id"], "n": row["n"], "hash": row["hash"]}
        more |= {"created_at": row["created_at"], "replaces": row["replaces"]}
        if row["encrypted"] is None:
            reason = proven_reason(
                row["gone"],
                is_own=is_own,
                created_at=row["created_at"],
                expires_in=row["expires_in"],
                now=self.clock,
                is_marked=row["mark"] is not None,
                seen_x=self.lives[row["hash"]],
                retention=RETENTION,
            )
            return Fact(**more, is_empty=True, reason=reason)
        key = (person.username, row["hash"])
        if key not in self.opened:
            other = next(one for one in self.people if one is not sender)
            claimed = {name: row[name] for name in ("message_id", "n", "hash", "suite")}
            self.opened[key] = crypto.open_message(
                person.keys, sender.keys.ik, other.keys.ik, row["encrypted"], **claimed
            )
        body = self.opened[key]
        content = {name: getattr(body, name) for name in ("kind", "text", "reference", "e", "x", "ts")}
        assert row["expires_in"] == body.x
        return Fact(**more, **content)

    def expected(self, text: Text, person: Person) -> tuple[str, str]:
        """The state and text that this person must see."""
        is_old = self.clock - text.created_at > RETENTION * DAY
        is_over = text.x and text.created_at + text.x * 1000 <= self.clock
        changed_is_old = self.clock - text.changed_at > RETENTION * DAY
        if text.is_deleted and not changed_is_old:
            return "deleted", ""
        if person.username in text.hidden:
            return "hidden", ""
        if is_over:
            return "expired", ""
        if is_old and (not text.changed_at or changed_is_old):
            return "retention", ""
        return ("edited" if text.changed_at else "text"), text.text

    async def check(self) -> None:
        """Compare what each sees with the model."""
        await self.sweeper.expire()
        await self.sweeper.retire()
        for person in self.people:
            facts = await self.facts(person)
            views = dict(zip([fact.id for fact in facts], shown(facts, now=self.clock), strict=True))
            known = {text.id: text for text in self.texts}
            for text in self.texts:
                view = views[text.id]
                assert view is not None
                assert (view.state, view.text) == self.expected(text, person), text
            for fact in facts:
                view = views[fact.id]
                if fact.id not in known and view is not None and view.state == "withheld":
                    # An edit disappears together with its text, before the time that a reader can prove.
                    target = known[str(fact.replaces)]
                    assert self.expected(target, person)[0] == "expired"
                    assert fact.created_at + target.x * 1000 > self.clock
                assert fact.is_empty or target_of(fact) is None or view is None


@pytest.mark.parametrize("seed", range(6))
async def test_rows_of_an_honest_server_prove_why_they_are_empty(
    app: Quart, alice: Person, bob: Person, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)  # noqa: S311
    world = World(app, [alice, bob], await alice.start(bob), monkeypatch)
    done = set()
    for step in range(STEPS):
        author = dice.choice(world.people)
        world.clock += dice.choice([1, *[20_000] * 12, DAY // 4, 2 * DAY])
        act = dice.choice(["text", "text", "text", "edit", "edit", "edit", "delete", "hide"])
        living = [
            text
            for text in world.texts
            if (act == "hide" or text.author is author) and world.expected(text, author)[0] in ("text", "edited")
        ]
        if act == "text" or not living:
            x = dice.choice([0, 60, 60, 3600])
            world.texts.append(await world.send(author, text=f"text {step}", x=x))
        elif act == "hide":
            text = dice.choice(living)
            fields = {"message_id": text.id, "hash": text.hash}
            assert await hide(author, marked(author, world.conversation_id, fields)) == (204, "")
            text.hidden.add(author.username)
        else:
            text = dice.choice(living)
            facts = await world.facts(author)
            e = next_e(facts, "own", (text.id, text.hash))
            text.changed_at = world.clock
            if act == "edit":
                text.text = f"edit {step}"
                about = {"reference": (text.id, text.hash), "x": text.x}
                await world.send(author, kind="edit", text=text.text, e=e, **about)
            else:
                text.is_deleted = True
                await world.send(author, kind="delete", text=f"{text.id} {text.hash}", e=e)
        done.add(act)
        if step % 3 == 2:
            await world.check()
    await world.check()
    await usage(app, alice)
    assert done == {"text", "edit", "delete", "hide"}
