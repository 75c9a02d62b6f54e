"""Which new templates would the provider refuse at once, and are all reasons listed?"""

from typing import Any

import pytest

from messaging.domain.content.parameters import HeaderImage, TemplateParameters, UrlButton
from messaging.domain.templates.template import (
    Button,
    ButtonKind,
    Components,
    Header,
    HeaderFormat,
    ParameterFormat,
    TemplateCategory,
)
from messaging.domain.templates.validation import send_violations
from messaging.domain.templates.whatsapp_rules import LANGUAGES, creation_violations
from tests.builders import a_template, components, rich_components

NAMED_BODY: dict[str, Any] = {
    "body": "Hi {{first_name}}, order {{order_number}} has shipped today.",
    "examples": {"first_name": "Ana", "order_number": "A-1042"},
}
CODE = Components(body="", buttons=(Button(kind=ButtonKind.OTP, text="Copy code"),))
PHONE = Button(kind=ButtonKind.PHONE_NUMBER, text="Call us", phone_number="+15550051310")
SHOP = Button(kind=ButtonKind.URL, text="Shop", url="https://northwind.example/shop")


def listed(
    parts: Components,
    *,
    name: str = "order_update",
    language: str = "en_US",
    category: TemplateCategory = TemplateCategory.UTILITY,
    parameter_format: ParameterFormat = ParameterFormat.POSITIONAL,
) -> list[tuple[str, str]]:
    found = creation_violations(name, language, category, parts, parameter_format)
    return [(violation.pointer, violation.code) for violation in found]


def reply(text: str = "Yes") -> Button:
    return Button(kind=ButtonKind.QUICK_REPLY, text=text)


@pytest.mark.parametrize(
    "parts",
    [
        components(),
        rich_components(),
        components(body="Thank you for your visit!", examples={}),
        components(body="Line one\n\nLine two about {{1}}.", examples={"1": "shoes"}),
        components(header=Header(format=HeaderFormat.TEXT, text="Order {{1}}", example="A-1042")),
        components(header=Header(format=HeaderFormat.TEXT, text="Your order")),
        components(header=Header(format=HeaderFormat.LOCATION)),
        components(buttons=(reply("Yes"), reply("No"), SHOP, PHONE)),
        components(buttons=(SHOP, PHONE, reply("Yes"), reply("No"))),
        components(buttons=(Button(kind=ButtonKind.COPY_CODE, example="SAVE20"),)),
        components(buttons=tuple(reply(f"Choice {number}") for number in range(10))),
    ],
)
def test_a_sound_template_may_be_submitted(parts: Components) -> None:
    assert listed(parts) == []


def test_a_sound_named_template_may_be_submitted() -> None:
    assert listed(components(**NAMED_BODY), parameter_format=ParameterFormat.NAMED) == []


@pytest.mark.parametrize("name", ["", "Order_Update", "order-update", "order update", "a" * 513, "förder", "order\n"])
def test_names_have_lower_case_letters_digits_and_underscores(name: str) -> None:
    assert listed(components(), name=name) == [("/name", "template_name_invalid")]


@pytest.mark.parametrize("language", ["", "EN", "en-US", "en_us", "xx", "english"])
def test_languages_are_the_providers_codes(language: str) -> None:
    assert listed(components(), language=language) == [("/language", "language_unknown")]


def test_the_common_languages_are_known() -> None:
    assert {"en", "en_US", "pt_BR", "es_MX", "de", "ar", "zh_CN", "fil", "rw_RW", "ky_KG"} <= LANGUAGES


