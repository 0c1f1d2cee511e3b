"""Walks every route: it requires a session unless listed as public, and answers in JSON and HTML."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from quart import Quart

from ezdms.app import create_app
from ezdms.settings import Settings
from ezdms.web.admission import is_public
from tests.conftest import ROOT
from tests.support.people import JSON, Person

PAGES = {  # shells: the same for every visitor
    "GET /",
    "GET /protection",
    "GET /welcome",
    "GET /settings",
    "GET /search-pin",
    "GET /account",
    "GET /c/<conversation_id>",
}
PUBLIC = PAGES | {
    "GET /ping",
    "GET /deployment",
    "POST /register",
    "POST /login",
    "POST /login_passkey",
    "POST /login_passkey/options",
    "POST /login_second",
    "GET /messages_decrypted",
    "POST /messages_decrypted",
    "GET /static/<path:filename>",
}
HTML = {"Accept": "text/html"}
JSON_ONLY = {"GET /ping", "GET /deployment"}
DONE = {"POST /logout"} | {  # 204 has no body
    f"POST /conversations/<conversation_id>/{what}" for what in ("accept", "block", "unblock", "delete")
}


def routes() -> Iterator[tuple[str, str, str]]:
    """(method, path, endpoint) of every HTTP route."""
    for rule in create_app(Settings()).url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if not rule.websocket:
                yield method, rule.rule, rule.endpoint


ROUTES = [pytest.param(*route, id=f"{route[0]} {route[1]}") for route in routes()]


def filled(path: str) -> str:
    """The path with its variables filled in."""
    path = path.replace("<path:filename>", "js/boot.js").replace("<user_id>", "x")
    return (
        path.replace("<conversation_id>", "0" * 24).replace("<credential_id>", "A" * 22).replace("<file_id>", "A" * 22)
    )


async def ask(app: Quart, method: str, path: str, headers: dict[str, str]) -> Any:
    client: Any = app.test_client()
    return await client.open(filled(path), method=method, headers=headers)


def test_the_documented_routes_exist() -> None:
    assert {f"{method} {path}" for method, path, _ in routes()} >= {
        "GET /ping",
        "GET /deployment",
        "POST /register",
        "POST /login",
        "POST /logout",
        "POST /start_conversation",
        "GET /conversations/<user_id>",
        "POST /send_message",
        "GET /messages/<conversation_id>",
        "POST /messages_decrypted",
        "GET /vault",
        "PUT /vault",
    }
    assert [rule.rule for rule in create_app(Settings()).url_map.iter_rules() if rule.websocket] == ["/ws"]


def test_the_documentation_for_programs_names_every_route() -> None:
    page = (ROOT / "docs" / "http.md").read_text("utf-8")
    for method, path, endpoint in routes():
        if f"{method} {path}" not in PAGES and endpoint != "static" and path != "/messages_decrypted":
            assert f"`{method} {path.replace('<', '{').replace('>', '}')}`" in page


@pytest.mark.parametrize(("method", "path", "endpoint"), ROUTES)
async def test_every_route_requires_a_session_unless_listed_as_public(
    app: Quart, method: str, path: str, endpoint: str
) -> None:
    on_the_list = f"{method} {path}" in PUBLIC
    async with app.app_context():
        assert is_public(endpoint) == on_the_list
    for headers in (JSON, HTML, {}):
        response = await ask(app, method, path, headers)
        is_shell = f"{method} {path}" == "GET /sessions" and headers != JSON  # the only one that programs get as JSON
        assert (response.status_code == 401) == (not on_the_list and not is_shell)
        assert response.status_code < 500


@pytest.mark.parametrize(("method", "path", "endpoint"), ROUTES)
async def test_every_route_answers_programs_in_json_and_browsers_in_html(
    app: Quart, alice: Person, bob: Person, method: str, path: str, endpoint: str
) -> None:
    name = f"{method} {path}"
    conversation_id = await alice.start(bob)
    await alice.send(bob, "Hello")
    path = path.replace("<user_id>", alice.user_id).replace("<conversation_id>", conversation_id)
    token = {"Authorization": alice.headers["Authorization"]}
    as_json = await ask(app, method, path, JSON | token)
    if name in DONE:
        assert as_json.status_code == 204
        return
    as_html = await ask(app, method, path, HTML | token)
    assert as_json.status_code == as_html.status_code
    assert as_json.status_code < 500
    if endpoint == "static":
        return
    expected = "text/html" if name in PAGES else "application/json"
    assert as_json.mimetype == expected
    assert as_html.mimetype == ("application/json" if name in JSON_ONLY else "text/html")
    if name not in PAGES | JSON_ONLY:
        assert "Accept" in as_html.headers["Vary"]
        assert as_html.status_code < 300 or 'role="alert"' in await as_html.get_data(as_text=True)


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("text/html, application/json;q=0.9", "text/html"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("*/*", "text/html"),
        ("", "text/html"),
        ("nonsense", "text/html"),
    ],
)
async def test_json_is_sent_only_to_clients_that_prefer_it(alice: Person, accept: str, mimetype: str) -> None:
    response = await alice.get(f"/conversations/{alice.user_id}", Accept=accept)
    assert response.mimetype == mimetype


@pytest.mark.parametrize("path", ["/nowhere", "/c", "/messages", "/static/nothing.js", "/../etc/passwd", "/%00"])
async def test_an_unknown_path_is_404_in_json_and_html(app: Quart, path: str) -> None:
    as_json = await app.test_client().get(path, headers=JSON)
    as_html = await app.test_client().get(path, headers=HTML)
    assert as_json.status_code == as_html.status_code == 404
    assert set(await as_json.get_json()) == {"error", "code"}
    assert "<h1>" in await as_html.get_data(as_text=True)


async def test_a_wrong_method_is_405_with_the_allowed_methods(app: Quart) -> None:
    response = await app.test_client().get("/login", headers=JSON)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


async def test_ping_and_deployment_answer_as_documented(app: Quart) -> None:
    assert await (await app.test_client().get("/ping")).get_json() == {"status": "ok"}
    answer = await (await app.test_client().get("/deployment")).get_json()
    assert set(answer) == {
        "protocol",
        "deployment_id",
        "version",
        "max_text",
        "max_file",
        "retention",
        *Settings().front,
    }
    assert (answer["protocol"], answer["max_text"], answer["retention"]) == ("ezdms/1", 500, 0)
    assert answer["max_file"] == 25 * 1024 * 1024
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", answer["deployment_id"])


async def test_the_deployment_keeps_its_id(tmp_path: Any) -> None:
    found = set()
    for _ in range(2):
        app = create_app(Settings(data_dir=tmp_path))
        async with app.test_app():
            found.add((await (await app.test_client().get("/deployment")).get_json())["deployment_id"])
    assert len(found) == 1


def test_all_views_and_hooks_are_async(app: Quart) -> None:
    run: list[Any] = list(app.view_functions.values())
    for kind in ("before_request", "after_request", "before_websocket", "after_websocket", "teardown_request"):
        run += [hook for hooks in getattr(app, f"{kind}_funcs").values() for hook in hooks]
    for kinds in app.error_handler_spec.values():
        run += [handler for handlers in kinds.values() for handler in handlers.values()]
    assert len(run) > 30
    for function in run:  # Quart would run any other function in a thread
        assert inspect.iscoroutinefunction(function), function
