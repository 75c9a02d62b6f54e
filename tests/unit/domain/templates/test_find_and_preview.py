"""Which template does a message mean, and what will its recipient read?"""

import pytest

from messaging.domain.content.parameters import TemplateParameters
from messaging.domain.shared.errors import Violation
from messaging.domain.templates.template import ParameterFormat, Template, TemplateCategory
from messaging.domain.templates.validation import find_template, preview
from tests.builders import a_template, components

NAMED = a_template(
    parameter_format=ParameterFormat.NAMED,
    components=components(body="Hi {{first_name}}, order {{order_number}} has shipped.", examples={}),
)
CODE = a_template(category=TemplateCategory.AUTHENTICATION, components=components(body="", examples={}))


def catalogue(*templates: Template) -> dict[tuple[str, str], Template]:
    return {(template.name, template.language): template for template in templates}


def test_a_template_is_found_by_name_and_exact_language() -> None:
    english, german = a_template(), a_template(language="de")

    assert find_template(catalogue(english, german), "order_update", "de") is german


@pytest.mark.parametrize(
    ("name", "language", "expected"),
    [
        ("welcome", "en_US", ("/name", "template_unknown")),
        ("Order_Update", "en_US", ("/name", "template_unknown")),
        ("order_update", "en", ("/language", "template_language_unavailable")),
        ("order_update", "en-US", ("/language", "template_language_unavailable")),
    ],
)
def test_an_unknown_name_and_a_missing_language_are_told_apart(
    name: str, language: str, expected: tuple[str, str]
) -> None:
    refusal = find_template(catalogue(a_template(), a_template(name="other", language="fr")), name, language)

    assert isinstance(refusal, Violation)
    assert (refusal.pointer, refusal.code) == expected


def test_the_refusal_of_a_language_lists_those_that_exist() -> None:
    templates = catalogue(a_template(language="pt_BR"), a_template(), a_template(name="other", language="fr"))

    refusal = find_template(templates, "order_update", "es")

    assert isinstance(refusal, Violation)
    assert "en_US, pt_BR" in refusal.detail
    assert "fr" not in refusal.detail


@pytest.mark.parametrize(
    ("template", "variables", "expected"),
    [
        (a_template(), {"1": "Ana", "2": "A-1042"}, "Hello Ana, your order A-1042 has shipped today."),
        (NAMED, {"first_name": "Ana", "order_number": "7"}, "Hi Ana, order 7 has shipped."),
        (CODE, {"1": "482913"}, "*482913* is your verification code."),
        (a_template(), {"1": "Ana"}, "Hello Ana, your order {{2}} has shipped today."),
    ],
)
def test_a_preview_is_what_the_recipient_will_read(
    template: Template, variables: dict[str, str], expected: str
) -> None:
    assert preview(template, TemplateParameters(variables=variables)) == expected


@pytest.mark.parametrize(
    ("asked", "known", "meant"),
    [
        ("order_updat", ["order_update"], "order_update"),
        ("order_update_2", ["order_update"], "order_update"),
        ("order_update_v2", ["order_update"], None),
        ("order_updates", ["order_update", "other"], "order_update"),
        ("prder_update", ["order_update"], None),
        ("order_update", ["order_cancelled"], None),
        ("order_update" + "_x" * 10, ["order_update"], None),
        ("o" * 100, ["o" * 99], "o" * 99),
        ("o" * 101, ["o" * 100], None),
    ],
)
def test_a_name_that_was_nearly_right_is_told(asked: str, known: list[str], meant: str | None) -> None:
    refusal = find_template(catalogue(*(a_template(name=name) for name in known)), asked, "en_US")

    assert isinstance(refusal, Violation)
    advice = "GET /v1/templates lists them." if meant is None else f"Did you mean {meant}?"
    assert refusal.detail.endswith(advice)
