"""Two headers whose value decides: where else a browser goes for the same answers, and how long it insists on TLS."""

from __future__ import annotations

import re

from ezdms.verify.place import Place

WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, 5.6.2
QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
# RFC 7838, 3: protocol-id "=" alt-authority *( OWS ";" OWS parameter ); the authority is a quoted string.
ALTERNATIVE = re.compile(rf"[ \t]*{WORD}=({QUOTED})((?:[ \t]*;[ \t]*{WORD}=(?:{WORD}|{QUOTED}))*)[ \t]*", re.ASCII)
AUTHORITY = re.compile(r"(.*):([0-9]{1,5})", re.ASCII)
# RFC 6797, 6.1: directives with ";" between; a value is a token or a quoted string.
DIRECTIVE = re.compile(rf"({WORD})(?:[ \t]*=[ \t]*({WORD}|{QUOTED}))?", re.ASCII)


def fault_of_alternatives(value: str, place: Place) -> str:
    """What is wrong with an Alt-Svc, "" if nothing is: it may name other protocols at this very host and port alone."""
    if value.strip(" \t") == "clear":
        return ""
    rest = value
    while True:
        found = ALTERNATIVE.match(rest)
        if found is None:
            return "is malformed"
        authority = AUTHORITY.fullmatch(re.sub(r"\\(.)", r"\1", found[1][1:-1]))
        if authority is None:
            return "is malformed"
        if authority[1].strip("[]").lower() not in ("", place.host.lower()):
            return "leads to another host"
        if int(authority[2]) != place.port:
            return "leads to another port"
        rest = rest[found.end() :]
        if not rest:
            return ""
        if rest[0] != ",":
            return "is malformed"
        rest = rest[1:]


def fault_of_hsts(value: str) -> str:
    """What is wrong with a Strict-Transport-Security, "" if nothing is."""
    given: dict[str, str] = {}
    for part in value.split(";"):
        text = part.strip(" \t")
        if not text:
            continue
        found = DIRECTIVE.fullmatch(text)
        if found is None:
            return "is malformed"
        if found[1].lower() in given:
            return "says something twice"
        given[found[1].lower()] = (found[2] or "").strip('"')
    if not re.fullmatch(r"[0-9]+", given.get("max-age", ""), re.ASCII):
        return "has no max-age that is a number"
    return "tells browsers to forget that there is TLS" if int(given["max-age"]) == 0 else ""
