"""Parses a server's address, and checks the network and TLS before the first request."""

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

from ezdms.protocol.origin import not_an_address, parse_origin
from ezdms.verify.report import Finding, failed, ok, warning

CONNECT_WITHIN = 10.0  # seconds
FEWEST_DAYS = 14  # a certificate that expires sooner is a warning
PORTS = {"https": 443, "http": 80}


class AddressError(ValueError):
    """Not an address of a server that can be checked; the message says what is expected."""


class Unanswered(Exception):
    """There was no response that could be judged; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is. `origin` is its address as browsers write it: without a slash, without the usual port."""

    scheme: str
    host: str
    port: int
    origin: str


def parse_address(address: str) -> Place:
    """Parse https://host or https://host:port; plain http only for this machine. Raises AddressError."""
    origin = parse_origin(address.strip().removesuffix("/"))
    if origin is None:
        raise AddressError(not_an_address(address))
    if origin.scheme == "http" and not origin.is_here:
        raise AddressError(
            "Plain http can be checked only on this machine: browsers do not encrypt elsewhere. Try https://."
        )
    return Place(origin.scheme, origin.host, origin.port, str(origin))


def trust(cafile: Path | None) -> ssl.SSLContext:
    """Trust the certificates in `cafile` alone, else in SSL_CERT_FILE, else those that browsers trust.

    Raises AddressError.
    """
    try:
        return httpx.create_ssl_context() if cafile is None else ssl.create_default_context(cafile=str(cafile))
    except OSError as error:
        name = cafile or "the file that SSL_CERT_FILE names"
        raise AddressError(f"Cannot use {name} for certificates: {error.strerror or error}.") from error


async def check_place(place: Place, context: ssl.SSLContext) -> list[Finding]:
    """Check that a server answers with a valid certificate. Raises Unanswered if not, as nothing else can be judged."""
    if place.scheme == "http":
        await _connect(place, None)
        return [warning("tls", "None: this is plain http on this machine, where browsers allow encryption anyway.")]
    spoken, days, until = await _connect(place, context)
    findings = [await _check_old_tls(place, spoken), _judge_days(place.host, days, until)]
    if place.port == PORTS["https"]:
        findings.append(await check_plain_http(place.host, PORTS["http"]))
    return findings


async def _connect(place: Place, context: ssl.SSLContext | None) -> tuple[str, int, str]:
    """The TLS version, days until the certificate expires, and the date."""
    name = place.host if context else None
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=context, server_hostname=name)
    except TimeoutError as error:
        raise Unanswered(f"{place.origin} did not answer within {CONNECT_WITHIN:.0f} seconds.") from error
    except socket.gaierror as error:
        raise Unanswered(f"There is no host named {place.host}, or DNS does not work here.") from error
    except ssl.SSLCertVerificationError as error:
        raise Unanswered(f"The certificate of {place.origin} is not valid: {error.verify_message}.") from error
    except ssl.SSLError as error:
        raise Unanswered(f"{place.origin} does not support usable TLS: {error.reason or error}.") from error
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
    """The system's error message. For a name with several addresses, asyncio lists one error for each."""
    numbers = {int(number) for number in re.findall(r"\[Errno ([0-9]+)\]", str(error))}
    if numbers == {errno.ECONNREFUSED}:
        return "nothing listens there"
    return ", ".join(os.strerror(number) for number in sorted(numbers)) or str(error)


def _judge_days(host: str, days: int, until: str) -> Finding:
    sentence = f"It is valid for {host} until {until}, {days} days from now."
    if days < FEWEST_DAYS:
        return warning("certificate", f"{sentence} Make sure it is renewed automatically.")
    return ok("certificate", sentence)


async def _check_old_tls(place: Place, spoken: str) -> Finding:
    """Check that TLS 1.0 and 1.1 (RFC 8996) are refused, even to clients that support nothing newer."""
    context = _old_context()
    if context is None:
        return warning("tls", f"{spoken} is supported. OpenSSL here is too new to check for older versions.")
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=context, server_hostname=place.host)
    except OSError:  # refused, or no response
        return ok("tls", f"{spoken} is supported, and nothing older than TLSv1.2.")
    old = writer.get_extra_info("ssl_object").version()
    writer.transport.abort()
    return failed("tls", f"Expected nothing older than TLSv1.2, but {old} is also supported.")


def _old_context() -> ssl.SSLContext | None:
    """A context for TLS 1.0 and 1.1 only, trusting any server: nothing is sent. None if OpenSSL cannot."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # old versions are the point
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    except (ssl.SSLError, ValueError):
        return None
    return context


async def check_plain_http(host: str, port: int) -> Finding:
    """Check that the address without https redirects to https, or does not answer."""
    name = f"[{host}]" if ":" in host else host
    try:
        async with (
            asyncio.timeout(CONNECT_WITHIN),
            httpx.AsyncClient(trust_env=False) as http,
            http.stream("GET", f"http://{name}:{port}/") as response,
        ):
            target = response.headers.get("Location", "")
    except (httpx.HTTPError, TimeoutError):
        return ok("http", "No answer without TLS.")
    try:
        led = urlsplit(target)
        is_led = response.is_redirect and led.scheme == "https" and (led.hostname or "") == host.lower()
    except ValueError:
        is_led = False
    if is_led:
        return ok("http", "Plain http redirects to https.")
    came = f"a redirect to {target}" if target else f"status {response.status_code}"
    return warning("http", f"Expected a redirect to https://{name} or no answer without TLS, got {came}.")
