"""What two devices and a partner do in one conversation, in any order, and what each must see then: replayed naively in
the order of the server, without anything that the product uses for that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hypothesis import strategies as st

from ezdms.client import Client, ClientError, Message, changes

REFUSALS = {changes.NO_MESSAGE, changes.NOT_YOURS, *changes.LOST.values()}
EMOJI = ("👍", "🎉", "")
TIMES = ("0", "3600")  # long enough for the test

Side = Literal["own", "theirs"]
Act = tuple[int, str, int]  # who, what, and about which of the messages that they see
acts = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["text", "reply", "edit", "edit", "edit", "react", "react", "react", "delete", "hide", "timer"]),
    st.integers(0, 2),
)
a_round = st.lists(acts, min_size=1, max_size=4)  # at the same time


@dataclass(frozen=True)
class Done:
    """Something that one of the two sent."""

    who: str
    kind: str
    text: str
    target: str = ""


@dataclass
class View:
    """What one of the two must see at one place. `answers`: side, state and text of the quoted message."""

    side: Side
    state: str
    text: str | None = None
    reactions: dict[Side, str] = field(default_factory=dict)
    answers: tuple[str, str, str | None] | None = None


@dataclass
class Past:
    """Everything that was ever done in one conversation, by its id."""

    where: str
    done: dict[str, Done] = field(default_factory=dict)
    hidden: set[tuple[str, str]] = field(default_factory=set)  # who and which
    count: int = 0

    def next(self, kind: str, at: int) -> str:
        """What the next act says: a text that nothing else says, an emoji, or a timer."""
        self.count += 1
        return {"timer": TIMES[at % 2], "react": EMOJI[self.count % 3]}.get(kind, f"{kind} {self.count}")

    async def act(self, client: Client, who: str, kind: str, at: int) -> None:
        """Do one thing with a program. What is refused is not done."""
        page = [one for one in await client.history(self.where, limit=20) if one.state != "timer"]
        text, message = self.next(kind, at), page[-1 - at % len(page)] if page else None
        try:
            if kind == "timer":
                self.done[await client.set_timer(self.where, int(text))] = Done(who, kind, text)
            elif kind == "text" or message is None:
                self.done[await client.send(self.where, text)] = Done(who, "text", text)
            elif kind == "reply":
                self.done[await message.reply(text)] = Done(who, "text", text, message.message_id)
            elif kind == "edit":
                self.done[await message.edit(text)] = Done(who, kind, text, message.message_id)
            elif kind == "delete":
                self.done[await message.delete()] = Done(who, kind, "", message.message_id)
            elif kind == "react":
                self.done[await message.react(text)] = Done(who, kind, text, message.message_id)
            else:
                await message.hide()
                self.hidden.add((who, message.message_id))
        except ClientError as error:
            assert str(error) in REFUSALS  # noqa: PT017 - nothing was sent, and nothing waits

    def seen_by(self, who: str, order: list[str]) -> list[View]:
        """What this person must see. `order`: the ids of all messages, as the server has them."""
        texts: dict[str, str | None] = {}
        edited, reactions = set[str](), dict[tuple[str, str], str]()
        for id in order:
            done = self.done[id]
            if done.kind in ("text", "timer"):
                texts[id] = done.text
            elif done.kind == "delete":
                texts[done.target] = None
            elif done.kind == "edit" and texts[done.target] is not None:
                texts[done.target] = done.text
                edited.add(done.target)
            elif done.kind == "react":
                reactions[done.target, done.who] = done.text
        views = dict[str, View]()
        for id, text in texts.items():
            done = self.done[id]
            view = views[id] = View("own" if done.who == who else "theirs", done.kind, text)
            if text is None:
                view.state = "deleted"
            elif (who, id) in self.hidden:
                view.state, view.text = "hidden", None
            else:
                view.state = "edited" if id in edited else done.kind
                given = {by: emoji for (at, by), emoji in reactions.items() if at == id and emoji}
                view.reactions = {"own" if by == who else "theirs": emoji for by, emoji in given.items()}
                if done.target and view.state == "text":  # an edit replaces the quote, too
                    quoted = views[done.target]  # answers come later
                    view.answers = (quoted.side, quoted.state, quoted.text)
        return list(views.values())


def view_of(message: Message) -> View:
    """What a program is told of a message."""
    quote, timer = message.answers, message.timer
    return View(
        "own" if message.is_own else "theirs",
        message.state,
        message.text if timer is None else str(timer),
        {"own" if side == "own" else "theirs": emoji for side, emoji in message.reactions.items()},
        None if quote is None else ("own" if quote.is_own else "theirs", quote.state, quote.text),
    )
