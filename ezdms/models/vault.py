"""A vault: what a user's devices must know about their contacts, encrypted to themselves (docs/protocol.md, Vault)."""

from __future__ import annotations

from dataclasses import dataclass

from ezdms.db import Connection, fetch_one
from ezdms.models.usage import set_vault_size


@dataclass(frozen=True, slots=True)
class Vault:
    """An encrypted blob (JWE compact) and its version, incremented with every change."""

    version: int
    sealed: str


def select_vault(connection: Connection, *, user_id: str) -> Vault | None:
    """The user's vault, or None if nothing was stored yet."""
    row = fetch_one(connection, "SELECT version, sealed FROM vaults WHERE user_id = :user_id", user_id=user_id)
    return None if row is None else Vault(**dict(row))


def replace_vault(connection: Connection, vault: Vault, *, user_id: str, size: int) -> bool:
    """Store `vault`, of `size` bytes as padded, if its version follows the stored one (1 if there is none), else False.

    It counts toward its owner's usage, but is accepted even above the quota.
    """
    if vault.version == 1:
        sql = """INSERT INTO vaults (user_id, version, sealed)
                 SELECT user_id, :version, :sealed FROM users WHERE user_id = :user_id AND left_at IS NULL
                 ON CONFLICT DO NOTHING RETURNING version"""
    else:
        sql = """UPDATE vaults SET version = :version, sealed = :sealed
                 WHERE user_id = :user_id AND version = :version - 1 RETURNING version"""
    row = fetch_one(connection, sql, user_id=user_id, version=vault.version, sealed=vault.sealed)
    if row is not None:
        set_vault_size(connection, user_id=user_id, size=size)
    return row is not None
