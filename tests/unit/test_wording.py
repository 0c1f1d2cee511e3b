"""Words are found in templates without being marked, and replaced by those of a catalog."""

from __future__ import annotations

import gettext
import io

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from ezdms.views.languages import Language
from ezdms.views.wording import messages, translate

TEMPLATE = """<p {% if one < two %}class="x"{% endif %}>Save it <strong>now</strong>.</p>
<label><input type="text" placeholder="XXXX-XXXX" aria-label="A &amp; b"> Name</label>
<a href="/"><span aria-hidden="true">‹</span> Back</a>
{% block title %}Not found{% endblock %}<h1>{{ host.name }}</h1><b>EZ-DMS</b><i>…</i>
"""
WORDS = """<template id="words">
{# A comment #}
<p data-word="days.one">a day</p>
<p data-word="days.other">{count} days</p>
<p data-word="read">Read</p>
</template>
"""


def catalog(
    locale: str, *entries: tuple[str | tuple[str, str], str | tuple[str, ...], str | None]
) -> gettext.NullTranslations:
    """A compiled catalog."""
    made = Catalog(locale=locale)
    for id_, said, context in entries:
        made.add(id_, said, context=context)
    out = io.BytesIO()
    write_mo(out, made)
    out.seek(0)
    return gettext.GNUTranslations(out)


def test_a_sentence_with_elements_is_one_message_and_each_label_another() -> None:
    found = [message.words for message in messages(TEMPLATE)]
    assert found == ["Save it <strong>now</strong>.", "A &amp; b", "Name", "Back", "Not found"]


def test_a_translation_replaces_only_its_message() -> None:
    spanish = catalog(
        "es", ("Save it <strong>now</strong>.", "<strong>Guárdalo</strong> ya.", None), ("Back", "Atrás", None)
    )
    said = translate(TEMPLATE, Language("es", "Español"), spanish)
    expected = TEMPLATE.replace("Save it <strong>now</strong>.", "<strong>Guárdalo</strong> ya.").replace(
        "Back", "Atrás"
    )
    assert said == expected


def test_words_for_scripts_have_the_plural_forms_of_their_language() -> None:
    polish = Language("pl", "Polski", plurals={"one": 1, "few": 2, "many": 5})
    entries = catalog(
        "pl",
        (("a day", "{count} days"), ("dzień", "{count} dni 2", "{count} dni 5"), "days"),
        ("Read", "Przeczytane", "read"),
    )
    said = translate(WORDS, polish, entries)
    for line in ('days.one">dzień<', 'days.few">{count} dni 2<', 'days.many">{count} dni 5<', 'read">Przeczytane<'):
        assert f'<p data-word="{line}/p>\n' in said
    assert "days.other" not in said


@pytest.mark.parametrize(
    "source",
    [
        "<p>One</div>",
        "<p>One",
        '<p>Press <a href="/" aria-label="Here">here</a> now</p>',
        '<p data-word="days.other">many</p>',
        '<p data-word="Days">many</p>',
        '  <p data-word="days">many</p>',
    ],
)
def test_a_template_that_cannot_be_translated_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        list(messages(source))
