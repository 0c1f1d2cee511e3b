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

INCLUDE = re.compile(r'^[ ]*{% include "([^"]+)" %}\n', re.MULTILINE)


def render(name: str, **context: object) -> str:
    """The HTML of one template."""
    return _templates()[name].render(context)


@cache
def _templates() -> dict[str, Template]:
    """All templates, compiled. Jinja copies the globals for each fragment; from a plain dict that is twice as fast."""
    environment = _environment()
    templates = {name: environment.get_template(name) for name in environment.list_templates()}
    for template in templates.values():
        template.globals = dict(template.globals)
    return templates


class _InOnePiece(FileSystemLoader):
    """Inlines included templates before compiling: at runtime each include would cost its own context."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, path, is_current = super().get_source(environment, template)
        whole = INCLUDE.sub(
            lambda match: self.get_source(environment, match[1])[0].removesuffix("\n") + "{##}\n", source
        )
        return whole, path, is_current


def _environment() -> Environment:
    environment = Environment(
        loader=_InOnePiece(Path(__file__).parents[1] / "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["version"] = __version__
    environment.globals["static"] = address_of
    environment.globals["integrity"] = integrity_of
    environment.globals["import_map"] = Markup(import_map())  # noqa: S704 - addresses and hashes of our own files
    environment.globals["modules"] = modules()
    return environment
