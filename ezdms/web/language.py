"""The language of a page: the one that the user has chosen, otherwise the first one that the browser asks for."""

from __future__ import annotations

from quart import request

from ezdms.views.languages import COOKIE, ENGLISH, LANGUAGES, Language

DEPENDS_ON = ("Accept-Language", "Cookie")  # for the Vary header of a response in that language


def language_of_request() -> Language:
    """One of LANGUAGES. A cookie or header that names none of them is ignored."""
    chosen = LANGUAGES.get(request.cookies.get(COOKIE, ""))
    return chosen or LANGUAGES[request.accept_languages.best_match(LANGUAGES) or ENGLISH.code]
