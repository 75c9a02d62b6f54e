"""A template is stored only if its texts can be read and its parameters, languages and sizes are in order."""

import pytest

from messaging.domain.channels.address import Channel
from messaging.domain.templates.own.definition import Definition, Parameter, ParameterType, Parts
from messaging.domain.templates.own.rules import MAX_PART, definition_violations, name_violations

NAME = Parameter(name="name")
BODY = Parts(body="Hi {{ name }}")
MAIL = Parts(subject="Order of {{ name }}", html="<p>{{ name }}</p>")


def sms(*parameters: Parameter, default_language: str = "en", **variants: Parts) -> Definition:
    return Definition(default_language=default_language, parameters=parameters, variants=variants or {"en": BODY})


def codes(definition: Definition, channel: Channel = Channel.SMS) -> list[tuple[str, str]]:
    return [(it.pointer, it.code) for it in definition_violations(channel, definition)]


def test_what_is_in_order_is_stored() -> None:
    rows = Parameter(name="rows", type=ParameterType.LIST, fields=("sku",), default=[])
    text = "Hi {{ name }}{% for row in rows %} {{ row.sku }}{% endfor %}"

    assert codes(sms(NAME, rows, en=Parts(body=text), pt_BR=BODY)) == []
    assert codes(sms(NAME, en=MAIL), Channel.EMAIL) == []


def test_every_text_of_every_language_is_read() -> None:
    definition = sms(NAME, en=Parts(body="Hi {{ nmae }}\n{{ name|nosuch }}"), de=Parts(body="{{ name }} {% if"))

    found = definition_violations(Channel.SMS, definition)

    assert [(it.pointer, it.code) for it in found] == [
        ("/variants/en/body", "template_syntax"),
        ("/variants/en/body", "parameter_undeclared"),
        ("/variants/de/body", "template_syntax"),
    ]
    assert "Line 2, column 9: There is no filter" in found[0].detail
    assert "Line 1, column 7: There is no parameter 'nmae'" in found[1].detail


def test_a_parameter_that_no_text_names_is_refused() -> None:
    assert codes(sms(NAME, Parameter(name="total"))) == [("/parameters/1", "parameter_unused")]


def test_a_field_that_no_list_declares_is_refused() -> None:
    rows = Parameter(name="rows", type=ParameterType.LIST, fields=("sku",))
    text = "{% for row in rows %}{{ row.sku }}{{ row.price }}{{ row.__class__ }}{% endfor %}"

    assert codes(sms(rows, en=Parts(body=text))) == [("/variants/en/body", "parameter_undeclared")] * 2


@pytest.mark.parametrize(
    ("parameter", "pointer", "code"),
    [
        (Parameter(name="1"), "/parameters/0/name", "parameter_invalid"),
        (Parameter(name="loop"), "/parameters/0/name", "parameter_invalid"),
        (Parameter(name="name", fields=("sku",)), "/parameters/0/fields", "parameter_invalid"),
        (
            Parameter(name="name", type=ParameterType.LIST, fields=("a", "a")),
            "/parameters/0/fields",
            "parameter_invalid",
        ),
        (
            Parameter(name="name", type=ParameterType.LIST, fields=("items",)),
            "/parameters/0/fields/0",
            "parameter_invalid",
        ),
        (Parameter(name="name", type=ParameterType.NUMBER, default="x"), "/parameters/0/default", "variable_type"),
    ],
)
def test_a_parameter_has_a_name_a_type_and_a_fitting_default(parameter: Parameter, pointer: str, code: str) -> None:
    assert codes(sms(parameter)) == [(pointer, code)]


def test_two_parameters_have_two_names() -> None:
    assert codes(sms(NAME, NAME)) == [("/parameters/1/name", "parameter_invalid")]


