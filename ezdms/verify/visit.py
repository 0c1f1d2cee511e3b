"""Runs all checks in order, until done or out of time."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from ezdms import PROTOCOL
from ezdms.release.manifest import Manifest, installed
from ezdms.verify.content import check_content
from ezdms.verify.doors import check_doors
from ezdms.verify.headers import check_headers
from ezdms.verify.kinds import check_kinds
from ezdms.verify.pages import check_pages
from ezdms.verify.place import Place, Unanswered, check_place, parse_address, trust
from ezdms.verify.release import Release
from ezdms.verify.report import Finding, Report, failed, ok
from ezdms.verify.wire import JSON, Wire

ALL_WITHIN = 180.0  # seconds
FRONT = {"name": "EZ-DMS", "notice": "", "registration": "open", "retention": "0"}  # the operator's words in the pages


async def verify(
    address: str, *, cafile: Path | None = None, register: bool = False, manifest: Manifest | None = None
) -> Report:
    """Compare what the server at `address` serves with the installed release, or with `manifest`.

    `cafile`: trust the certificates in this PEM file. `register`: create an account, check its cookie, delete it.
    Raises AddressError if `address` is not a server address; anything a server does wrong is a finding.
    """
    place = parse_address(address)
    context, wanted = trust(cafile), manifest or installed()
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(ALL_WITHIN):
            await _visit(place, context, findings, wanted, register=register)
    except TimeoutError:
        findings.append(failed("time", f"The check did not finish within {ALL_WITHIN:.0f} seconds."))
    except Unanswered as error:
        findings.append(failed("answer", str(error)))
    return Report(place.origin, wanted.version, tuple(findings))


async def _visit(
    place: Place, context: ssl.SSLContext, findings: list[Finding], wanted: Manifest, *, register: bool
) -> None:
    """Run the checks. Adds to `findings` as it goes, so that they remain if time runs out. Raises Unanswered."""
    findings += await check_place(place, context)
    async with Wire(place, context) as wire:
        version, host = await _ask_deployment(wire)
        findings.append(ok("protocol", f"It uses {PROTOCOL}."))
        findings.append(_judge_version(version, wanted.version))
        release, is_same_version = Release(wanted, host), version == wanted.version
        pages, found = await check_pages(wire, release, is_same_version=is_same_version)
        findings += found
        findings += await check_content(wire, pages, release, is_same_version=is_same_version)
        findings += await check_kinds(wire, release, is_same_version=is_same_version)
        findings += await check_doors(wire, host["registration"])
        if register:
            from ezdms.verify.account import check_account  # the only part that needs keys

            findings += await check_account(wire, pages)
        findings += check_headers(wire.answers, place, release)


async def _ask_deployment(wire: Wire) -> tuple[str, dict[str, str]]:
    """The version the server reports, and its public words. Raises Unanswered if it is not EZ-DMS."""
    answer = await wire.get("/deployment", JSON)
    if answer.is_redirect:
        raise Unanswered(f"Expected EZ-DMS, got {answer.came}. If the server is there, check that address instead.")
    if answer.status != 200 or "protocol" not in answer.members:
        raise Unanswered(f"This is not EZ-DMS: /deployment answered {answer.came}, not as EZ-DMS does.")
    protocol, version = answer.members["protocol"], answer.members.get("version")
    if protocol != PROTOCOL or not isinstance(version, str):
        raise Unanswered(f"Expected the protocol {PROTOCOL} and a version, got {protocol} and {version}.")
    return version, {name: str(answer.members.get(name, default)) for name, default in FRONT.items()}


def _judge_version(version: str, wanted: str) -> Finding:
    if version == wanted:
        return ok("version", f"It says it runs {version}, the version it is compared with.")
    return failed(
        "version",
        f"Expected {wanted}, but it says it runs {version}: its bytes cannot be compared. "
        f"Install {version} here, or use its manifest (--manifest and --key), and check again.",
    )
