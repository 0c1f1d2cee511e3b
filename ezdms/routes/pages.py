"""The pages that a person opens. Each conversation has an address of its own; without a session all show the front."""

from __future__ import annotations

from quart import Blueprint, Response, g, request

from ezdms import fragments
from ezdms.answers import Problem, answer_problem, wants_json
from ezdms.auth import public
from ezdms.models.conversation import select_conversations, select_pair
from ezdms.models.message import select_last_sent, select_messages
from ezdms.models.session import Session
from ezdms.routes import services
from ezdms.routes.messages import PAGE

blueprint = Blueprint("pages", __name__)

PAGES = (None, "pages", "sessions")  # blueprints whose GET addresses people open; None is an unknown address


@blueprint.get("/")
@public
async def home() -> str:
    """The front page, or one's conversations."""
    session: Session | None = g.session
    if session is None:
        return fragments.front_page(services.settings().front)
    conversations = await services.database().read(select_conversations, user_id=session.user_id)
    return fragments.home_page(session, conversations)


@blueprint.get("/protection")
@public
async def protection() -> str:
    """What is protected and what is not."""
    return fragments.protection_page()


@blueprint.get("/welcome")
async def welcome() -> str:
    """A new account's PINs, until they are saved."""
    return fragments.welcome_page(services.session())


@blueprint.get("/search-pin")
async def search_pin() -> str:
    """My Search PIN: to show, share and withdraw."""
    return fragments.search_pin_page(services.session())


@blueprint.get("/account")
async def account() -> str:
    """Change the Login PIN, delete the account."""
    return fragments.account_page(services.session())


@blueprint.get("/c/<conversation_id>")
async def conversation(conversation_id: str) -> Response | str:
    """One conversation beside the list. Opening it is reading it."""
    session, database = services.session(), services.database()
    conversations = await database.read(select_conversations, user_id=session.user_id)
    current = next((one for one in conversations if one.conversation_id == conversation_id), None)
    pair = await database.read(select_pair, conversation_id=conversation_id, user_id=session.user_id)
    if current is None or pair is None:
        raise Problem(404, "no_conversation", "There is no such conversation.")
    side = pair.me(session.user_id).side
    messages = await database.read(select_messages, conversation_id=conversation_id, side=side, limit=PAGE)
    last_sent = await database.read(
        select_last_sent, conversation_id=conversation_id, sender_id=session.user_id, side=side
    )
    if current.unread:
        await services.mark_as_read(conversation_id, session.user_id, current.last_seq)
    return fragments.conversation_page(session, conversations, current, messages, last_sent)


async def answer_with_page(problem: Problem) -> Response:
    """A problem met by a person who opens a page: the front page to log in, or one that says what is wrong."""
    if request.method != "GET" or request.blueprint not in PAGES or wants_json():
        return answer_problem(problem)
    if problem.status == 401:
        html = fragments.front_page(services.settings().front, notice="Log in to open this page.")
    else:
        html = fragments.missing_page(g.get("session"), problem.sentence)
    response = Response(html, problem.status, content_type="text/html; charset=utf-8")
    response.vary.add("Accept")
    return response
