"""The manifest: it lists what the release serves, is parsed strictly, and its signature is checked."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from quart import Quart

from ezdms import __version__
from ezdms.app import create_app
from ezdms.cli import main
from ezdms.commands.checks.release import says_why
from ezdms.protocol.encoding import b64u_encode
from ezdms.release import VERSION, manifest, signing
from ezdms.release.manifest import ManifestError
from ezdms.settings import Settings
from ezdms.views import assets


def run(*words: str | Path) -> tuple[int, str]:
    """Run the command; returns the exit code and the output."""
    done = CliRunner().invoke(main, [str(word) for word in words])
    return done.exit_code, done.output


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    signing.make_key(file)
    return file


async def test_a_manifest_has_every_page_and_file_as_served(tmp_path: Path) -> None:
    host = {
        "name": 'The "Club" & <friends>',
        "notice": "{{ host.name }} it's",
        "registration": "closed",
        "retention": "30",
    }
    settings = {"server_name": host["name"], "notice": host["notice"], "registration": "closed", "retention": 30}
    app = create_app(Settings(data_dir=tmp_path, **settings))  # type: ignore[arg-type]
    made = manifest.installed()
    assert made.version == __version__
    async with app.test_app():
        client = app.test_client()
        for name, addresses in made.addresses.items():
            for address in addresses:
                response = await client.get(address, headers={"Accept": "text/html"})
                assert await response.get_data(as_text=False) == made.shell(name, host)
                assert response.headers["Content-Security-Policy"] == made.csp
        nowhere = await client.get("/nowhere", headers={"Accept": "text/html"})
        assert await nowhere.get_data(as_text=False) == made.shell("missing", host)
        for path, digest in made.files.items():
            octets = await (await client.get(path)).get_data(as_text=False)
            assert hashlib.sha256(octets).hexdigest() == digest
    assert len(made.files) == len([path for path in assets.FOLDER.rglob("*") if path.is_file()])
    assert f'<script type="importmap">{made.import_map}</script>'.encode() in made.shell("app", host)


async def test_the_manifest_is_printed_in_canonical_form(app: Quart) -> None:
    code, printed = run("manifest")
    assert code == 0
    members = json.loads(printed)
    assert printed == json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
    assert manifest.of_members(manifest.read(printed.encode())) == manifest.installed()


def test_only_the_key_that_signed_a_manifest_verifies_it(key: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    signing.make_key(other)
    code, printed = run("manifest", "--sign", key)
    assert code == 0
    file = tmp_path / "manifest.json"
    file.write_text(printed)
    code, said = run("manifest", "--verify", file, "--key", f"{key}.pub")
    assert (code, said.split(":")[0]) == (0, "Good")
    assert f"EZ-DMS {__version__}" in said
    assert "exactly the release installed here" in said
    code, said = run("manifest", "--verify", file, "--key", f"{other}.pub")
    named = signing.fingerprint(signing.load_public(Path(f"{other}.pub")))
    assert (code, said) == (
        1,
        "Error: The signature of this manifest is invalid: it was changed, or signed by a key other than "
        f"{named}. Do not use it.\n",
    )


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a file": lambda members: members["files"].update({next(iter(members["files"])): "0" * 64}),
    "one more file": lambda members: members["files"].update({"/static/000000000000/js/x.js": "0" * 64}),
    "a page": lambda members: members["shells"]["en"].update(app="<p>"),
    "the policy": lambda members: members.update(csp="default-src *"),
    "the version": lambda members: members.update(version="9.9.9"),
    "the signature": lambda members: members.update(signature="A" * 86),
    "no signature": lambda members: members.pop("signature"),
    "an invalid signature": lambda members: members.update(signature=1),
    "an unknown member": lambda members: members.update(more=1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_modified_signed_manifest_is_refused(key: Path, name: str) -> None:
    signed = signing.sign(manifest.installed(), signing.load_private(key))
    public = signing.load_public(Path(f"{key}.pub"))
    assert signing.open_signed(signed, public) == manifest.installed()
    members = json.loads(signed)
    CHANGES[name](members)
    with pytest.raises(ManifestError):
        signing.open_signed(json.dumps(members).encode(), public)


ODD: dict[str, Any] = {
    "format": "ezdms-manifest/2",
    "version": "1",
    "files": {"/etc/passwd": "0" * 64},
    "addresses": {"app": "/"},
    "shells": {"de": {"app": "x"}},
    "import_map": 1,
    "csp": None,
    "more": 1,
}


@pytest.mark.parametrize("name", [*ODD, "nothing", "html", "twins", "too large"])
def test_an_invalid_manifest_is_refused(name: str) -> None:
    texts = {"nothing": b"", "html": b"<html>", "twins": b'{"format":1,"format":2}', "too large": b" " * 2**23}
    text = texts.get(name) or json.dumps(json.loads(manifest.installed().canonical()) | {name: ODD.get(name)}).encode()
    with pytest.raises(ManifestError):
        manifest.of_members(manifest.read(text if name != "nothing" else b""))


def without_the_page(members: dict[str, Any]) -> None:
    del members["addresses"]["app"], members["shells"]["en"]["app"]


def with_another_place(members: dict[str, Any]) -> None:
    members["shells"]["en"]["app"] += "{{ host.secret }}"


ODD_INSIDE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no address of the page": without_the_page,
    "no address at all": lambda members: members["addresses"].update(app=[]),
    "an invalid address": lambda members: members["addresses"].update(app=["/(.*"]),
    "an unknown placeholder": with_another_place,
    "a version with words": lambda members: members.update(version="1.0 call-us"),
    "a version with a word suffix": lambda members: members.update(version="1.0-call-us"),
    "an overlong version": lambda members: members.update(version="1." + "0" * 60),
}


@pytest.mark.parametrize("name", ODD_INSIDE)
def test_a_malformed_signed_manifest_is_refused(key: Path, tmp_path: Path, name: str) -> None:
    members = json.loads(manifest.installed().canonical())
    ODD_INSIDE[name](members)
    octets = manifest.canonical(members)
    signature = signing.load_private(key).sign(signing.SIGNED + octets)
    file = tmp_path / "odd"
    file.write_bytes(manifest.canonical({**members, "signature": b64u_encode(signature)}))
    code, said = run("manifest", "--verify", file, "--key", f"{key}.pub")
    assert (code, "The manifest does not have" in said) == (1, True), said
    code, said = run("pin", "https://x.example", "--output", tmp_path / "pin", "--also", file, "--key", f"{key}.pub")
    assert (code, "The manifest does not have" in said) == (1, True), said
    assert not (tmp_path / "pin").exists()


@pytest.mark.parametrize(
    "version",
    ["0.1.0", "1.0", "1.2.3.4", "2.0.0rc1", "1.0.post2", "1.0.0.dev12", "1.0a1.dev2", "1.0.0-beta", "1.0.0-rc.2"],
)
def test_versions_are_numbered_like_packages(version: str) -> None:
    assert VERSION.fullmatch(version)


def test_a_file_system_error_without_a_file_name_is_reported() -> None:
    @says_why
    def fails() -> None:
        raise OSError("the disk went away")

    with pytest.raises(click.ClickException) as told:
        fails()
    assert told.value.message == "Cannot use a file: the disk went away."


def test_a_release_key_is_private_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "key"
    code, said = run("release-key", file)
    assert code == 0
    assert signing.fingerprint(signing.load_public(Path(f"{file}.pub"))) in said
    assert oct(file.stat().st_mode)[-3:] == "600"
    before = file.read_bytes(), Path(f"{file}.pub").read_bytes()
    for missing in (None, file, Path(f"{file}.pub")):
        if missing:
            missing.unlink()
        code, said = run("release-key", file)
        assert (code, "already exists" in said) == (1, True)
        if missing:
            missing.write_bytes(before[missing != file])
            missing.chmod(0o600)
    assert (file.read_bytes(), Path(f"{file}.pub").read_bytes()) == before
    Path(f"{tmp_path}/other.pub").symlink_to(tmp_path / "nowhere")
    assert run("release-key", tmp_path / "other")[0] == 1
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--sign", "{nowhere}"], "Cannot use"),
        (["--sign", "{public}"], "has no private key, or one with a password, which is not supported"),
        (["--sign", "{p256}"], "is not an Ed25519 key"),
        (["--sign", "{known}"], "Other users can read"),
        (["--sign", "{empty}"], "has no private key"),
        (["--verify", "{empty}", "--key", "{public}"], "This is not a manifest"),
        (["--verify", "{empty}", "--key", "{private}"], "has no public key"),
        (["--verify", "{nowhere}", "--key", "{public}"], "Cannot use"),
        (["--verify", "/dev/zero", "--key", "{public}"], "at most 4194304 bytes"),
        (["--verify", "{empty}"], "together"),
        (["--key", "{public}"], "together"),
        (["--sign", "{private}", "--verify", "{empty}", "--key", "{public}"], "together"),
    ],
)
def test_a_file_that_cannot_be_used_is_reported(key: Path, tmp_path: Path, words: list[str], sentence: str) -> None:
    (tmp_path / "empty").write_bytes(b"")
    p256 = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "p256").write_bytes(p256)
    (tmp_path / "known").write_bytes(key.read_bytes())
    for name, mode in (("p256", 0o600), ("empty", 0o600), ("known", 0o640)):
        (tmp_path / name).chmod(mode)
    files = {name: tmp_path / name for name in ("nowhere", "empty", "p256", "known")} | {
        "private": key,
        "public": Path(f"{key}.pub"),
    }
    code, said = run("manifest", *(word.format(**files) for word in words))
    assert code in (1, 2)
    assert sentence in said


def test_openssl_reads_the_key(key: Path) -> None:
    if not any(Path(folder, "openssl").exists() for folder in os.get_exec_path()):
        pytest.skip("openssl is not installed")
    done = subprocess.run(["openssl", "pkey", "-in", str(key), "-pubout"], capture_output=True, check=True)
    assert done.stdout == Path(f"{key}.pub").read_bytes()
