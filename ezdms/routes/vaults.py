"""The vault: one encrypted blob per account, replaced by compare-and-set. Only its owner can read it."""

from __future__ import annotations

from quart import Blueprint, Response

from ezdms.actions.storing import store
from ezdms.models.session import Session
from ezdms.models.vault import Vault, select_vault
from ezdms.problem import Problem
from ezdms.protocol import encoding, envelope
from ezdms.views import fragments
from ezdms.web import context
from ezdms.web.answers import answer
from ezdms.web.bodies import read_fields
from ezdms.web.fields import parse_integer
from ezdms.web.limits import by_account, limited

blueprint = Blueprint("vaults", __name__)


@blueprint.get("/vault")
async def get_vault() -> Response:
    """The stored blob and its version; version 0 and an empty blob if none is stored yet."""
    vault = await context.database().read(select_vault, user_id=context.session().user_id) or Vault(0, "")
    return _answer(vault)


@blueprint.put("/vault")
@limited("vault", by_account)
async def put_vault() -> Response:
    """Store a blob whose version follows the stored one, and tell the user's devices; otherwise 409, and nothing
    changes."""
    session = context.session()
    fields = await read_fields("version", "blob")
    vault = Vault(parse_integer("version", fields["version"], low=1, high=encoding.LARGEST_INTEGER), fields["blob"])
    size = _padded_size(session, vault)
    if not await store(context.database(), context.hub(), vault, user_id=session.user_id, size=size):
        stored = await context.database().read(select_vault, user_id=session.user_id)
        version = stored.version if stored else 0
        raise Problem(409, "version", "Another of your devices stored a newer vault.", version=version)
    return _answer(vault)


def _padded_size(session: Session, vault: Vault) -> int:
    """The padded size in bytes. Problem 422 unless it looks like a vault encrypted for the account's own key."""
    own = envelope.key_id(envelope.parse_statement(session.statement).spki)
    try:
        key_id, size = envelope.key_id_and_size_of_vault(vault.sealed)
    except encoding.EnvelopeError as error:
        raise Problem(422, "envelope", str(error)) from error
    if key_id != own:
        raise Problem(422, "envelope", "Expected a vault encrypted for your own key.")
    return size


def _answer(vault: Vault) -> Response:
    value = {"version": vault.version, "blob": vault.sealed}
    return answer(value, lambda: fragments.notice(f"Your vault has version {vault.version}."))
