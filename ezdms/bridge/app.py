"""The original's endpoints, implemented with `ezdms.client`. Alarms are returned as errors, never ignored."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from quart import Blueprint, Quart, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException

from ezdms import crypto
from ezdms.bridge.accounts import Locked, People
from ezdms.bridge.forms import LARGEST_BODY, Problem, need, read_fields, read_page
from ezdms.bridge.gate import TokenGate
from ezdms.client import (
    Client,
    ClientError,
    CodeNeeded,
    Contact,
    Message,
    OtherServer,
    ServerError,
    SessionEnded,
    WrongCode,
    WrongPin,
)
from ezdms.edge.connection_close import SaysWhenItCloses
from ezdms.protocol import envelope
from ezdms.protocol.encoding import EnvelopeError

PASSED_ON = (400, 403, 404, 409, 410, 429)  # server statuses passed on unchanged
WAITS = "The message is queued, encrypted, and is sent before the next one. Do not send it again."
NEEDS_CODE = "This account has two-step login. Log in again, with a code from the app as the field code."
LEFT_OUT = ("deleted", "hidden", "expired", "blocked", "timer", "change")  # nothing that the original had
SENTENCES = {
    404: "There is no such endpoint.",
    405: "This endpoint does not support that method.",
    413: f"The request is too large: a body has at most {LARGEST_BODY} bytes.",
}

blueprint = Blueprint("bridge", __name__)


def create_app(people: People, token: str | None, origins: Iterable[str]) -> Quart:
    """Create the app, with its gate in front."""
    app = Quart(__name__, static_folder=None, template_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY, BODY_TIMEOUT=20)
    app.extensions["ezdms.people"] = people
    app.register_blueprint(blueprint)
    app.register_error_handler(Problem, _answer_problem)
    app.register_error_handler(HTTPException, _answer_http_exception)
    for kind in (Locked, ClientError, crypto.ProtocolError, EnvelopeError):
        app.register_error_handler(kind, _answer_failure)
    app.asgi_app = SaysWhenItCloses(TokenGate(app.asgi_app, token, origins))  # type: ignore[method-assign]
    return app


def _people() -> People:
    people: People = current_app.extensions["ezdms.people"]
    return people


# ---- The original's calls ----


@blueprint.get("/ping")
async def ping() -> Response:
    """Health check of the bridge, not of the server behind it."""
    return jsonify({"status": "ok"})


@blueprint.post("/register")
async def register() -> Response:
    """Create an account. The Login PIN is only in this response."""
    fields = await read_fields()
    (username,) = need(fields, "username")
    try:
        envelope.check_new_username(username.strip())
    except EnvelopeError as error:
        raise Problem(400, str(error)) from error
    client, pin = await _people().register(username.strip(), fields.get("invitation", ""))
    return jsonify(_account(client, crypto.show_login_pin(pin)))


@blueprint.post("/login")
async def login() -> Response:
    """Unlock an account, so that this bridge can read and send messages for it."""
    fields = await read_fields()
    (pin,) = need(fields, "login_pin")
    return jsonify(_account(await _people().login(pin, fields.get("code", "")), pin))


@blueprint.post("/start_conversation")
async def start_conversation() -> Response:
    """Start or find the conversation with the owner of a Search PIN."""
    user_id, pin = need(await read_fields(), "user_id", "partner_search_pin")
    async with _people().using(user_id) as client:
        before = {contact.conversation_id for contact in await client.contacts()}
        contact = await client.start(pin)
    return jsonify({"conversation_id": contact.conversation_id, "existing": contact.conversation_id in before})


@blueprint.get("/conversations/<user_id>")
async def list_conversations(user_id: str) -> Response:
    """The user's contacts, latest conversation first."""
    async with _people().using(user_id) as client:
        contacts = await client.contacts()
    return jsonify(
        [
            {
                "conversation_id": contact.conversation_id,
                "partner_username": contact.name,
                "partner_search_pin": contact.search_pin,
                "partner_id": contact.user_id,
                "verified": contact.verified,
                "unread": contact.unread,
                "alarms": contact.alarms,
            }
            for contact in contacts
        ]
    )


