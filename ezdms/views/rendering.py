"""Renders templates to HTML. Independent of database and session, so that `ezdms verify` can render pages, too."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from ezdms import __version__
from ezdms.views.assets import address_of, import_map, integrity_of, modules
from ezdms.views.languages import ENGLISH, LANGUAGES, Language, catalog
from ezdms.views.wording import translate

INCLUDE = re.compile(r'^[ ]*{% include "([^"]+)" %}\n', re.MULTILINE)


def render(name: str, language: Language = ENGLISH, **context: object) -> str:
    """The HTML of one template. Only shells come in other languages."""
    return _templates(language.code)[name].render(context)


@cache
def _templates(code: str) -> dict[str, Template]:
    """The templates in one language, compiled. Jinja copies the globals for each fragment; from a plain dict that is
    twice as fast.
    """
    environment = _environment(LANGUAGES[code])
    names = (
        name for name in environment.list_templates() if code == ENGLISH.code or name.startswith(("shells/", "words/"))
    )
    templates = {name: environment.get_template(name) for name in names}
    for template in templates.values():
        template.globals = dict(template.globals)
    return templates


class _InOnePiece(FileSystemLoader):
    """Translates templates, and inlines included ones, before compiling: at runtime each include would cost its own
    context.
    """

    def __init__(self, language: Language) -> None:
        super().__init__(Path(__file__).parents[1] / "templates")
        self._language = language

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, path, is_current = super().get_source(environment, template)
        if self._language is not ENGLISH:
            source = translate(source, self._language, catalog(self._language.code))
        whole = INCLUDE.sub(
            lambda match: self.get_source(environment, match[1])[0].removesuffix("\n") + "{##}\n", source
        )
        return whole, path, is_current


def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=_InOnePiece(language),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["language"] = language
    environment.globals["languages"] = LANGUAGES
    environment.globals["version"] = __version__
    environment.globals["static"] = address_of
    environment.globals["integrity"] = integrity_of
    environment.globals["import_map"] = Markup(import_map())  # noqa: S704 - addresses and hashes of our own files
    environment.globals["modules"] = modules()
    return environment