@pytest.mark.parametrize(
    ("body", "examples", "expected"),
    [
        ("", {}, [("/components/body", "value_empty")]),
        ("a" * 1025, {}, [("/components/body", "value_too_long")]),
        ("😀" * 513, {}, [("/components/body", "value_too_long")]),
        ("a\x00b", {}, [("/components/body", "control_character")]),
        ("{{1}} has shipped", {"1": "x"}, [("/components/body", "placeholder_invalid")]),
        ("It is for {{1}}", {"1": "x"}, [("/components/body", "placeholder_invalid")]),
        ("It is {{1}}{{2}} today", {"1": "x", "2": "y"}, [("/components/body", "placeholder_invalid")]),
        ("It is {{1}} {{2}} today", {"1": "x", "2": "y"}, [("/components/body", "placeholder_invalid")]),
        ("It is {{2}} today", {"2": "x"}, [("/components/body", "placeholder_invalid")]),
        ("It is {{1}} or {{3}} today", {"1": "x", "3": "y"}, [("/components/body", "placeholder_invalid")]),
        ("It is {{name}} today", {"name": "x"}, [("/components/body", "placeholder_invalid")]),
        ("It is {{1}} today }}", {"1": "x"}, [("/components/body", "placeholder_invalid")]),
        ("It is {{ 1 }} today", {"1": "x"}, [("/components/body", "placeholder_invalid")]),
        ("It is {{}} today", {}, [("/components/body", "placeholder_invalid")]),
        ("It is {{''.__class__}} today", {}, [("/components/body", "placeholder_invalid")]),
        ("a b{{1}}c{{2}}d", dict.fromkeys("12", "x"), []),
        ("a {{1}} - {{2}} - {{3}} .", dict.fromkeys("123", "x"), []),
        ("a {{1}}-{{2}}-{{3}}.", dict.fromkeys("123", "x"), [("/components/body", "placeholder_invalid")]),
        ("It is {{1}} today", {}, [("/components/examples/1", "example_missing")]),
        ("It is {{1}} today", {"1": " "}, [("/components/examples/1", "example_missing")]),
        ("It is {{1}} today", {"1": "x", "2": "y"}, [("/components/examples", "example_unexpected")]),
    ],
)
def test_the_body_keeps_the_providers_rules(
    body: str, examples: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    assert listed(components(body=body, examples=examples)) == expected


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("It is {{1}} today", "1"),
        ("It is {{First}} today", "First"),
        ("It is {{name2}} today", "name2"),
        ("It is {{name}} and {{name}} today", "name"),
        ("It is {{Name}} and {{other}} today", "Name other"),
    ],
)
def test_named_placeholders_are_lower_case_and_unique(body: str, names: str) -> None:
    parts = components(body=body, examples=dict.fromkeys(names.split(), "x"))

    assert listed(parts, parameter_format=ParameterFormat.NAMED) == [("/components/body", "placeholder_invalid")]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (Header(format=HeaderFormat.TEXT), [("/text", "value_empty")]),
        (Header(format=HeaderFormat.TEXT, text="a" * 61), [("/text", "value_too_long")]),
        (Header(format=HeaderFormat.TEXT, text="a\nb"), [("/text", "header_invalid")]),
        (Header(format=HeaderFormat.TEXT, text="{{1}} {{2}}", example="x"), [("/text", "header_invalid")]),
        (Header(format=HeaderFormat.TEXT, text="{{2}}", example="x"), [("/text", "header_invalid")]),
        (Header(format=HeaderFormat.TEXT, text="Order {{1}}"), [("/example", "example_missing")]),
        (Header(format=HeaderFormat.IMAGE), [("/example", "example_missing")]),
        (Header(format=HeaderFormat.IMAGE, text="x", example="4::aW"), [("/text", "header_invalid")]),
        (Header(format=HeaderFormat.LOCATION, text="x"), [("/text", "header_invalid")]),
    ],
)
def test_the_header_keeps_the_providers_rules(header: Header, expected: list[tuple[str, str]]) -> None:
    assert listed(components(header=header)) == [(f"/components/header{at}", code) for at, code in expected]


@pytest.mark.parametrize(
    ("footer", "code"),
    [("", "value_empty"), ("a" * 61, "value_too_long"), ("For {{1}}", "placeholder_invalid")],
)
def test_the_footer_is_short_and_fixed(footer: str, code: str) -> None:
    assert listed(components(footer=footer)) == [("/components/footer", code)]


