"""The operator's actions on the database and the hub. Each function has the name that `ask` uses."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from ezdms import __version__
from ezdms.actions import accounts, second_step, sessions
from ezdms.actions.erasing import Eraser
from ezdms.actions.event import Event
from ezdms.db import Database
from ezdms.hosting.operator import audit
from ezdms.hub import Hub
from ezdms.models.invitation import count_invitations, delete_invitations, insert_invitations
from ezdms.models.report import count_reports, delete_report, select_reports
from ezdms.models.user import Listed, select_listed

MOST_INVITATIONS = 1000  # at a time
LONGEST_LIFETIME = 366 * 24 * 60 * 60 * 1000  # ms


class Refused(Exception):
    """The action failed; the message says why."""


@dataclass(slots=True)
class Running:
    """The state of the server. `proxies`: addresses that sent forwarding headers, and whether they are trusted."""

    database: Database
    hub: Hub[Event]
    eraser: Eraser
    registration: str = ""
    address: str = ""  # where it listens
    public_url: str | None = None  # where people open it
    certfile: str | None = None
    proxies: dict[str, bool] = field(default_factory=dict)
    started_at: float = field(default_factory=time.time)


async def status(running: Running) -> dict[str, Any]:
    """The server's status."""
    people = await running.database.read(select_listed)
    return {
        "version": __version__,
        "address": running.address,
        "public_url": running.public_url,
        "certfile": running.certfile,
        "registration": running.registration,
        "started_at": int(running.started_at * 1000),
        "sockets": len(running.hub),
        "users": len(people),
        "invitations": await running.database.read(count_invitations),
        "proxies": running.proxies,
        "processes": await running.hub.processes(),
        "fault": await running.database.examine(),
    }


async def users(running: Running) -> list[dict[str, Any]]:
    """All users with an account."""
    return [asdict(one) for one in await running.database.read(select_listed)]


async def find_user(running: Running, who: str) -> dict[str, Any]:
    """Find a user by user id or unique name. Changes nothing."""
    one = await _find(running, who)
    return {"username": one.username, "user_id": one.user_id}


async def end_sessions(running: Running, who: str) -> dict[str, Any]:
    """End all sessions of the user with this user id or unique name."""
    one = await _find(running, who)
    count = await sessions.end(running.database, running.hub, one.user_id, reason=sessions.HOST)
    return {"username": one.username, "user_id": one.user_id, "sessions": count}


async def turn_off_two_step(running: Running, who: str) -> dict[str, Any]:
    """Turn off two-step login of the user with this user id or unique name, who lost phone and recovery codes."""
    one = await _find(running, who)
    if not await second_step.forget(running.database, one.user_id):
        raise Refused(f"{one.username} does not have two-step login.")
    return {"username": one.username, "user_id": one.user_id}


async def remove_user(running: Running, who: str) -> dict[str, Any]:
    """Delete a user's account, as they could themselves."""
    one = await _find(running, who)
    await accounts.remove_account(running.database, running.hub, running.eraser, one.user_id)
    return {"username": one.username, "user_id": one.user_id}


async def _find(running: Running, who: str) -> Listed:
    found = [one for one in await running.database.read(select_listed) if who in (one.user_id, one.username)]
    if not found:
        raise Refused(f"There is no user {who}. `ezdms users` lists all users.")
    if len(found) > 1:
        ids = ", ".join(one.user_id for one in found)
        raise Refused(f"{len(found)} users are called {who}. Use the user id instead: {ids}.")
    return found[0]


async def invite(running: Running, count: int, lifetime: int) -> dict[str, Any]:
    """Create `count` invitations, valid for `lifetime` ms. Only hashes of the returned tokens are stored."""
    if not 1 <= count <= MOST_INVITATIONS or not 1 <= lifetime <= LONGEST_LIFETIME:
        raise Refused(f"Expected 1 to {MOST_INVITATIONS} invitations, valid for at most a year.")
    tokens = [sessions.random_id(16) for _ in range(count)]
    hashes = [sessions.hash_token(token) for token in tokens]
    await running.database.write(insert_invitations, hashes, lifetime=lifetime)
    return {"tokens": tokens}


async def withdraw_invitations(running: Running) -> dict[str, Any]:
    """Cancel all unused invitations."""
    return {"withdrawn": await running.database.write(delete_invitations)}


async def reports(running: Running, report_id: str | None = None) -> dict[str, Any]:
    """What people reported: the newest reports (models.report.select_reports), or this one; and how many there are."""
    found = await running.database.read(select_reports, report_id=report_id)
    count = len(found) if report_id is not None else await running.database.read(count_reports)
    return {"reports": found, "count": count}


async def discard_report(running: Running, report_id: str) -> dict[str, Any]:
    """Delete a report, with the messages in it."""
    if not await running.database.write(delete_report, report_id=report_id):
        raise Refused("There is no such report. `ezdms reports` lists them all.")
    await running.database.forget()
    return {"report_id": report_id}


async def note(running: Running, done: str) -> None:
    """Log what a command did by itself."""
    if done not in audit.DONE:
        raise Refused("The server does not know what was done.")
    audit.log(done)


def count_of(result: Any) -> int | None:
    """How many accounts, sessions, invitations or reports an action's result is about; None if it is one."""
    if isinstance(result, list):
        return len(result)
    counted = next((result[name] for name in ("sessions", "withdrawn", "tokens", "reports") if name in result), None)
    return len(counted) if isinstance(counted, list) else counted


ACTIONS: dict[str, Callable[..., Awaitable[Any]]] = {
    action.__name__: action
    for action in (
        status,
        users,
        find_user,
        end_sessions,
        turn_off_two_step,
        remove_user,
        invite,
        withdraw_invitations,
        reports,
        discard_report,
        note,
    )
}
