"""One function per page and fragment. Page, answer and socket use the same template; no template marks text as safe."""

from __future__ import annotations

from collections.abc import Sequence

from ezdms.models.conversation import Conversation, Line
from ezdms.models.message import Message
from ezdms.models.session import Device, Session
from ezdms.rendering import render


def front_page(host: dict[str, str], notice: str = "") -> str:
    """What someone without a session sees at every address. `host`: name, notice, registration (Settings.front)."""
    return render("pages/front.html", host=host, notice=notice)


def protection_page() -> str:
    """What is protected and what is not, in plain words."""
    return render("pages/protection.html")


def welcome_page(session: Session) -> str:
    """The new account's PINs; the Login PIN is filled in by the browser, which alone knows it."""
    return render("pages/welcome.html", session=session)


def home_page(session: Session, conversations: Sequence[Conversation]) -> str:
    """The conversation list with nothing opened."""
    return render("pages/home.html", session=session, conversations=conversations, current=None)


def conversation_page(
    session: Session,
    conversations: Sequence[Conversation],
    current: Conversation,
    messages: Sequence[Message],
    last_sent: Message | None,
) -> str:
    """One conversation opened beside the list, with its newest messages."""
    return render(
        "pages/conversation.html",
        session=session,
        conversations=conversations,
        current=current,
        messages=messages,
        last_sent=last_sent,
        partner_username=current.partner_username,
    )


def search_pin_page(session: Session) -> str:
    """One's Search PIN with its link and QR code, and how to withdraw it."""
    return render("pages/search_pin.html", session=session)


def sessions_page(session: Session, devices: Sequence[Device]) -> str:
    """Where one is logged in, and how to end that."""
    return render("pages/sessions.html", session=session, devices=devices)


def device_list(session: Session, devices: Sequence[Device]) -> str:
    """Where one is logged in."""
    return render("fragments/device_list.html", session=session, devices=devices)


def account_page(session: Session) -> str:
    """Change the Login PIN, delete the account."""
    return render("pages/account.html", session=session)


def missing_page(session: Session | None, sentence: str) -> str:
    """Nothing is at this address, or not for this person."""
    return render("pages/missing.html", session=session, sentence=sentence)


def alert(sentence: str) -> str:
    """One sentence for the page's alert region."""
    return render("fragments/alert.html", sentence=sentence)


def notice(sentence: str) -> str:
    """One sentence that is no error."""
    return render("fragments/notice.html", sentence=sentence)


def account(username: str, search_pin: str) -> str:
    """The answer to a registration or login as HTML."""
    return render("fragments/account.html", username=username, search_pin=search_pin)


def conversation_list(conversations: Sequence[Conversation]) -> str:
    """Every conversation, latest first."""
    return render("fragments/conversation_list.html", conversations=conversations, current=None)


def conversation_item(conversation: Conversation, *, is_current: bool = False) -> str:
    """One line of the conversation list."""
    return render(
        "fragments/conversation_item.html",
        conversation=conversation,
        current=conversation if is_current else None,
    )


def message_list(
    messages: Sequence[Message], *, user_id: str, partner_username: str, older_than: int | None = None
) -> str:
    """Messages by rising seq, before them what loads the page before seq `older_than`."""
    return render(
        "fragments/message_list.html",
        messages=messages,
        user_id=user_id,
        partner_username=partner_username,
        older_than=older_than,
    )


def message_arrived(message: Message, line: Line | Conversation, user_id: str) -> str:
    """A new message for a socket that has its conversation open, and the conversation's new line in the list."""
    return render(
        "fragments/message_arrived.html",
        message=message,
        conversation=line,
        current=line,
        user_id=user_id,
        partner_username=line.partner_username,
    )


def conversation_changed(line: Line | Conversation, *, is_current: bool = False) -> str:
    """The conversation's new line, to take the place of the old one at the top of the list."""
    return render("fragments/conversation_changed.html", conversation=line, current=line if is_current else None)
