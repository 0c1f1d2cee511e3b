"""One resource, two faces: every answer and every error as JSON for programs or as HTML for people."""

from __future__ import annotations

from typing import Any

from quart import Response, jsonify, request

from ezdms import fragments


class Problem(Exception):
    """A request that cannot be met: HTTP status, a slug for programs, a sentence for people, further JSON members."""

    def __init__(self, status: int, code: str, sentence: str, **more: object) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.more = more


def wants_json() -> bool:
    """True if the Accept header puts application/json before text/html."""
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def answer(value: Any, html: str, status: int = 200) -> Response:
    """`value` as JSON or `html`, whichever the request prefers."""
    response = jsonify(value) if wants_json() else Response(html, content_type="text/html; charset=utf-8")
    response.status_code = status
    response.vary.add("Accept")
    return response


def answer_problem(problem: Problem) -> Response:
    """The error in the face that the request prefers; the HTML fills the page's alert region."""
    value = {"error": problem.sentence, "code": problem.code, **problem.more}
    return answer(value, fragments.alert(problem.sentence), problem.status)
