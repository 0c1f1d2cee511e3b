"""Prints the SBOM (CycloneDX 1.6, JSON): what a server consists of beside EZ-DMS itself. bin/sbom runs this.

Versions and hashes are those of requirements.lock, the hashes of vendored files are computed, and licenses are what the
installed packages say. The same commit gives the same bytes: there is no time and no random number in it.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "ezdms" / "static"
VENDORED = (  # files, name in the npm registry, version, license (SPDX); docs/decisions/dependencies.md
    ("vendor/htmx-4.0.1.esm.min.js", "htmx.org", "4.0.1", "0BSD"),
    ("vendor/lean-qr-2.7.4.min.js", "lean-qr", "2.7.4", "MIT"),
    ("vendor/emojibase-17.0.0-*.json", "emojibase-data", "17.0.0", "MIT"),
    ("fonts/*.woff2", "@fontsource-variable/inter", "5.3.0", "OFL-1.1"),
)


def normal(name: str) -> str:
    """A package's name as in a purl."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> list[dict[str, Any]]:
    """The packages of requirements.lock. One may have two versions, for different platforms."""
    found = []
    for line in (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines():
        requirement, *hashes = line.split(" --hash=sha256:")
        pin, _, marker = requirement.partition(" ; ")
        name, _, version = pin.strip().partition("==")
        component = _component(f"pkg:pypi/{normal(name)}@{version}", name, version, [one.strip() for one in hashes])
        component["licenses"] = _licenses(name)
        if marker:
            component["properties"] = [{"name": "ezdms:marker", "value": marker.strip()}]
        found.append(component)
    return found


def vendored() -> list[dict[str, Any]]:
    """The files of others that the page consists of."""
    found = []
    for pattern, name, version, license_id in VENDORED:
        hashes = [sha256(path.read_bytes()).hexdigest() for path in sorted(STATIC.glob(pattern))]
        purl = f"pkg:npm/{name.replace('@', '%40')}@{version}"
        found.append(_component(purl, name, version, hashes) | {"licenses": [{"license": {"id": license_id}}]})
    return found


def _component(purl: str, name: str, version: str, hashes: list[str]) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": one} for one in hashes],
    }


def _licenses(name: str) -> list[dict[str, Any]]:
    """What the package says: an SPDX expression, else words."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        sys.exit(f"{name} is not installed, so its license is unknown. Run bin/sbom.")
    if expression := said.get("License-Expression"):
        return [{"expression": expression}]
    classifiers = [one.rpartition(" :: ")[2] for one in said.get_all("Classifier", []) if one.startswith("License ::")]
    words = classifiers or [said.get("License", "").partition("\n")[0] or "unknown"]
    return [{"license": {"name": one}} for one in words]


def _names(wanted: list[str]) -> set[str]:
    """The packages that these requirements name, such as `click>=8; python_version < "4"`."""
    return {normal(re.split(r"[^\w.-]", one, maxsplit=1)[0]) for one in wanted}


def _needed(name: str) -> set[str]:
    """The packages that this one requires, whatever the platform, without extras."""
    return _names([one for one in metadata(name).get_all("Requires-Dist", []) if "extra ==" not in one])


def main() -> None:
    """Print it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    itself = f"pkg:pypi/{project['name']}@{project['version']}"
    packages, files = pinned(), vendored()
    direct = _names(project["dependencies"])

    def refs(names: set[str]) -> list[str]:
        return [one["bom-ref"] for one in packages if normal(one["name"]) in names]

    bom: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": itself,
                "name": project["name"],
                "version": project["version"],
                "purl": itself,
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": [*packages, *files],
        "dependencies": [
            {"ref": itself, "dependsOn": [*refs(direct), *(one["bom-ref"] for one in files)]},
            *({"ref": one["bom-ref"], "dependsOn": refs(_needed(one["name"]))} for one in packages),
        ],
    }
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bom))}"
    print(json.dumps(bom, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
