"""One code renders for the check, the preview and the send: the language that is found, within the channel's limits."""

import pytest

from messaging.domain.channels.address import Channel
from messaging.domain.content.parameters import Value
from messaging.domain.templates.own.definition import Definition, Parameter, ParameterType, Parts
from messaging.domain.templates.own.rendering import Rendered, find_language, render

NAME = Parameter(name="name")
SMS = Definition(
    default_language="en",
    parameters=(NAME,),
    variants={
        "en": Parts(body="Hi {{ name }}"),
        "pt": Parts(body="Oi {{ name }}"),
        "pt_BR": Parts(body="E aí {{ name }}"),
    },
)
MAIL = Definition(
    default_language="en",
    parameters=(NAME,),
    variants={"en": Parts(subject="For {{ name }}", text="Hi {{ name }}", html="<p>{{ name }}</p>")},
)


def codes(definition: Definition, variables: dict[str, Value]) -> list[tuple[str, str]]:
    channel = Channel.EMAIL if definition is MAIL else Channel.SMS
    found = render(channel, definition, "en", variables)
    assert isinstance(found, tuple)
    return [(it.pointer, it.code) for it in found]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("pt_BR", "pt_BR"), ("pt-BR", "pt_BR"), ("pt_PT", "pt"), ("en_US", "en"), ("de_DE", "en"), ("", "en")],
)
def test_a_language_falls_back_to_its_general_form_and_then_to_the_default(wanted: str, found: str) -> None:
    assert find_language(SMS, wanted) == found


def test_an_sms_is_rendered() -> None:
    assert render(Channel.SMS, SMS, "pt_PT", {"name": "Ana"}) == Rendered(language="pt", parts={"body": "Oi Ana"})


def test_an_email_is_rendered_part_by_part_and_only_its_html_is_escaped() -> None:
    rendered = render(Channel.EMAIL, MAIL, "en", {"name": "Ana & <Bo>"})

    assert rendered == Rendered(
        language="en",
        parts={"subject": "For Ana & <Bo>", "text": "Hi Ana & <Bo>", "html": "<p>Ana &amp; &lt;Bo&gt;</p>"},
    )


def test_values_are_checked_before_anything_is_rendered() -> None:
    assert codes(SMS, {"nmae": "Ana"}) == [
        ("/variables/name", "variable_missing"),
        ("/variables/nmae", "variable_unexpected"),
    ]


def test_a_text_that_the_channel_does_not_carry_is_refused() -> None:
    assert codes(SMS, {"name": "x" * 1_598}) == [("/variables", "value_too_long")]
    assert isinstance(render(Channel.SMS, SMS, "en", {"name": "x" * 1_597}), Rendered)
    nothing = Definition(default_language="en", parameters=(NAME,), variants={"en": Parts(body="{{ name }}")})
    assert codes(nothing, {"name": " "}) == [("/variables", "value_empty")]


@pytest.mark.parametrize("value", ["a\r\nBcc: all@example.com", "a\nb", "a\u2028b", "a\tb"])
def test_a_value_cannot_add_lines_to_a_subject(value: str) -> None:
    assert codes(MAIL, {"name": value}) == [("/variables", "header_injection")]


def test_a_rendering_that_never_ends_is_a_refusal() -> None:
    rows = Parameter(name="rows", type=ParameterType.LIST)
    loops = "{% for a in rows %}" * 3 + "x" + "{% endfor %}" * 3
    bomb = Definition(default_language="en", parameters=(rows,), variants={"en": Parts(body=loops)})

    assert codes(bomb, {"rows": [1] * 200}) == [("/variables", "rendering_failed")]