@pytest.mark.parametrize(
    ("buttons", "expected"),
    [
        (tuple(reply(f"Choice {number}") for number in range(11)), [("", "button_limit")]),
        ((SHOP, SHOP, SHOP), [("", "button_limit")]),
        ((PHONE, PHONE), [("", "button_limit")]),
        ((reply(), SHOP, reply("No")), [("", "button_limit")]),
        ((Button(kind=ButtonKind.OTHER, text="Catalogue"),), [("", "button_limit")]),
        ((Button(kind=ButtonKind.OTP, text="Copy"),), [("/0/kind", "button_invalid")]),
        ((reply(""),), [("/0/text", "value_empty")]),
        ((reply("a" * 26),), [("/0/text", "value_too_long")]),
        ((reply("For {{1}}"),), [("/0/text", "button_invalid")]),
        ((Button(kind=ButtonKind.PHONE_NUMBER, text="Call"),), [("/0/phone_number", "button_invalid")]),
        (
            (Button(kind=ButtonKind.PHONE_NUMBER, text="Call", phone_number="+" + "1" * 20),),
            [("/0/phone_number", "button_invalid")],
        ),
        ((Button(kind=ButtonKind.COPY_CODE, example="SAVE 20"),), [("/0/example", "button_invalid")]),
        ((Button(kind=ButtonKind.COPY_CODE, example="A" * 16),), [("/0/example", "button_invalid")]),
        ((Button(kind=ButtonKind.URL, text="Shop"),), [("/0/url", "button_invalid")]),
        ((Button(kind=ButtonKind.URL, text="Shop", url="northwind.example"),), [("/0/url", "button_invalid")]),
        ((Button(kind=ButtonKind.URL, text="Shop", url="{{1}}", example="x"),), [("/0/url", "button_invalid")]),
        (
            (Button(kind=ButtonKind.URL, text="Shop", url="https://a.example/" + "a" * 2000),),
            [("/0/url", "button_invalid")],
        ),
        (
            (Button(kind=ButtonKind.URL, text="Shop", url="https://a.example/{{1}}/x", example="x"),),
            [("/0/url", "placeholder_invalid")],
        ),
        (
            (Button(kind=ButtonKind.URL, text="Shop", url="https://a.example/{{1}}/{{2}}", example="x"),),
            [("/0/url", "placeholder_invalid")],
        ),
        (
            (Button(kind=ButtonKind.URL, text="Shop", url="https://a.example/{{1}}"),),
            [("/0/example", "example_missing")],
        ),
        ((Button(kind=ButtonKind.URL, text="Shop", url="http://shop.local/x"),), [("/0/url", "button_invalid")]),
        (
            (Button(kind=ButtonKind.URL, text="Shop", url="https://a.example{{1}}", example=".evil.example"),),
            [("/0/url", "placeholder_invalid")],
        ),
        (
            (Button(kind=ButtonKind.URL, text="Shop", url="https://a.example/{{1}}", example="http://10.0.0.5/x"),),
            [("/0/example", "button_invalid")],
        ),
    ],
)
def test_buttons_keep_the_providers_rules(buttons: tuple[Button, ...], expected: list[tuple[str, str]]) -> None:
    assert listed(components(buttons=buttons)) == [(f"/components/buttons{at}", code) for at, code in expected]


def test_an_authentication_template_leaves_its_texts_to_the_provider() -> None:
    assert listed(CODE, category=TemplateCategory.AUTHENTICATION) == []


def test_an_authentication_template_with_texts_of_its_own_is_refused() -> None:
    parts = rich_components()

    assert listed(parts, category=TemplateCategory.AUTHENTICATION) == [
        ("/components/body", "authentication_layout"),
        ("/components/header", "authentication_layout"),
        ("/components/footer", "authentication_layout"),
        ("/components/examples", "authentication_layout"),
        ("/components/buttons", "authentication_layout"),
    ]


def test_every_violation_is_listed_at_once() -> None:
    parts = components(
        body="{{1}} for you",
        examples={},
        header=Header(format=HeaderFormat.IMAGE),
        footer="a" * 61,
        buttons=(reply(""), PHONE, PHONE),
    )

    assert listed(parts, name="Bad Name", language="xx") == [
        ("/name", "template_name_invalid"),
        ("/language", "language_unknown"),
        ("/components/body", "placeholder_invalid"),
        ("/components/examples/1", "example_missing"),
        ("/components/header/example", "example_missing"),
        ("/components/footer", "value_too_long"),
        ("/components/buttons", "button_limit"),
        ("/components/buttons/0/text", "value_empty"),
    ]


def test_what_may_be_created_may_also_be_sent_with_its_own_examples() -> None:
    parts = rich_components()
    parameters = TemplateParameters(
        variables=parts.examples, header=HeaderImage(media_id="1"), buttons=(UrlButton(index=0, text="abc"),)
    )

    assert listed(parts) == []
    assert send_violations(a_template(components=parts), parameters) == ()


LONGEST_URL = "https://a.example/" + "a" * (2_000 - 18)


@pytest.mark.parametrize(
    "button",
    [
        Button(kind=ButtonKind.PHONE_NUMBER, text="Call", phone_number="+" + "1" * 19),
        Button(kind=ButtonKind.URL, text="Shop", url=LONGEST_URL),
        Button(kind=ButtonKind.URL, text="Shop", url="http://a.example/"),
        Button(kind=ButtonKind.URL, text="Shop", url="http://a.example/{{1}}", example="http://a.example/x"),
    ],
)
def test_a_button_may_lead_as_far_as_the_provider_allows(button: Button) -> None:
    assert listed(components(buttons=(button,))) == []
