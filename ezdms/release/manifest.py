"""The release manifest: what a release serves to a browser, in one canonical JSON object (docs/releasing.md).

Two people who build the same commit get the same manifest. With it, anyone can check a server that runs this release.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import escape

from ezdms import __version__
from ezdms.protocol.encoding import EnvelopeError, parse_json
from ezdms.release import VERSION, ReleaseError, digest_of, name_of
from ezdms.views import assets, shells
from ezdms.views.languages import ENGLISH, LANGUAGES, Language
from ezdms.views.page_policy import of_a_page

FORMAT = "ezdms-manifest/1"
MISSING = "missing"  # the page for an unknown address
LARGEST = 4 * 1024 * 1024  # bytes
# Placeholders for the host's own words in a shell.
PLACES = {name: f"{{{{ host.{name} }}}}" for name in ("name", "notice", "registration", "retention")}
PLACE = re.compile(r"{{ host\.[a-z]+ }}")
MEMBERS = {"format", "version", "files", "addresses", "shells", "import_map", "csp"}
ADDRESS = re.compile(r"/[A-Za-z0-9/_-]{0,100}", re.ASCII)
FILE = re.compile(r"/static/[0-9a-f]{12}/[A-Za-z0-9_./-]{1,100}", re.ASCII)
CODE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?", re.ASCII)
HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


class ManifestError(ReleaseError):
    """Not a manifest, or its signature is invalid; the message says which."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a release serves.

    `files`: path → SHA-256 (64 hex digits). `addresses`: shell → the addresses that serve it. `shells`: language →
    shell → its HTML, with PLACES for the host's words. `import_map`: the text of the inline script. `csp`: the
    Content-Security-Policy of a page.
    """

    version: str
    files: Mapping[str, str]
    addresses: Mapping[str, tuple[str, ...]]
    shells: Mapping[str, Mapping[str, str]]
    import_map: str
    csp: str

    @property
    def build(self) -> str:
        """The build's name, as people compare it."""
        return name_of(self.version, digest_of(self.import_map))

    def canonical(self) -> bytes:
        """The canonical JSON (RFC 8785): sorted members, no white space, UTF-8."""
        return canonical({"format": FORMAT, **{name: getattr(self, name) for name in self.__slots__}})

    def shell(self, name: str, host: Mapping[str, str], language: str = ENGLISH.code) -> bytes:
        """The HTML of a shell in a language, with this host's words filled in."""
        words = {place: str(escape(host[word])) for word, place in PLACES.items()}
        return PLACE.sub(lambda match: words[match[0]], self.shells[language][name]).encode()


def canonical(members: Mapping[str, Any]) -> bytes:
    """Canonical JSON (RFC 8785) for the values of a manifest: strings, lists, and objects with ASCII names."""
    return json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def installed() -> Manifest:
    """The manifest of the installed release."""
    files = sorted(path for path in assets.FOLDER.rglob("*") if path.is_file())
    return Manifest(
        version=__version__,
        files={
            assets.address_of(path.relative_to(assets.FOLDER).as_posix()): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        },
        addresses=dict(shells.ADDRESSES),
        shells={code: _rendered(language) for code, language in LANGUAGES.items()},
        import_map=assets.import_map(),
        csp=of_a_page()["Content-Security-Policy"],
    )


def _rendered(language: Language) -> dict[str, str]:
    rendered = {name: shell.body.decode() for name, shell in shells.shells(PLACES, language).items()}
    return {**rendered, MISSING: shells.missing(language=language).decode()}


def read(octets: bytes) -> dict[str, Any]:
    """The JSON object of a manifest, signed or not. Raises ManifestError."""
    try:
        if len(octets) > LARGEST:
            raise ManifestError(f"Expected a manifest of at most {LARGEST} bytes.")
        members = parse_json(octets)
    except EnvelopeError as error:
        raise ManifestError("This is not a manifest: expected one JSON object.") from error
    if members.get("format") != FORMAT:
        raise ManifestError(f"This is not a manifest in the format {FORMAT}.")
    return members


def of_members(members: Mapping[str, Any]) -> Manifest:
    """Build a manifest from parsed JSON; checks every member. Raises ManifestError."""
    if set(members) != MEMBERS:
        raise ManifestError(f"Expected exactly the members {', '.join(sorted(MEMBERS))}.")
    files, addresses, texts = members["files"], members["addresses"], members["shells"]
    _expect(isinstance(members["version"], str) and VERSION.fullmatch(members["version"]), "a version")
    _expect(_maps(files, FILE.fullmatch, lambda value: isinstance(value, str) and HEX.fullmatch(value)), "files")
    _expect(_maps(addresses, str.isidentifier, _is_addresses), "addresses")
    _expect(_maps(texts, CODE.fullmatch, lambda found: _maps(found, str.isidentifier, _is_shell)), "shells")
    _expect(shells.APP in addresses, "the addresses of the page")
    whole = all(set(found) == {*addresses, MISSING} for found in texts.values())
    _expect(ENGLISH.code in texts and whole, "a shell for each address")
    _expect(_is_text(members["import_map"]) and _is_text(members["csp"]), "an import map and a policy")
    lists = {name: tuple(paths) for name, paths in addresses.items()}
    return Manifest(members["version"], files, lists, texts, members["import_map"], members["csp"])


def _maps(value: object, is_name: Any, is_value: Any) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    return all(is_name(name) and is_value(one) for name, one in value.items())


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_shell(value: object) -> bool:
    return isinstance(value, str) and bool(value) and set(PLACE.findall(value)) <= set(PLACES.values())


def _is_addresses(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, str) and ADDRESS.fullmatch(one) is not None for one in value)
    )


def _expect(is_so: object, what: str) -> None:
    if not is_so:
        raise ManifestError(f"The manifest does not have {what} in the right form.")
