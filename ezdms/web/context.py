"""Access to the running app's objects, for the routes."""

from __future__ import annotations

from typing import cast

from quart import current_app, g

from ezdms.actions.erasing import Eraser
from ezdms.actions.event import Event
from ezdms.actions.passkeys import Passkeys
from ezdms.actions.pushing import Pusher
from ezdms.actions.second_step import SecondSteps
from ezdms.actions.sessions import Sessions
from ezdms.actions.sweeping import Sweeper
from ezdms.actions.uploading import Uploads
from ezdms.db import Database
from ezdms.hub import Hub
from ezdms.models.session import Session
from ezdms.settings import Settings
from ezdms.views.shells import Shell
from ezdms.web.limits import Limiter


def database() -> Database:
    """The open database."""
    return cast(Database, current_app.extensions["ezdms.database"])


def eraser() -> Eraser:
    """What erases the messages of deleted accounts."""
    return cast(Eraser, current_app.extensions["ezdms.eraser"])


def sweeper() -> Sweeper:
    """What empties messages at their time."""
    return cast(Sweeper, current_app.extensions["ezdms.sweeper"])


def uploads() -> Uploads:
    """The files."""
    return cast(Uploads, current_app.extensions["ezdms.uploads"])


def passkeys() -> Passkeys:
    """The passkeys of all accounts."""
    return cast(Passkeys, current_app.extensions["ezdms.passkeys"])


def pusher() -> Pusher:
    """What tells devices of new messages."""
    return cast(Pusher, current_app.extensions["ezdms.pusher"])


def sessions() -> Sessions:
    """The cache of sessions."""
    return cast(Sessions, current_app.extensions["ezdms.sessions"])


def second_steps() -> SecondSteps:
    """Two-step login."""
    return cast(SecondSteps, current_app.extensions["ezdms.second_steps"])


def limiter() -> Limiter:
    """The rate limiter."""
    return cast(Limiter, current_app.extensions["ezdms.limiter"])


def hub() -> Hub[Event]:
    """The hub of all sockets."""
    return cast(Hub[Event], current_app.extensions["ezdms.hub"])


def settings() -> Settings:
    """The server's settings."""
    return cast(Settings, current_app.extensions["ezdms.settings"])


def shells() -> dict[str, dict[str, Shell]]:
    """The documents that are the same for everyone, by language and name."""
    return cast(dict[str, dict[str, Shell]], current_app.extensions["ezdms.shells"])


def deployment_id() -> str:
    """The database's 16 public random bytes, b64u."""
    return cast(str, current_app.extensions["ezdms.deployment_id"])


def session() -> Session:
    """The session of the request. app.py ensures that there is one in views that are not public."""
    return cast(Session, g.session)
