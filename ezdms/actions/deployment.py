"""The deployment: which of all servers this is."""

from __future__ import annotations

from ezdms.actions.sessions import random_id
from ezdms.db import Database
from ezdms.models.deployment import insert_deployment


async def find_id(database: Database) -> str:
    """Its id, which is made the first time that it is asked for. Processes that ask at once get the same."""
    return await database.write(insert_deployment, deployment_id=random_id(16))
