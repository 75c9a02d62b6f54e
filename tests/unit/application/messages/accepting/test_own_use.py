"""A submission that names a template of the tenant's own is accepted as it will be sent, or refused in full."""

from typing import Any

import msgspec
import pytest

from messaging.application.messages.accepting.assess import Invalid, Routed, Submission, assess, compose
from messaging.application.messages.reading import payload
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.domain.channels.address import Channel, Phone
from messaging.domain.content.content import TemplateMessage
from messaging.domain.content.parameters import HeaderText, Pin, Value
from messaging.domain.messages.message import Category
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.own.definition import Parameter, ParameterType, Parts
from tests.builders import (
    MESSAGE,
    NOON,
    OWN_TEMPLATE,
    a_definition,
    a_principal,
    a_published_template,
    a_sender,
    a_snapshot,
    a_template_message,
)

SENDERS = (a_sender(channel=Channel.SMS),)
FACTS = a_snapshot(senders=SENDERS, own=(a_published_template(),))


def content(language: str = "de_AT", name: str = "order_shipped", **variables: Value) -> TemplateMessage:
    return TemplateMessage(name=name, language=language, variables=variables or {"name": "Ana"})


def judged(content: TemplateMessage, facts: TenantSnapshot = FACTS, **changes: Any) -> Routed | Invalid:
    principal = a_principal()
    submission = Submission(to="+14155552671", channel=Channel.SMS, content=content, **changes)
    return assess(principal, submission, facts.in_mode(principal.mode), now=NOON)


def faults(content: TemplateMessage, facts: TenantSnapshot = FACTS, **changes: Any) -> list[tuple[str, str]]:
    result = judged(content, facts, **changes)
    assert isinstance(result, Invalid)
    return [(violation.pointer, violation.code) for violation in result.violations]


def test_what_is_accepted_is_pinned_to_its_version_and_language() -> None:
    routed = judged(content())

    assert isinstance(routed, Routed)
    assert routed.own is not None
    assert routed.own.rendered is not None
    assert routed.own.rendered.parts == {"body": "Hallo Ana!"}
    message = compose(a_principal(), routed, id=MESSAGE, now=NOON)
    assert message.pin == Pin(template_id=OWN_TEMPLATE, version=1, language="de")
    assert (message.content, message.template_id, message.category) == (content(), None, Category.UTILITY)


def test_all_that_is_wrong_is_listed() -> None:
    wrong = TemplateMessage(name="order_shipped", language="?", variables={"nmae": 1}, header=HeaderText(text="x"))

    assert faults(wrong, category=Category.MARKETING) == [
        ("/content/header", "header_unexpected"),
        ("/content/language", "language_unknown"),
        ("/content/variables/name", "variable_missing"),
        ("/content/variables/nmae", "variable_unexpected"),
        ("/category", "category_mismatch"),
    ]


def test_a_name_that_nobody_published_is_told_with_the_nearest() -> None:
    result = judged(content(name="order_shiped"))

    assert isinstance(result, Invalid)
    [violation] = result.violations
    assert (violation.pointer, violation.code) == ("/content/name", "template_unknown")
    assert "Did you mean order_shipped?" in violation.detail


@pytest.mark.parametrize(
    "published",
    [
        a_published_template(channel=Channel.EMAIL),
        a_published_template(mode=Mode.TEST),
    ],
    ids=["another channel", "another mode"],
)
def test_a_template_of_another_channel_or_mode_is_not_there(published: Any) -> None:
    assert faults(content(), a_snapshot(senders=SENDERS, own=(published,))) == [("/content/name", "template_unknown")]


def test_a_text_too_long_for_the_channel_is_refused() -> None:
    assert faults(TemplateMessage(name="order_shipped", language="de", variables={"name": "x" * 1_600})) == [
        ("/content/variables", "value_too_long")
    ]


def test_values_of_all_types_are_stored_and_read_again() -> None:
    parameters = (
        Parameter(name="rows", type=ParameterType.LIST, fields=("sku",)),
        Parameter(name="total", type=ParameterType.NUMBER),
        Parameter(name="gift", type=ParameterType.BOOLEAN),
    )
    text = "{% for row in rows %}{{ row.sku }} {% endfor %}{{ total }}{% if gift %}!{% endif %}"
    definition = a_definition(variants={"en": Parts(body=text)}, parameters=parameters)
    facts = a_snapshot(senders=SENDERS, own=(a_published_template(definition),))
    given = content("en", rows=[{"sku": "A"}, {"sku": "B"}], total=12.5, gift=True)

    routed = judged(given, facts)

    assert isinstance(routed, Routed)
    assert routed.own is not None
    stored = payload.Payload(to=Phone("+14155552671"), content=given, metadata={}, pin=routed.own.pin)
    assert payload.decode(payload.encode(stored)) == stored
    assert routed.own.rendered is not None
    assert routed.own.rendered.text() == "A B 12.5!"


def test_a_message_without_an_own_template_is_stored_as_it_always_was() -> None:
    stored = payload.Payload(to=Phone("+14155552671"), content=a_template_message(), metadata={})

    assert msgspec.msgpack.decode(payload.encode(stored)).keys() == {"to", "content", "metadata"}