@pytest.mark.parametrize(
    ("channel", "parts", "pointers"),
    [
        (Channel.SMS, MAIL, ["/variants/en/html", "/variants/en/subject", "/variants/en/body"]),
        (Channel.EMAIL, BODY, ["/variants/en/body", "/variants/en/subject", "/variants/en"]),
        (Channel.EMAIL, Parts(subject="Only {{ name }}"), ["/variants/en"]),
    ],
)
def test_each_channel_has_its_parts(channel: Channel, parts: Parts, pointers: list[str]) -> None:
    assert codes(sms(NAME, en=parts), channel) == [(pointer, "template_parts") for pointer in pointers]


def test_a_subject_is_one_line() -> None:
    parts = Parts(subject="Hi\n{{ name }}", text="x")

    assert codes(sms(NAME, en=parts), Channel.EMAIL) == [("/variants/en/subject", "template_parts")]


def test_languages_have_codes_and_the_default_is_there() -> None:
    assert codes(sms(NAME, default_language="de", en=BODY)) == [("/default_language", "language_unknown")]
    assert codes(sms(NAME, default_language="English", English=BODY)) == [("/variants", "language_unknown")]


def test_texts_have_a_size() -> None:
    assert codes(sms(NAME, en=Parts(body="{{ name }}" + "x" * MAX_PART))) == [
        ("/variants/en/body", "template_too_large")
    ]
    many = {f"e{chr(97 + index)}": Parts(body="{{ name }}" + "x" * 30_000) for index in range(5)}
    large = Definition(default_language="ea", parameters=(NAME,), variants=many)
    assert codes(large) == [("", "template_too_large")]
    empty = sms(en=Parts(body=" "), de=Parts(body="a\x00"))
    assert codes(empty) == [("/variants/en/body", "value_empty"), ("/variants/de/body", "control_character")]


def test_a_parameter_is_used_as_its_type_allows() -> None:
    [found] = definition_violations(Channel.SMS, sms(NAME, en=Parts(body="Hi\n{{ name|number(2) }}")))

    assert found.code == "template_syntax"
    assert "number takes a number" in found.detail


@pytest.mark.parametrize(("name", "fine"), [("order_update", True), ("", False), ("Order", False), ("a" * 101, False)])
def test_a_templates_name_is_lower_case(name: str, fine: bool) -> None:
    assert (name_violations(name) == []) is fine


@pytest.mark.parametrize(
    "html",
    [
        "<script>{{ name }}</script>",
        "<p onclick='{{ name }}'>x</p>",
        "<a href='{{ name }}'>x</a>",
        '<a HREF = "  {{ name|trim }}">x</a>',
        "<a href='{% if name %}{{ name }}{% endif %}'>x</a>",
        "<p title={{ name }}>x</p>",
        "<p {{ name }}>x</p>",
        "<p title='a' {{ name }}>x</p>",
        "<{{ name }}>",
        "</{{ name }}>",
        "<p {% if name > 'a' %}{{ name }}{% endif %}>x</p>",
        "<p {# > #}{{ name }}>x</p>",
        '<a "><p {{ name }}>" >x</a>',
        '<!-- a="> --><p {{ name }}>"</p>',
        "<!-- {{ name }} -->",
        "<p\nclass=a {{ name }}>x</p>",
    ],
)
def test_a_value_stands_in_html_only_where_escaping_makes_it_harmless(html: str) -> None:
    parts = Parts(subject="x", html=html)

    assert {code for _, code in codes(sms(NAME, en=parts), Channel.EMAIL)} == {"html_unsafe"}


def test_links_and_quoted_attributes_take_values() -> None:
    html = (
        "<a href='{{ link }}' title='{{ name }}'>x</a> <a href=\"https://example.com/{{ name|urlencode }}\">x</a>"
        "{% if name > 'a' %}<b>{{ name }}</b>{% endif %} 1 < 2 {{ name }}"
    )
    definition = sms(NAME, Parameter(name="link", type=ParameterType.URL), en=Parts(subject="x", html=html))

    assert codes(definition, Channel.EMAIL) == []
