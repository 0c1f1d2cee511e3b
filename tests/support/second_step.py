"""Two-step login of a person in the tests: their app, turning it on, and the codes that are left."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
from quart import Quart

from ezdms.actions import second_step as actions
from ezdms.client import Client
from tests.support.people import JSON, Person

PERIOD = actions.PERIOD // 1000  # seconds


def code_of(secret: str, offset: int = 0) -> str:
    """What an app with this secret shows, `offset` periods from now."""
    return pyotp.TOTP(secret).at(time.time(), counter_offset=offset)


def wrong_code(secret: str) -> str:
    """Six digits that the app shows neither now nor soon."""
    near = {code_of(secret, offset) for offset in range(-3, 6)}
    return next(code for code in (f"{number:06}" for number in range(20)) if code not in near)


@dataclass
class Second:
    """A person with two-step login."""

    person: Person
    secret: str = field(repr=False)
    recovery: list[str]

    @property
    def proof(self) -> dict[str, Any]:
        """What is derived from the Login PIN."""
        return {name: self.person.fields[name] for name in ("login_id", "auth_key")}

    def code(self, offset: int = 0) -> str:
        return code_of(self.secret, offset)

    def wrong(self) -> str:
        return wrong_code(self.secret)

    async def challenge(self, **headers: str) -> str:
        """The challenge of a login with the right PIN."""
        response = await self.person.client.post("/login", form=self.proof, headers=JSON | headers)
        answer = await response.get_json()
        assert (response.status_code, answer["code"]) == (401, "second_step"), answer
        return str(answer["challenge"])

    async def enter(self, challenge: str, code: str, **more: str) -> tuple[int, dict[str, Any]]:
        """The answer to a code."""
        fields = {"challenge": challenge, "code": code, **more}
        response = await self.person.client.post("/login_second", form=fields, headers=JSON)
        return response.status_code, await response.get_json()


async def begin(person: Person) -> str:
    """The secret of a second step that no code has confirmed."""
    fields = {name: person.fields[name] for name in ("login_id", "auth_key")}
    response = await person.post("/second_step", fields)
    assert response.status_code == 200, await response.get_data()
    return str((await response.get_json())["secret"])


async def turn_on(app: Quart, person: Person) -> Second:
    """Turn it on as the page does. The code that confirmed it can be used again by the test."""
    secret = await begin(person)
    fields = {"code": code_of(secret), "act": person.act("second_step_on", secret)}
    response = await person.post("/second_step_on", fields)
    assert response.status_code == 200, await response.get_data()
    await rewind(app)
    return Second(person, secret, list((await response.get_json())["recovery_codes"]))


async def turn_on_in(client: Client, pin: str) -> tuple[str, list[str]]:
    """The same at a running server, with the Python client. Returns the secret and the recovery codes."""
    secret = await client.two_step.begin(pin)
    return secret, await client.two_step.turn_on(secret, code_of(secret))


def rewind_file(data_dir: Path) -> None:
    """As if the last code had been used long ago, in the database of a running server."""
    with closing(sqlite3.connect(data_dir / "ezdms.db", timeout=10)) as connection, connection:
        connection.execute("UPDATE second_steps SET last_step = 0, failures = ''")


async def rewind(app: Quart, **changed: Any) -> None:
    """As if the last code had been used long ago, and with other columns of the second steps changed."""
    from tests.http.test_sessions import execute

    values = {"last_step": 0, **changed}
    columns = ", ".join(f"{name} = :{name}" for name in values)
    await execute(app, f"UPDATE second_steps SET {columns}", **values)  # noqa: S608
