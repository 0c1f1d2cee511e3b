"""Strict parsers of two header fields that change where a browser connects: Alt-Svc and Strict-Transport-Security."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ezdms.verify.place import Place

NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110, 5.6.2
QUOTED = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'  # RFC 9110, 5.6.4
PARAMETER = re.compile(rf"[ \t]*;[ \t]*({NAME})=({NAME}|{QUOTED})")
ALTERNATIVE = re.compile(rf"({NAME})=({QUOTED})")
COMMA = re.compile(r"[ \t]*,[ \t]*")
DIRECTIVE = re.compile(rf"[ \t]*(?:({NAME})(?:=({NAME}|{QUOTED}))?)?[ \t]*(;|$)")
ENCODED = re.compile(r"%([0-9A-F]{2})")
DIGITS = re.compile(r"[0-9]{1,18}")


def fault_of_alt_svc(values: Sequence[str], place: Place) -> str | None:
    """What is wrong with Alt-Svc (RFC 7838), given all its lines; None if it names only `place`.

    A browser would silently connect to the alternative instead, still accepting this server's certificate.
    """
    value = ", ".join(values)
    if value == "clear":
        return None
    at = 0
    while True:
        alternative = ALTERNATIVE.match(value, at)
        if alternative is None:
            return "it is malformed"
        fault = _fault_of_protocol(alternative[1]) or _fault_of_authority(_unquoted(alternative[2]), place)
        if fault:
            return fault
        at = alternative.end()
        seen = set()
        while parameter := PARAMETER.match(value, at):
            name, said = parameter[1].lower(), _unquoted(parameter[2])
            at = parameter.end()
            if name in seen:
                return f"{name} is given twice"
            seen.add(name)
            if (name == "ma" and not DIGITS.fullmatch(said)) or (name == "persist" and said != "1"):
                return f"{name} is malformed"
        if at == len(value):
            return None
        comma = COMMA.match(value, at)
        if comma is None:
            return "it is malformed"
        at = comma.end()


def _fault_of_protocol(name: str) -> str | None:
    """Only characters not allowed in a token are percent-encoded, in upper case (RFC 7838, 3)."""
    rest = ENCODED.sub("", name)
    needless = [code for code in ENCODED.findall(name) if code != "25" and re.fullmatch(NAME, chr(int(code, 16)))]
    return "the protocol name is malformed" if "%" in rest or needless else None


def _fault_of_authority(authority: str, place: Place) -> str | None:
    host, colon, port = authority.rpartition(":")
    if not colon or not DIGITS.fullmatch(port):
        return "the address is malformed"
    own = f"[{place.host}]" if ":" in place.host else place.host
    if host.lower() not in ("", own.lower()):
        return "it points to another host"
    return None if int(port) == place.port else "it points to another port"


def fault_of_hsts(values: Sequence[str]) -> str | None:
    """What is wrong with Strict-Transport-Security (RFC 6797), given all its lines.

    If it is unreadable, or 0, browsers may connect without TLS again.
    """
    if len(values) > 1:
        return "it is sent more than once"
    found: dict[str, str | None] = {}
    value, at = values[0], 0
    while at <= len(value):
        directive = DIRECTIVE.match(value, at)
        if directive is None:
            return "it is malformed"
        name = (directive[1] or "").lower()
        if name in found:
            return f"{name} is given twice"
        if name:
            found[name] = directive[2]
        at = directive.end() if directive[3] else len(value) + 1
    if "max-age" not in found:
        return "max-age is missing"
    age = found["max-age"]
    if age is None or not DIGITS.fullmatch(age):
        return "max-age is not a plain number"
    if int(age) == 0:
        return "max-age=0 makes browsers forget it"
    if found.get("includesubdomains") is not None or found.get("preload") is not None:
        return "a directive that takes no value has one"
    return None


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if text.startswith('"') else text
