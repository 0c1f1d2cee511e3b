"""Stores a user's vault, and tells their open devices, so that what one of them changed reaches the others at once."""

from __future__ import annotations

import json

from ezdms.actions.event import Event
from ezdms.db import Database
from ezdms.hub import Hub
from ezdms.models.vault import Vault, replace_vault
from ezdms.views import fragments


async def store(database: Database, hub: Hub[Event], vault: Vault, *, user_id: str, size: int) -> bool:
    """Store `vault`, of `size` bytes as padded, if its version follows the stored one. Otherwise False, and nothing
    changes. Every socket of the user is told the version, also those of the same session, which may have more tabs.
    """
    if not await database.write(replace_vault, vault, user_id=user_id, size=size):
        return False
    as_json = json.dumps({"event": "vault", "version": vault.version})
    hub.relay(user_id, as_json=as_json, as_html=fragments.vault_stored(vault.version))
    return True
