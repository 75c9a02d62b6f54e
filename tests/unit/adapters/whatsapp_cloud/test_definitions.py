"""Template definitions as Meta lists them: what was not understood is named, and blanks are counted as they are."""

from typing import Any

import pytest

from messaging.adapters.providers.whatsapp_cloud.templates.definitions import read_template
from messaging.application.ports.providers.templates import ProviderTemplate
from messaging.domain.content.parameters import TemplateParameters
from messaging.domain.templates.template import ParameterFormat
from messaging.domain.templates.validation import send_violations
from tests.builders import a_template

BODY = {"type": "BODY", "text": "Look at this."}
CARD = {"components": [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "One"}]}


def listed(*components: Any, **members: Any) -> ProviderTemplate:
    node = {"id": "1", "name": "promo", "language": "en", "status": "APPROVED", "category": "MARKETING"}
    found = read_template(node | {"components": list(components)} | members)
    assert found is not None
    return found


def buttons(*nodes: Any) -> dict[str, Any]:
    return {"type": "BUTTONS", "buttons": list(nodes)}


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ({"type": "CAROUSEL", "cards": [CARD, CARD]}, ("CAROUSEL",)),
        ({"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"has_expiration": True}}, ("LIMITED_TIME_OFFER",)),
        ({"type": "HEADER", "format": "PRODUCT"}, ("PRODUCT header",)),
        ({"type": "HEADER", "format": "GIF"}, ("GIF header",)),
        ({"type": "SOMETHING_OF_NEXT_YEAR"}, ("SOMETHING_OF_NEXT_YEAR",)),
        ({"text": "no type"}, ("unnamed",)),
        ("no object", ("unnamed",)),
        (BODY, ("a second BODY",)),
        (buttons({"type": "FLOW", "text": "Book", "flow_id": "1"}), ("FLOW button",)),
        (
            buttons({"type": "CATALOG", "text": "View"}, {"type": "MPM", "text": "View"}),
            ("CATALOG button", "MPM button"),
        ),
        (buttons({"type": "ORDER_DETAILS", "text": "Pay"}), ("ORDER_DETAILS button",)),
        (buttons({"type": "VOICE_CALL", "text": "Call"}), ("VOICE_CALL button",)),
        (buttons({"type": "URL", "text": "A", "url": "https://a.example", "deep": {"a": 1}}), ("URL button deep",)),
        (buttons("no object"), ("unnamed button",)),
        ({"type": "BUTTONS", "buttons": None}, ("unnamed button",)),
        ({"type": "FOOTER", "text": "x", "countdown": {"at": 1}}, ("FOOTER countdown",)),
    ],
)
def test_a_part_that_is_not_understood_makes_the_template_unsendable_and_is_named(
    part: Any, names: tuple[str, ...]
) -> None:
    read = listed(BODY, part)

    assert read.unsupported == names
    template = a_template(components=read.components, unsupported=read.unsupported)
    (refusal,) = send_violations(template, TemplateParameters())
    assert refusal.code == "template_unsupported"
    assert all(name in refusal.detail for name in names)


@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "header", "format": "text", "text": "Hi"}, {"type": "footer", "text": "Bye"}],
        [{"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["h"]}}],
        [buttons({"type": "QUICK_REPLY", "text": "Stop"}, {"type": "PHONE_NUMBER", "text": "C", "phone_number": "+1"})],
        [
            buttons(
                {"type": "OTP", "otp_type": "ONE_TAP", "text": "Fill", "autofill_text": "Fill", "supported_apps": [{}]}
            )
        ],
        [{"type": "FOOTER", "code_expiration_minutes": 5}],
        [{"type": "FOOTER", "text": "Members that say nothing", "tracking": None, "degrees": {}, "opted_out": False}],
    ],
)
def test_known_parts_are_understood(parts: list[Any]) -> None:
    assert listed(BODY, *parts).unsupported == ()


def test_a_listing_without_components_is_not_taken_for_an_empty_template() -> None:
    assert listed(components=None).unsupported == ("components",)


@pytest.mark.parametrize(
    ("told", "text", "expected"),
    [
        (None, "Hi {{first_name}}, bye.", ParameterFormat.NAMED),
        ("", "Hi {{first_name}}, bye.", ParameterFormat.NAMED),
        (None, "Hi {{1}}, bye.", ParameterFormat.POSITIONAL),
        (None, "Hi.", ParameterFormat.POSITIONAL),
        ("NAMED", "Hi.", ParameterFormat.NAMED),
        ("positional", "Hi {{1}}.", ParameterFormat.POSITIONAL),
    ],
)
def test_named_blanks_make_a_named_template_where_the_format_is_not_told(
    told: str | None, text: str, expected: ParameterFormat
) -> None:
    assert listed({"type": "BODY", "text": text}, parameter_format=told).parameter_format is expected


def test_a_named_blank_of_the_header_counts_too() -> None:
    header = {"type": "HEADER", "format": "TEXT", "text": "Order {{order_id}}"}

    assert listed(header, BODY).parameter_format is ParameterFormat.NAMED
