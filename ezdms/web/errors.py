"""Turns errors into responses: a sentence for people, a code for programs."""

from __future__ import annotations

from typing import cast

from quart import Response, has_websocket_context, request
from quart.typing import ResponseTypes
from quart_rate_limiter import RateLimitExceeded
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ezdms.db import Unavailable
from ezdms.problem import Problem
from ezdms.views.shells import missing
from ezdms.web.admission import refuse
from ezdms.web.answers import again_later, answer_problem, too_often, wants_json
from ezdms.web.language import DEPENDS_ON, language_of_request

PAGES = (None, "pages", "sessions")  # blueprints of pages that people open; None is an unknown address
SENTENCES = {
    400: "The request is malformed.",
    404: "There is nothing at this address.",
    405: "This address does not support that method.",
    408: "The request took too long.",
    413: "The request is too large.",
    415: "Expected a form or a JSON object.",
    500: "Something went wrong on the server. Please try again.",
}


async def answer_with_page(problem: Problem) -> Response:
    """Answer a problem with an error page if a person opened a page; otherwise as JSON or fragment."""
    if request.method != "GET" or request.blueprint not in PAGES or wants_json() or problem.status == 401:
        return answer_problem(problem)
    body = missing(problem.status, language_of_request())
    response = Response(body, problem.status, content_type="text/html; charset=utf-8")
    response.vary.update(("Accept", *DEPENDS_ON))
    return response


async def answer_too_often(error: RateLimitExceeded) -> Response:
    """429, with the time to wait."""
    return answer_problem(too_often(cast(int, error.retry_after)))


async def answer_unavailable(error: Unavailable) -> Response:
    """503: nothing was stored, and the request can be retried."""
    problem = again_later(error)
    if has_websocket_context():
        return refuse(problem.status, problem.code, problem.sentence, {"Retry-After": str(problem.more["retry_after"])})
    return answer_problem(problem)


async def answer_http_exception(error: HTTPException) -> ResponseTypes:
    """Errors of the framework, with our sentences."""
    status = error.code or 500
    if status < 400 and not has_websocket_context():
        return error.get_response()
    code = (error.name or "error").lower().replace(" ", "_")
    sentence = SENTENCES.get(status, SENTENCES[400] if status < 500 else SENTENCES[500])
    if has_websocket_context():  # a socket has no Accept header and follows no redirects
        return refuse(max(status, 400), code, sentence)
    response = await answer_with_page(Problem(status, code, sentence))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response
