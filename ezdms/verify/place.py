"""The address of a server, and what the network and TLS say of it before anything is asked."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ezdms.protocol.origin import parse_origin
from ezdms.verify.report import Finding, failed, ok, warning

CONNECT_WITHIN = 10.0  # seconds
FEWEST_DAYS = 14  # a certificate that ends sooner is a warning
PORTS = {"https": 443, "http": 80}


class AddressError(ValueError):
    """What was given is no address of a server that can be checked; the sentence says what is."""


class Unanswered(Exception):
    """No answer came that could be judged; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is. `origin` is its address as browsers write it: without a slash, without the usual port."""

    scheme: str
    host: str
    port: int
    origin: str


def parse_address(address: str) -> Place:
    """https://host or https://host:port; plain http on this very machine alone. Raises AddressError."""
    origin = parse_origin(address.strip().removesuffix("/"))
    if origin is None:
        raise AddressError(f"{address!r} is no server's address. Expected one such as https://chat.example.org.")
    if origin.scheme == "http" and not origin.is_here:
        raise AddressError(
            "Plain http can be checked on this very machine only: elsewhere browsers do not encrypt. Try https://."
        )
    return Place(origin.scheme, origin.host, origin.port, str(origin))


def trust(cafile: Path | None) -> ssl.SSLContext:
    """Whose certificates are believed: `cafile` alone, else SSL_CERT_FILE, else those that browsers believe.

    Raises AddressError.
    """
    try:
        return httpx.create_ssl_context() if cafile is None else ssl.create_default_context(cafile=str(cafile))
    except OSError as error:
        name = cafile or "the file that SSL_CERT_FILE names"
        raise AddressError(f"Cannot use {name} for certificates: {error.strerror or error}.") from error


async def check_place(place: Place, context: ssl.SSLContext) -> list[Finding]:
    """Somebody listens, with a certificate that holds. Raises Unanswered if not: nothing else can be judged then."""
    if place.scheme == "http":
        await _connect(place, None)
        return [warning("tls", "None: this is plain http on this very machine, where browsers encrypt all the same.")]
    spoken, days, until = await _connect(place, context)
    findings = [await _check_old_tls(place, spoken), _judge_days(place.host, days, until)]
    if place.port == PORTS["https"]:
        findings.append(await check_plain_http(place.host, PORTS["http"]))
    return findings


async def _connect(place: Place, context: ssl.SSLContext | None) -> tuple[str, int, str]:
    """The version of TLS, and for how many days and until when the certificate holds."""
    name = place.host if context else None
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=context, server_hostname=name)
    except TimeoutError as error:
        raise Unanswered(f"{place.origin} did not answer within {CONNECT_WITHIN:.0f} seconds.") from error
    except socket.gaierror as error:
        raise Unanswered(f"There is no host named {place.host}, or names cannot be looked up here.") from error
    except ssl.SSLCertVerificationError as error:
        raise Unanswered(f"The certificate of {place.origin} does not hold: {error.verify_message}.") from error
    except ssl.SSLError as error:
        raise Unanswered(f"{place.origin} speaks no TLS that can be used: {error.reason or error}.") from error
    except (OSError, UnicodeError) as error:
        raise Unanswered(f"{place.origin} cannot be reached: {_reason(error)}.") from error
    try:
        tls = writer.get_extra_info("ssl_object")
        if tls is None:
            return "", 0, ""
        end = datetime.fromtimestamp(ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"]), UTC)
        return tls.version(), (end - datetime.now(UTC)).days, f"{end:%Y-%m-%d}"
    finally:
        writer.transport.abort()


def _reason(error: OSError | UnicodeError) -> str:
    """In the system's words. A name with several addresses fails once for each, and asyncio quotes them all."""
    numbers = {int(number) for number in re.findall(r"\[Errno ([0-9]+)\]", str(error))}
    if numbers == {errno.ECONNREFUSED}:
        return "nothing listens there"
    return ", ".join(os.strerror(number) for number in sorted(numbers)) or str(error)


def _judge_days(host: str, days: int, until: str) -> Finding:
    sentence = f"It holds for {host} until {until}, {days} days from now."
    if days < FEWEST_DAYS:
        return warning("certificate", f"{sentence} Is it renewed by itself?")
    return ok("certificate", sentence)


async def _check_old_tls(place: Place, spoken: str) -> Finding:
    """TLS 1.0 and 1.1 (RFC 8996) must not be spoken, even to those who know nothing newer."""
    context = _old_context()
    if context is None:
        return warning("tls", f"{spoken} is spoken. OpenSSL here is too new to try whether something old is as well.")
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=context, server_hostname=place.host)
    except OSError:  # refused, or no answer
        return ok("tls", f"{spoken} is spoken, and nothing older than TLSv1.2.")
    old = writer.get_extra_info("ssl_object").version()
    writer.transport.abort()
    return failed("tls", f"Expected nothing older than TLSv1.2, but {old} is spoken as well.")


def _old_context() -> ssl.SSLContext | None:
    """TLS 1.0 and 1.1 alone, believing anybody: nothing is sent. None if OpenSSL cannot."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is the point
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    except (ssl.SSLError, ValueError):
        return None
    return context


async def check_plain_http(host: str, port: int) -> Finding:
    """Who types the address without https must be led there, or find nothing."""
    name = f"[{host}]" if ":" in host else host
    try:
        async with (
            asyncio.timeout(CONNECT_WITHIN),
            httpx.AsyncClient(trust_env=False) as http,
            http.stream("GET", f"http://{name}:{port}/") as response,
        ):
            target = response.headers.get("Location", "")
    except (httpx.HTTPError, TimeoutError):
        return ok("http", "Nothing answers without TLS.")
    try:
        led = urlsplit(target)
        is_led = response.is_redirect and led.scheme == "https" and (led.hostname or "") == host.lower()
    except ValueError:
        is_led = False
    if is_led:
        return ok("http", "Plain http leads to https.")
    came = f"a redirect to {target}" if target else f"an answer {response.status_code}"
    return warning("http", f"Expected a redirect to https://{name} or nothing without TLS, got {came}.")
