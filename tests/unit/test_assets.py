"""Static files: hashed URLs are cached forever, others revalidated; nothing outside the folder is served."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from quart import Quart
from werkzeug.exceptions import NotFound

from ezdms.views import assets
from ezdms.web import static_files
from tests.support.people import JSON

FILE = "js/boot.js"
FOR_GOOD = "public, max-age=31536000, immutable"
OLD = "0123456789ab"


def content() -> bytes:
    return (assets.FOLDER / FILE).read_bytes()


async def test_a_hashed_url_is_cached_forever(app: Quart) -> None:
    assert re.fullmatch(rf"/static/[0-9a-f]{{12}}/{FILE}", assets.address_of(FILE))
    response = await app.test_client().get(assets.address_of(FILE))
    assert response.status_code == 200
    assert response.headers.getlist("Cache-Control") == [FOR_GOOD]
    assert "Expires" not in response.headers
    assert response.mimetype in ("text/javascript", "application/javascript")
    assert await response.get_data(as_text=False) == content()


@pytest.mark.parametrize("path", [f"/static/{FILE}", f"/static/{OLD}/{FILE}"])
async def test_a_url_without_the_current_digest_serves_the_current_file_with_no_cache(app: Quart, path: str) -> None:
    assert assets.digest() != OLD
    response = await app.test_client().get(path)
    assert response.status_code == 200
    assert response.headers.getlist("Cache-Control") == ["no-cache"]
    assert "Expires" not in response.headers
    assert await response.get_data(as_text=False) == content()


@pytest.mark.parametrize("before", ["", f"{OLD}/"])
async def test_a_client_that_has_the_file_gets_304(app: Quart, before: str) -> None:
    client, path = app.test_client(), f"/static/{before}{FILE}"
    tag = (await client.get(path)).headers["ETag"]
    again = await client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, await again.get_data(as_text=False)) == (304, b"")
    assert again.headers["Cache-Control"] == "no-cache"
    other = await client.get(path, headers={"If-None-Match": '"another"'})
    assert (other.status_code, await other.get_data(as_text=False)) == (200, content())


OUTSIDE = ["../app.py", "js/../../app.py", f"{OLD}/../app.py", "./../app.py", "js/./../../app.py"]


@pytest.mark.parametrize("name", [*OUTSIDE, str(Path(__file__)), f"{OLD}/{Path(__file__)}", "..\\app.py"])
async def test_no_path_leads_outside_the_folder(app: Quart, name: str) -> None:
    if name in OUTSIDE:
        there = assets.FOLDER / name.removeprefix(f"{OLD}/")
        assert there.resolve() == assets.FOLDER.parent / "app.py"  # following the link would serve it
        assert there.resolve().is_file()
    async with app.test_request_context("/"):
        with pytest.raises(NotFound):
            await static_files.send_file(name)
        assert (await static_files.send_file(FILE)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/%2e%2e%2fapp.py",
        "/static/..%2fapp.py",
        "/static/..%5capp.py",
        "/static/js/%2e%2e/%2e%2e/app.py",
        f"/static/{OLD}/%2e%2e/app.py",
        f"/static/{OLD}/%2e%2e/%2e%2e/pyproject.toml",
        "/static/%2fetc/passwd",
        f"/static/{OLD}/%2fetc%2fpasswd",
        "/static/",
        "/static/js",
        "/static/js/",
        f"/static/{OLD}",
        f"/static/{OLD}/",
        f"/static/{OLD}/{OLD}/{FILE}",
        "/static/%00",
        f"/static/{FILE}%00",
        "/static/" + "a" * 5000,
        "/static/" + "a/" * 3000,
    ],
    ids=lambda path: path[:40],
)
async def test_an_unknown_path_is_404(app: Quart, path: str) -> None:
    client = app.test_client()
    response = await client.get(path, headers=JSON)
    if response.status_code == 308:  # double slashes are merged
        response = await client.get(urlsplit(response.headers["Location"]).path, headers=JSON)
    assert response.status_code == 404
    assert set(await response.get_json()) == {"error", "code"}
    assert response.headers["Cache-Control"] == "no-store"


def test_the_digest_depends_on_every_byte_and_file_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "FOLDER", tmp_path)
    (tmp_path / "js").mkdir()
    file = tmp_path / "js" / "a.js"
    seen = set()
    for change in (
        lambda: file.write_bytes(b"1"),
        lambda: file.write_bytes(b"2"),
        lambda: (tmp_path / "b.js").write_bytes(b""),
        lambda: file.rename(tmp_path / "js" / "c.js"),
    ):
        change()
        seen.add(assets.digest.__wrapped__())
        assert assets.digest.__wrapped__() in seen
    assert len(seen) == 4
    (tmp_path / "js" / "c.js").rename(file)
    (tmp_path / "b.js").unlink()
    assert assets.digest.__wrapped__() in seen  # the same files give the same URL


async def test_a_page_that_fails_to_start_shows_the_same_message_with_and_without_scripts(
    app: Quart,
) -> None:
    html = await (await app.test_client().get("/")).get_data(as_text=True)
    (said,) = re.findall(r'<p class="unstarted">(.*?)</p>', html)
    release = (assets.FOLDER / "js" / "release.js").read_text("utf-8")
    pieces = re.findall(r'"unstarted": ("[^;]*?"),\n', release)
    assert "".join(re.findall(r'"([^"]*)"', pieces[0])) == said


async def test_a_page_preloads_every_module_that_it_needs(app: Quart) -> None:
    html = await (await app.test_client().get("/")).get_data(as_text=True)
    scripts = r'<script type="module" (?:async )?src="/static/[0-9a-f]{12}/([^"]+)" integrity="[^"]+"></script>'
    asked = re.findall(scripts, html)
    assert asked[:2] == ["js/first.js", "js/boot.js"]  # no other script runs before boot.js
    assert len(asked) == len(set(asked))
    assert 'js/scheme.js" integrity=' in html  # no module: it runs before anything is drawn
    assert {*asked, "js/scheme.js"} == set(assets.scripts())
    there = {path.relative_to(assets.FOLDER).as_posix() for path in assets.FOLDER.rglob("*.js")}
    assert there == {*assets.scripts(), "js/worker.js"}  # not the page's: notifications


@pytest.mark.parametrize("path", ["/", f"/static/{FILE}", "/static/manifest.webmanifest", "/static/icon.svg"])
async def test_texts_are_compressed_for_whoever_accepts_gzip(app: Quart, path: str) -> None:
    client = app.test_client()
    plain, packed, refused = [
        await client.get(path, headers={"Accept": "text/html", "Accept-Encoding": accepted})
        for accepted in ("identity", "br, gzip", "gzip;q=0, *;q=0")
    ]
    body = await plain.get_data(as_text=False)
    assert gzip.decompress(await packed.get_data(as_text=False)) == body
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(body)
    for answer in (plain, refused):
        assert "Content-Encoding" not in answer.headers
        assert await answer.get_data(as_text=False) == body
        assert "Accept-Encoding" in answer.headers["Vary"]
    tag = plain.headers["ETag"]
    assert packed.headers["ETag"] == f"W/{tag}"  # other bytes, the same content
    for known in (tag, f"W/{tag}"):
        again = await client.get(
            path, headers={"Accept": "text/html", "Accept-Encoding": "gzip", "If-None-Match": known}
        )
        assert (again.status_code, await again.get_data(as_text=False)) == (304, b"")


async def test_fonts_and_pictures_are_sent_as_they_are(app: Quart) -> None:
    for path in ("fonts/inter-latin-wght-normal.woff2", "icons/apple-touch-180.png"):
        answer = await app.test_client().get(f"/static/{path}", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in answer.headers
        assert await answer.get_data(as_text=False) == assets.FOLDER.joinpath(path).read_bytes()
