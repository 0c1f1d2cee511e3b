"""Checks that need a session. Only on request: creates an account and deletes it again."""

from __future__ import annotations

import secrets
import time

from ezdms import crypto
from ezdms.protocol.encoding import EnvelopeError, b64u_decode, b64u_encode
from ezdms.verify.doors import ELSEWHERE
from ezdms.verify.pages import check_with_session
from ezdms.verify.place import Unanswered
from ezdms.verify.report import Finding, failed, ok, warning
from ezdms.verify.wire import JSON, Answer, Wire, cookie_name


async def check_account(wire: Wire, pages: list[Answer]) -> list[Finding]:
    """Create an account whose PIN nobody knows, check its cookie, use it as its owner and as another site, delete it.

    `pages`: as served without a session.
    """
    keys = crypto.generate_keys()
    fields = _registration(keys, f"verify-{secrets.token_hex(6)}")
    try:
        made = await wire.post("/register", fields, may_set_cookie=True)
    except Unanswered as error:
        return [failed("cookie", str(error))]
    if made.status == 429:
        return [warning("cookie", "Not checked: too many registrations from here. Try again in a minute.")]
    if made.status == 403:
        return [warning("cookie", "Not checked: this server accepts no new accounts, or only by invitation.")]
    if made.status != 201:
        return [failed("cookie", f"Expected 201 for a new account, got {made.came}.")]
    findings = [_judge_cookie(made, wire.place.scheme)]
    token = str(made.members.get("token", ""))
    try:
        findings.append(await check_with_session(wire, pages, token))
        refused = await wire.knock(ELSEWHERE, token)
        came = "it was accepted" if refused is None else f"got {refused.came}"
        if refused is not None and refused.status == 403:
            findings.append(ok("foreign socket with a session", "Refused with 403."))
        else:
            findings.append(failed("foreign socket with a session", f"Expected 403, but {came}."))
    except Unanswered as error:
        findings.append(failed("foreign socket with a session", str(error)))
    finally:
        findings.append(await _delete(wire, keys, fields, token))
    return findings


def _registration(keys: crypto.Keys, username: str) -> dict[str, str]:
    """Registration fields. Wrapped keys are noise of the right length: nobody will use them, and no server can tell."""
    sizes = {"login_id": 16, "auth_key": 32, "salt": 16, "wrapped_sig": 76, "wrapped_enc": 1246, "search_salt": 16}
    statement = crypto.sign_statement(keys, username, 1, int(time.time() * 1000))
    noise = {name: b64u_encode(secrets.token_bytes(size)) for name, size in sizes.items()}
    return {"username": username, "iterations": "600000", "statement": statement, **noise}


def _judge_cookie(made: Answer, scheme: str) -> Finding:
    """Check the cookie's name and flags only."""
    name, expected = cookie_name(scheme), {"httponly", "path=/", "samesite=lax"}
    if scheme == "https":
        expected |= {"secure"}
    cookies = made.all("Set-Cookie")
    if len(cookies) != 1:
        return failed("cookie", f"Expected one cookie for a new account, got {len(cookies)}.")
    pair, *attributes = (part.strip() for part in cookies[0].split(";"))
    got = {part.lower() for part in attributes if not part.lower().startswith(("max-age=", "expires="))}
    if pair.partition("=")[0] != name or got != expected:
        came = f"{pair.partition('=')[0]} with {', '.join(sorted(got)) or 'nothing'}"
        return failed("cookie", f"Expected {name} with {', '.join(sorted(expected))}, got {came}.")
    return ok("cookie", f"{name} with {', '.join(sorted(got))}.")


async def _delete(wire: Wire, keys: crypto.Keys, fields: dict[str, str], token: str) -> Finding:
    asked = {name: fields[name] for name in ("login_id", "auth_key")}
    try:
        server = b64u_decode(str((await wire.get("/deployment", JSON)).members.get("deployment_id", "")))
        asked["act"] = crypto.sign_act(keys, server, "delete_account", "", int(time.time() * 1000))
        gone = await wire.post("/delete_account", asked, token=token, may_set_cookie=True)
    except (Unanswered, EnvelopeError) as error:
        return failed("account", f"The account {fields['username']} was left behind: {error}")
    if gone.status != 204:
        return failed("account", f"Expected 204, got {gone.came}: the account {fields['username']} was left behind.")
    return ok("account", f"The account {fields['username']} was created for this check and deleted.")
