"""Passkeys (WebAuthn Level 3): added with the Login PIN, and used in place of it and of a code.

A passkey's PRF output wraps the Login PIN (docs/protocol.md, Passkeys). It never comes here: the server stores the
wrapped PIN and a public key, and hands both the wrapped PIN and the wrapped keys to whoever answers with that passkey.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag

from ezdms.actions import attested, sessions
from ezdms.actions.boxes import Box
from ezdms.db import Connection, Database, now
from ezdms.models import passkey as stored
from ezdms.models.passkey import Passkey
from ezdms.models.session import insert_session
from ezdms.models.user import User, select_user
from ezdms.protocol.encoding import b64u_decode, b64u_encode, parse_json

if TYPE_CHECKING:
    from webauthn.helpers.structs import AuthenticatorSelectionCriteria

LIFETIME = 5 * 60 * 1000  # ms that a challenge can be answered
LONGEST = 16 * 1024  # characters of an authenticator's answer


class Refused(Exception):
    """Not an answer of a passkey of this account, host and challenge."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the page is open: its origin, and the host name to which passkeys belong."""

    origin: str
    host: str


class Passkeys:
    """The passkeys of all accounts. `key`: of the data folder (store/secret_key.py)."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._challenges = Box(key, b"ezdms passkey challenges")

    # ---- Adding one ----

    async def options_to_add(self, user_id: str, username: str, site: Site) -> dict[str, Any]:
        """What a browser needs to make a passkey (PublicKeyCredentialCreationOptionsJSON)."""
        import webauthn
        from webauthn.helpers.structs import PublicKeyCredentialDescriptor

        known = await self._database.read(stored.select_passkeys, user_id=user_id)
        options = webauthn.generate_registration_options(
            rp_id=site.host,
            rp_name="EZ-DMS",
            user_id=b64u_decode(user_id, 16),
            user_name=username,
            challenge=self._challenge(user_id),
            authenticator_selection=_selection(),
            exclude_credentials=[PublicKeyCredentialDescriptor(b64u_decode(one.credential_id)) for one in known],
        )
        return dict(json.loads(webauthn.options_to_json(options)))

    async def add(self, user_id: str, login_id: str, site: Site, answer: str, *, wrapped: str, name: str) -> bool:
        """Store a passkey, which wraps the Login PIN of this login_id. False if there are too many. Raises Refused, or
        db.Conflict if anyone has it."""
        import webauthn

        parsed = _parse(answer)
        challenge = _challenge_in(parsed)
        if self._whose(challenge) != user_id:
            raise Refused
        with _refusing():
            attested.check_attestation(b64u_decode(parsed["response"]["attestationObject"]))
            made = webauthn.verify_registration_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=site.host,
                expected_origin=site.origin,
                require_user_verification=True,
            )
        return await self._database.write(
            _add,
            login_id,
            challenge_hash=_hash(challenge),
            credential_id=b64u_encode(made.credential_id),
            user_id=user_id,
            public_key=b64u_encode(made.credential_public_key),
            sign_count=made.sign_count,
            name=name,
            wrapped=wrapped,
            origin=site.origin,
        )

    # ---- Using one ----

    def options_to_log_in(self, site: Site) -> dict[str, Any]:
        """What a browser needs to ask for any passkey of this host (PublicKeyCredentialRequestOptionsJSON)."""
        import webauthn
        from webauthn.helpers.structs import UserVerificationRequirement

        options = webauthn.generate_authentication_options(
            rp_id=site.host, challenge=self._challenge(""), user_verification=UserVerificationRequirement.REQUIRED
        )
        return dict(json.loads(webauthn.options_to_json(options)))

    async def log_in(self, site: Site, answer: str, *, browser: str, address: str) -> tuple[User, Passkey, str]:
        """Start a session. Returns the user, the passkey and the token. Raises Refused."""
        import webauthn

        parsed = _parse(answer)
        challenge = _challenge_in(parsed)
        with _refusing():
            credential_id = b64u_encode(b64u_decode(parsed["id"]))
        found = await self._database.read(stored.select_passkey, credential_id=credential_id)
        if found is None or self._whose(challenge) != "":
            raise Refused
        if found.origin not in ("", site.origin):  # a page at another port of this host, which asked here by itself
            raise Refused
        with _refusing():
            attested.check_data(b64u_decode(parsed["response"]["authenticatorData"]))
            used = webauthn.verify_authentication_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=site.host,
                expected_origin=site.origin,
                credential_public_key=b64u_decode(found.public_key),
                credential_current_sign_count=found.sign_count,
                require_user_verification=True,
            )
        user = await self._database.read(select_user, user_id=found.user_id)
        if user is None:
            raise Refused
        token = sessions.random_id(32)
        await self._database.write(
            _log_in,
            found,
            used.new_sign_count,
            _hash(challenge),
            site.origin,
            **sessions.values_of(user, token, browser, address),
        )
        return user, found, token

    # ---- Challenges: nothing is stored until they are answered ----

    def _challenge(self, user_id: str) -> bytes:
        return self._challenges.seal(f"{user_id} {now() + LIFETIME}")

    def _whose(self, challenge: bytes) -> str:
        """The user who wants to add a passkey, "" for a login. Raises Refused if it was not made here, or expired."""
        try:
            user_id, until = self._challenges.open(challenge).split(" ")
        except (InvalidTag, ValueError) as error:
            raise Refused from error
        if int(until) <= now():
            raise Refused
        return user_id


@contextmanager
def _refusing() -> Iterator[None]:
    """Raises Refused for any error: the library passes on whatever its parsers raise."""
    try:
        yield
    except Exception as error:
        raise Refused from error


def _parse(answer: str) -> dict[str, Any]:
    """The authenticator's answer as JSON. One with a PRF output is refused: it must not have been sent."""
    if len(answer) > LONGEST:
        raise Refused
    with _refusing():
        parsed = parse_json(answer.encode())
    if '"results"' in json.dumps(parsed):  # however it was escaped
        raise Refused
    return parsed


def _challenge_in(parsed: dict[str, Any]) -> bytes:
    with _refusing():
        client_data = json.loads(b64u_decode(parsed["response"]["clientDataJSON"]))
        return b64u_decode(client_data["challenge"])


def _selection() -> AuthenticatorSelectionCriteria:
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    return AuthenticatorSelectionCriteria(
        resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
    )


def _hash(challenge: bytes) -> str:
    return hashlib.sha256(challenge).hexdigest()


def _add(connection: Connection, /, login_id: str, *, challenge_hash: str, **values: Any) -> bool:
    user = select_user(connection, user_id=values["user_id"])
    if user is None or user.login_id != login_id:  # changed since it was checked: it would outlive the old Login PIN
        raise Refused
    if not stored.answer_challenge(connection, challenge_hash=challenge_hash, expires_at=now() + LIFETIME):
        raise Refused
    return stored.insert_passkey(connection, **values)


def _log_in(
    connection: Connection, /, found: Passkey, sign_count: int, challenge_hash: str, origin: str, **values: str
) -> None:
    is_new = stored.answer_challenge(connection, challenge_hash=challenge_hash, expires_at=now() + LIFETIME)
    if not is_new or not stored.use_passkey(
        connection,
        credential_id=found.credential_id,
        sign_count=sign_count,
        known=found.sign_count,
        origin=origin,
    ):
        raise Refused
    if not insert_session(connection, **values):
        raise Refused
