"""One function per HTML fragment. Responses and sockets use the same templates; no template marks text as safe.

A fragment used by a page is data: elements without text, whose attributes have an exact form (static/js/guard.js checks
the same form). The page renders what it verified.
"""

from __future__ import annotations

from collections.abc import Sequence

from ezdms.models.conversation import Conversation, Line
from ezdms.models.message import Message
from ezdms.models.session import Device, Session
from ezdms.models.signal import Signal
from ezdms.views.rendering import render


def alert(sentence: str) -> str:
    """One sentence for the page's alert region."""
    return render("fragments/alert.html", sentence=sentence)


def notice(sentence: str) -> str:
    """One sentence that is not an error."""
    return render("fragments/notice.html", sentence=sentence)


def account(username: str, search_pin: str) -> str:
    """The response to a registration or login."""
    return render("fragments/account.html", username=username, search_pin=search_pin)


def device_list(session: Session, devices: Sequence[Device]) -> str:
    """The list of the user's devices."""
    return render("fragments/device_list.html", session=session, devices=devices)


def conversation_list(conversations: Sequence[Conversation]) -> str:
    """Every conversation, latest first."""
    return render("fragments/conversation_list.html", conversations=conversations)


def conversation_item(conversation: Conversation) -> str:
    """One line of the conversation list."""
    return render(
        "fragments/conversation_item.html", conversation=conversation, statement=conversation.partner_statement
    )


def message_list(messages: Sequence[Message], *, user_id: str, older_than: int | None = None) -> str:
    """Messages by rising seq, preceded by an element that loads the page before seq `older_than`."""
    return render("fragments/message_list.html", messages=messages, user_id=user_id, older_than=older_than)


def preview_list(previews: Sequence[Message], *, user_id: str) -> str:
    """The newest message of each of several conversations, for their lines in the list."""
    return render("fragments/preview_list.html", previews=previews, user_id=user_id)


def thread(conversation: Conversation, messages: Sequence[Message], last_sent: Message | None, *, user_id: str) -> str:
    """What a page needs to open a conversation: the partner, the user's own last message, and the newest messages."""
    return render(
        "fragments/thread.html",
        conversation=conversation,
        messages=messages,
        last_sent=last_sent,
        user_id=user_id,
        older_than=messages[0].seq if messages and messages[0].seq > 1 else None,
    )


def message_arrived(message: Message, line: Line | Conversation, user_id: str) -> str:
    """A new message, for a socket with its conversation open, and the conversation's updated line in the list."""
    return render(
        "fragments/message_arrived.html",
        message=message,
        conversation=line,
        statement="",
        preview=None,
        user_id=user_id,
    )


def conversation_changed(line: Line | Conversation, preview: Message | None = None, user_id: str = "") -> str:
    """The conversation's updated line, which moves to the top of the list, with the new message if there is one."""
    statement = line.partner_statement if isinstance(line, Conversation) else ""
    return render(
        "fragments/conversation_changed.html", conversation=line, statement=statement, preview=preview, user_id=user_id
    )


def signal_arrived(conversation_id: str, slot: str, sealed: str) -> str:
    """A signal of the other person, for a socket."""
    signal = {"slot": slot, "sealed": sealed}
    return render("fragments/signal_arrived.html", conversation_id=conversation_id, signal=signal)


def signal_list(conversation_id: str, signals: Sequence[Signal]) -> str:
    """The other person's receipts in a conversation."""
    return render("fragments/signal_list.html", conversation_id=conversation_id, signals=signals)


def vault_stored(version: int) -> str:
    """The user's vault has this version now, for a socket."""
    return render("fragments/vault_stored.html", version=version)
