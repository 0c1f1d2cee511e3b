"""A page lists the hash of each of its scripts; the tests recompute them from the files."""

from __future__ import annotations

import base64
import hashlib
import json
import re

from quart import Quart

from ezdms.views import assets, shells

ELEMENT = re.compile(r"<(script|link)\b([^>]*)>")
ADDRESS = re.compile(r"/static/[0-9a-f]{12}/(.+)")


def hash_of(octets: bytes) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(octets).digest()).decode()


def hash_of_file(address: str) -> str:
    match = ADDRESS.fullmatch(address)
    assert match
    return hash_of((assets.FOLDER / match[1]).read_bytes())


def pages() -> list[str]:
    rendered = shells.shells({"name": "Club", "notice": "", "registration": "open", "retention": "0"})
    return [*(shell.body.decode() for shell in rendered.values()), shells.missing().decode()]


def test_scripts_and_styles_of_a_page_have_the_hashes_of_their_files() -> None:
    seen = 0
    for html in pages():
        for tag, attributes in ELEMENT.findall(html):
            found = dict(re.findall(r'([a-z]+)="([^"]*)"', attributes))
            address = found.get("src") or found.get("href", "")
            if tag == "script" or found["rel"] == "stylesheet":
                if found.get("type") == "importmap":
                    continue
                assert found["integrity"] == hash_of_file(address)
                seen += 1
    assert seen > 40


def test_the_import_map_lists_the_hash_of_every_script_and_maps_nothing() -> None:
    (text,) = re.findall(r'<script type="importmap">(.*?)</script>', pages()[0])
    (name, integrity) = json.loads(text).popitem()
    assert (name, len(json.loads(text))) == ("integrity", 1)
    assert {address: hash_of_file(address) for address in integrity} == integrity
    assert {ADDRESS.fullmatch(address)[1] for address in integrity} == set(assets.scripts())  # type: ignore[index]
    assert pages()[0].index('type="importmap"') < pages()[0].index('type="module"')


async def test_the_policy_of_a_page_lists_these_hashes_and_no_host(app: Quart) -> None:
    html = await (await app.test_client().get("/")).get_data(as_text=True)
    (import_map,) = re.findall(r'<script type="importmap">(.*?)</script>', html)
    expected = {hash_of(import_map.encode()), *json.loads(import_map)["integrity"].values()}
    for path in ("/", "/protection", "/c/000000000000000000000000"):
        response = await app.test_client().get(path, headers={"Accept": "text/html"})
        (sources,) = re.findall(r"script-src ([^;]*);", response.headers["Content-Security-Policy"])
        assert sorted(sources.split()) == sorted(f"'{each}'" for each in expected)
        assert response.headers["Integrity-Policy"] == "blocked-destinations=(script)"
        etag = {"If-None-Match": response.headers["ETag"], "Accept": "text/html"}
        again = await app.test_client().get(path, headers=etag)
        assert again.headers["Content-Security-Policy"] == response.headers["Content-Security-Policy"]
