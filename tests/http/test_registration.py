"""Who may register: anyone, invited users, or nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path

from quart import Quart

from ezdms.actions import sessions
from ezdms.app import create_app
from ezdms.models.invitation import count_invitations, insert_invitations
from ezdms.settings import Settings
from tests.conftest import NO_LIMITS
from tests.support.people import JSON, PEOPLE, registration

DAY = 24 * 60 * 60 * 1000  # ms


def app_with(folder: Path, mode: str) -> Quart:
    return create_app(Settings(data_dir=folder / "data", registration=mode, server_name="Club", **NO_LIMITS))


async def invite(app: Quart, lifetime: int = DAY) -> str:
    token = sessions.random_id(16)
    await app.extensions["ezdms.database"].write(insert_invitations, [sessions.hash_token(token)], lifetime=lifetime)
    return token


async def register(app: Quart, name: str, **more: str) -> tuple[int, str]:
    """Register; returns the status and the error code."""
    response = await app.test_client().post("/register", json=registration(PEOPLE[name], name) | more, headers=JSON)
    return response.status_code, (await response.get_json()).get("code", "")


async def test_an_open_server_accepts_anyone_and_does_not_use_up_invitations(tmp_path: Path) -> None:
    app = app_with(tmp_path, "open")
    async with app.test_app():
        token = await invite(app)
        assert await register(app, "alice") == (201, "")
        assert await register(app, "bob", invitation=token) == (201, "")
        assert await app.extensions["ezdms.database"].read(count_invitations) == 1


async def test_a_closed_server_refuses_registrations_but_existing_users_can_log_in(tmp_path: Path) -> None:
    fields = registration(PEOPLE["alice"], "alice")
    app = app_with(tmp_path, "open")
    async with app.test_app():
        assert (await app.test_client().post("/register", json=fields, headers=JSON)).status_code == 201
    app = app_with(tmp_path, "closed")
    async with app.test_app():
        assert await register(app, "bob", invitation=await invite(app)) == (403, "registration_closed")
        known = {name: fields[name] for name in ("login_id", "auth_key")}
        assert (await app.test_client().post("/login", json=known, headers=JSON)).status_code == 200


async def test_an_invitation_can_be_used_once(tmp_path: Path) -> None:
    app = app_with(tmp_path, "invite")
    async with app.test_app():
        token = await invite(app)
        assert await register(app, "alice") == (403, "not_invited")
        assert await register(app, "alice", invitation="") == (403, "not_invited")
        assert await register(app, "alice", invitation=token[::-1]) == (403, "not_invited")
        assert await register(app, "alice", invitation=token) == (201, "")
        assert await register(app, "bob", invitation=token) == (403, "not_invited")


async def test_one_of_two_concurrent_uses_of_an_invitation_succeeds(tmp_path: Path) -> None:
    app = app_with(tmp_path, "invite")
    async with app.test_app():
        token = await invite(app)
        both = await asyncio.gather(*(register(app, name, invitation=token) for name in ("alice", "bob")))
        assert sorted(both) == [(201, ""), (403, "not_invited")]


async def test_an_expired_invitation_is_refused(tmp_path: Path) -> None:
    app = app_with(tmp_path, "invite")
    async with app.test_app():
        token = await invite(app, lifetime=1)
        await asyncio.sleep(0.01)
        assert await register(app, "alice", invitation=token) == (403, "not_invited")


async def test_a_failed_registration_does_not_use_up_the_invitation(tmp_path: Path) -> None:
    app = app_with(tmp_path, "invite")
    async with app.test_app():
        token = await invite(app)
        assert await register(app, "alice", invitation=token, username="!") == (400, "malformed_username")
        other = await invite(app)
        assert await register(app, "alice", invitation=other) == (201, "")
        assert await register(app, "alice", invitation=token) == (409, "taken")  # these keys are already registered
        assert await register(app, "bob", invitation=token) == (201, "")


async def test_the_invitation_token_is_not_stored(tmp_path: Path) -> None:
    app = app_with(tmp_path, "invite")
    async with app.test_app():
        token = await invite(app)
    assert token.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())


async def test_the_front_page_shows_the_server_name_and_who_may_register(tmp_path: Path) -> None:
    texts = {}
    for mode in ("open", "invite", "closed"):
        app = app_with(tmp_path, mode)
        async with app.test_app():
            texts[mode] = await (await app.test_client().get("/")).get_data(as_text=True)
            said = await (await app.test_client().get("/deployment", headers=JSON)).get_json()
            assert (said["name"], said["notice"], said["registration"]) == ("Club", "", mode)
    for mode, text in texts.items():
        assert "<title>Club</title>" in text
        assert f'data-host="Club" data-notice="" data-registration="{mode}"' in text
