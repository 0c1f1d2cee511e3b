"""Alice, Bob and Eve of the vectors, with their public test keys, and helpers that act as them."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from quart import Quart, Response

from ezdms import crypto
from ezdms.actions.event import Event
from ezdms.db import now
from ezdms.hub import Hub
from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_decode, b64u_encode

VECTORS = Path(__file__).parents[1] / "vectors"


def load_vectors(name: str) -> list[dict[str, Any]]:
    """The cases of one vector file."""
    return cast(list[dict[str, Any]], json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["cases"])


PEOPLE = {
    name: crypto.Keys(
        Ed25519PrivateKey.from_private_bytes(b64u_decode(person["seed"])),
        cast(RSAPrivateKey, load_der_private_key(b64u_decode(person["pkcs8"]), None)),
    )
    for name, person in load_vectors("people")[0].items()
}


_HASH, _ID = b64u_encode(bytes(range(32))), b64u_encode(bytes(range(16)))
_FILE = f'{{"id":"{_ID}","key":"{_HASH}","size":5,"hash":"{_HASH}","name":"漢 b.txt","type":"","thumb":"","w":0,"h":0}}'
KINDS: list[dict[str, Any]] = [  # one message of each kind, as seal_message takes them
    {"kind": "text", "text": "hello 漢"},
    {"kind": "text", "text": "yes", "reference": (_ID, _HASH), "x": 60},
    {"kind": "edit", "text": "hi", "reference": (_ID, _HASH), "e": ""},
    {"kind": "delete", "text": f"{_ID} {_HASH}", "e": _HASH},
    {"kind": "react", "text": "👍🏽", "reference": (_ID, _HASH)},
    {"kind": "timer", "text": "86400"},
    {"kind": "file", "text": _FILE, "x": 60},
]


def registration(keys: crypto.Keys, username: str, /, **changed: Any) -> dict[str, Any]:
    """The fields of POST /register. The wrapped keys are noise of the right length; a server cannot tell."""
    return {
        "username": username,
        "login_id": b64u_encode(secrets.token_bytes(16)),
        "auth_key": b64u_encode(secrets.token_bytes(32)),
        "salt": b64u_encode(secrets.token_bytes(16)),
        "iterations": 200_000,
        "wrapped_sig": b64u_encode(secrets.token_bytes(76)),
        "wrapped_enc": b64u_encode(secrets.token_bytes(12 + 1218 + 16)),
        "statement": crypto.sign_statement(keys, username, 1, 1_790_000_000_000),
        "search_salt": b64u_encode(secrets.token_bytes(16)),
        **changed,
    }


def sign_act(keys: crypto.Keys, deployment_id: str, act: str, purpose: str, ts: int) -> str:
    """Sign an act with the identity key (docs/protocol.md, Acts)."""
    members = {"v": 1, "d": deployment_id, "act": act, "for": purpose, "ts": ts}
    return crypto._sign(keys, envelope.ACT_HEADER, json.dumps(members, separators=(",", ":")).encode())


JSON = {"Accept": "application/json"}


class Writer:
    """Someone with keys who seals messages one after another."""

    def __init__(self, keys: crypto.Keys) -> None:
        self.keys = keys
        self.sent: list[crypto.SealedMessage] = []

    def seal(
        self, other: Writer, text: str, n: int | None = None, *, ts: int = 1_790_000_000_000, **body: Any
    ) -> dict[str, Any]:
        """The fields of POST /send_message for the next message."""
        number = n or len(self.sent) + 1
        sealed = crypto.seal_message(
            self.keys,
            other.keys.ik,
            other.keys.spki,
            n=number,
            p="" if number == 1 else (self.sent[-1].hash if self.sent else b64u_encode(bytes(32))),
            a=(0, ""),
            ts=ts,
            text=text,
            **body,
        )
        self.sent.append(sealed)
        return {
            "conversation_id": crypto.conversation_id(self.keys.fp, other.keys.fp),
            "message_id": sealed.message_id,
            "n": sealed.n,
            "hash": sealed.hash,
            "suite": 1,
            "content_for_a": sealed.content_for_a,
            "content_for_b": sealed.content_for_b,
        }


class Person(Writer):
    """Someone with keys who uses the app as a program does: with JSON and a bearer token."""

    last_act = 0  # ms; shared, so that another browser of the same person signs a later one

    def __init__(self, app: Quart, keys: crypto.Keys, username: str) -> None:
        super().__init__(keys)
        self.app = app
        self.client = app.test_client(use_cookies=False)
        self.hub: Hub[Event] = app.extensions["ezdms.hub"]
        self.username = username
        self.headers = dict(JSON)
        self.account: dict[str, Any] = {}
        self.fields = registration(keys, username)

    async def register(self) -> Person:
        """Register; later requests send the token."""
        response = await self.client.post("/register", form=self.fields, headers=JSON)
        assert response.status_code == 201, await response.get_data()
        self.account = await response.get_json()
        self.headers["Authorization"] = f"Bearer {self.account['token']}"
        return self

    @property
    def user_id(self) -> str:
        return str(self.account["user_id"])

    @property
    def search_pin(self) -> str:
        return str(self.account["search_pin"])

    def act(self, act: str, purpose: str = "") -> str:
        """Sign an act that is newer than any before."""
        Person.last_act = max(now(), Person.last_act + 1)
        deployment_id = self.app.extensions["ezdms.deployment_id"]
        return sign_act(self.keys, deployment_id, act, purpose, Person.last_act)

    async def get(self, path: str, **headers: str) -> Response:
        """GET with the token."""
        return await self.client.get(path, headers=self.headers | headers)

    async def post(self, path: str, fields: dict[str, Any] | None = None, **headers: str) -> Response:
        """POST a form with the token."""
        return await self.client.post(path, form=fields or {}, headers=self.headers | headers)

    async def start(self, other: Person, *, accepted: bool = True) -> str:
        """Start a conversation by Search PIN, which the other accepts; returns its id."""
        response = await self.post("/start_conversation", {"partner_search_pin": other.search_pin})
        assert response.status_code in (200, 201), await response.get_data()
        conversation_id = str((await response.get_json())["conversation_id"])
        if accepted:
            await other.does("accept", conversation_id)
        return conversation_id

    async def does(self, what: str, conversation_id: str, **fields: Any) -> None:
        """Accept, block, unblock, mute or delete a conversation."""
        response = await self.post(f"/conversations/{conversation_id}/{what}", fields)
        assert response.status_code == 204, await response.get_data()

    async def send(self, other: Person, text: str) -> dict[str, Any]:
        """Send the next message; returns the answer."""
        response = await self.post("/send_message", self.seal(other, text))
        assert response.status_code == 201, await response.get_data()
        return cast(dict[str, Any], await response.get_json())

    async def texts(self, other: Person, query: str = "") -> list[str]:
        """All texts of the conversation that this person can open, in order."""
        conversation_id = crypto.conversation_id(self.keys.fp, other.keys.fp)
        response = await self.get(f"/messages/{conversation_id}{query}")
        assert response.status_code == 200, await response.get_data()
        return [self.open(row, other) for row in await response.get_json()]

    def open(self, row: dict[str, Any], other: Person) -> str:
        """The text of a row as GET /messages gives it."""
        sender, recipient = (self, other) if row["sender_id"] == self.user_id else (other, self)
        claimed = {name: row[name] for name in ("message_id", "n", "hash", "suite")}
        return crypto.open_message(self.keys, sender.keys.ik, recipient.keys.ik, row["encrypted"], **claimed).text
