"""The SBOM names everything that a server consists of, in the form of CycloneDX 1.6."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from hashlib import sha256
from typing import Any

import pytest

from ezdms import __version__
from tests.conftest import ROOT

STATIC = ROOT / "ezdms" / "static"


def printed() -> bytes:
    """What the command prints in this environment, which has the packages of all lock files."""
    command = [sys.executable, "-P", str(ROOT / "bin" / "make_sbom.py")]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def sbom() -> dict[str, Any]:
    """The SBOM of this checkout."""
    found: dict[str, Any] = json.loads(printed())
    return found


def test_it_names_every_pinned_package_with_its_version_hashes_and_license(sbom: dict[str, Any]) -> None:
    pinned = {}
    for block in re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text().strip()):
        name, version = re.match(r"([\w.-]+)==(\S+)", block).groups()  # type: ignore[union-attr]
        pinned[f"pkg:pypi/{name}@{version}"] = set(re.findall(r"sha256:([0-9a-f]{64})", block))
    listed = {one["purl"]: {each["content"] for each in one["hashes"]} for one in sbom["components"]}
    assert pinned == {purl: hashes for purl, hashes in listed.items() if purl.startswith("pkg:pypi/")}
    assert len(pinned) > 20
    for one in sbom["components"]:
        [known, *_] = one["licenses"]
        assert (known.get("expression") or known["license"].get("id") or known["license"]["name"]) != "unknown"


def test_it_names_every_vendored_file_and_the_version_of_ezdms(sbom: dict[str, Any]) -> None:
    listed = {each["content"] for one in sbom["components"] if "npm" in one["purl"] for each in one["hashes"]}
    files = [*STATIC.glob("vendor/*.js*"), *STATIC.glob("fonts/*.woff2")]
    assert listed == {sha256(path.read_bytes()).hexdigest() for path in files}
    recorded = (ROOT / "docs" / "decisions" / "dependencies.md").read_text()
    for name, version in (("htmx", "4.0.1"), ("lean-qr", "2.7.4"), ("emojibase-data", "17.0.0"), ("Inter", "5.3.0")):
        assert f"{name} {version}" in recorded
        assert any(name.lower() in one["name"] and one["version"] == version for one in sbom["components"])
    itself = sbom["metadata"]["component"]
    assert (itself["name"], itself["version"]) == ("ezdms", __version__)


def test_it_has_the_form_of_cyclonedx(sbom: dict[str, Any]) -> None:
    assert set(sbom) == {
        "bomFormat", "specVersion", "version", "serialNumber", "metadata", "components", "dependencies",
    }  # fmt: skip
    assert (sbom["bomFormat"], sbom["specVersion"], sbom["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", sbom["serialNumber"])
    assert sbom["metadata"]["component"]["type"] == "application"
    known = [sbom["metadata"]["component"]["bom-ref"]]
    for one in sbom["components"]:
        assert set(one) - {"properties"} == {"type", "bom-ref", "name", "version", "purl", "hashes", "licenses"}
        assert (one["type"], one["bom-ref"]) == ("library", one["purl"])
        assert re.fullmatch(r"pkg:(pypi|npm)/[\w./%-]+@[\w.+-]+", one["purl"])
        assert {each["alg"] for each in one["hashes"]} == {"SHA-256"}
        assert all(re.fullmatch(r"[0-9a-f]{64}", each["content"]) for each in one["hashes"])
        for each in one["licenses"]:  # an expression stands alone; otherwise each has an id or a name
            assert (set(each) == {"expression"} and len(one["licenses"]) == 1) or len(each["license"]) == 1
        assert all(set(each) == {"name", "value"} for each in one.get("properties", []))
        known.append(one["bom-ref"])
    assert len(known) == len(set(known))
    assert [one["ref"] for one in sbom["dependencies"]] == [one for one in known if "npm" not in one]
    needed = {ref for one in sbom["dependencies"] for ref in one["dependsOn"]}
    assert needed == set(known[1:])  # nothing is listed that nothing needs


def test_the_same_commit_gives_the_same_bytes() -> None:
    assert printed() == printed()