@blueprint.post("/send_message")
async def send_message() -> Response:
    """Encrypt and send a text."""
    fields = await read_fields()
    where, user_id = need(fields, "conversation_id", "sender_id")
    text = fields.get("content", "")
    try:
        crypto.check_text(crypto.clean_text(text))
    except crypto.Refused as error:
        raise Problem(400, str(error)) from error
    async with _people().using(user_id) as client:
        contact = await _contact(client, where)
        if contact.has_left:
            raise Problem(410, "This person deleted their account. You can no longer message them.")
        before = client.waiting(where)
        try:
            return jsonify({"message_id": await client.send(contact, text)})
        except (ClientError, crypto.Alarm) as error:
            if set(client.waiting(where)) - set(before):  # otherwise it was refused before it was encrypted
                raise Problem(_status(error), f"{error} {WAITS}", waiting=True) from error
            raise


@blueprint.get("/messages/<conversation_id>")
async def list_messages(conversation_id: str) -> Response:
    """The user's own encrypted copies, which only they can decrypt."""
    query = request.args.to_dict()
    (user_id,) = need(query, "user_id")
    after, limit = read_page(query)
    async with _people().using(user_id) as client:
        contact = await _contact(client, conversation_id)
        rows = await client.sealed(contact, _begin(contact, after, limit), limit)
    return jsonify(
        [
            {
                "message_id": row.message_id,
                "sender_id": row.sender_id,
                "created_at": _time(row.created_at),
                "encrypted": row.encrypted or "",
                "seq": row.seq,
            }
            for row in rows
        ]
    )


@blueprint.post("/messages_decrypted")
async def list_messages_decrypted() -> Response:
    """Messages decrypted and verified here. Requires the PIN each time, like the original."""
    fields = await read_fields()
    where, user_id = need(fields, "conversation_id", "user_id")
    pin = fields.get("key_password") or fields.get("login_pin")
    if not pin:
        raise Problem(400, "The field key_password (or login_pin) is missing. It must be the Login PIN.")
    after, limit = read_page(fields)
    async with _people().using(user_id) as client:
        await client.confirm_pin(pin)
        contact = await _contact(client, where)
        messages = await client.history_after(contact, _begin(contact, after, limit), limit)
        shown = [message for message in messages if message.state not in LEFT_OUT]
        return jsonify([_opened(message, user_id if message.is_own else contact.user_id) for message in shown])


# ---- Helpers ----


def _account(client: Client, pin: str) -> dict[str, str]:
    key = client.keys.encryption.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "user_id": client.user_id,
        "username": client.username,
        "login_pin": pin,
        "search_pin": client.search_pin,
        "public_key": key.decode("ascii"),
    }


async def _contact(client: Client, where: str) -> Contact:
    """The contact as the server lists them now, so that alarms are known before anything is sent or shown."""
    for contact in await client.contacts():
        if contact.conversation_id == where:
            return contact
    raise Problem(404, "There is no such conversation.")


def _begin(contact: Contact, after: int | None, limit: int) -> int:
    """The seq before the first message of the response: seq counts 1, 2, 3 … without a gap."""
    return max(0, contact.last_seq - limit) if after is None else after


def _opened(message: Message, sender_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "message_id": message.message_id,
        "sender_id": sender_id,
        "created_at": _time(message.created_at),
        "content": message.text,
        "seq": message.seq,
    }
    if message.place != "ok":
        shown["place"] = message.place
    shown |= {name: text for name in ("failure", "alarm") if (text := getattr(message, name))}
    return shown | ({"failure": "unsupported"} if message.state == "file" else {})  # the original had no files


def _time(milliseconds: int) -> str:
    """ISO 8601, UTC, as in the original, but with the time zone."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


# ---- Errors ----


def _status(error: Exception) -> int:
    if isinstance(error, Locked | WrongPin | WrongCode | SessionEnded):
        return 401
    if isinstance(error, crypto.Alarm | OtherServer):
        return 409
    if isinstance(error, crypto.PinError):  # not a Search PIN
        return 400
    if isinstance(error, ServerError) and error.status in PASSED_ON:
        return error.status
    return 502  # no response, or an impossible one


async def _answer_failure(error: Exception) -> Response:
    if isinstance(error, CodeNeeded):
        return _answer(401, NEEDS_CODE, second_step=True)
    return _answer(_status(error), str(error))


async def _answer_problem(problem: Problem) -> Response:
    return _answer(problem.status, str(problem), **problem.more)


async def _answer_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    return _answer(status, SENTENCES.get(status, "The request failed."))


def _answer(status: int, sentence: str, **more: object) -> Response:
    response = jsonify({"error": sentence, **more})
    response.status_code = status
    return response
