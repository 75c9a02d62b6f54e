"""Meta's webhooks about templates, in the core's words."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from messaging.adapters.providers.whatsapp_cloud.webhooks.reader import WhatsAppWebhookReader
from messaging.application.ports.providers.webhooks import (
    OtherEvent,
    TemplateChanged,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from messaging.domain.templates.template import TemplateCategory, TemplateStatus
from tests.builders import NOON
from tests.fakes.installed import a_webhook

AT = datetime.fromtimestamp(1_739_321_024, UTC)
NAMED = {
    "message_template_id": 168955690812,
    "message_template_name": "cart",
    "message_template_language": "en-US",
}
ABOUT: dict[str, Any] = {"external_id": "168955690812", "name": "cart", "language": "en_US", "at": AT}


def read(field: str, value: dict[str, Any], time: Any = 1_739_321_024) -> list[Any]:
    entry = {"id": "1", "time": time, "changes": [{"field": field, "value": NAMED | value}]}
    return list(WhatsAppWebhookReader().read(a_webhook(msgspec.json.encode({"entry": [entry]})), received_at=NOON))


def status(value: dict[str, Any], **others: Any) -> list[Any]:
    return read("message_template_status_update", value, **others)


def test_a_rejection_comes_with_its_reasons_and_the_entrys_time() -> None:
    rejection = {"reason": "Variables at the start", "recommendation": "Move them"}

    (event,) = status({"event": "REJECTED", "reason": "INVALID_FORMAT", "rejection_info": rejection})

    assert event == TemplateStatusChanged(
        status=TemplateStatus.REJECTED,
        reason="INVALID_FORMAT: Variables at the start",
        info={
            "reason": "INVALID_FORMAT",
            "description": "Variables at the start",
            "recommendation": "Move them",
        },
        **ABOUT,
    )


@pytest.mark.parametrize(
    ("value", "info"),
    [
        ({"event": "APPROVED", "reason": "NONE"}, {}),
        (
            {"event": "PAUSED", "reason": "NONE", "other_info": {"title": "FIRST_PAUSE", "description": "Low quality"}},
            {"title": "FIRST_PAUSE", "description": "Low quality"},
        ),
        (
            {"event": "DISABLED", "reason": None, "disable_info": {"disable_date": 1_751_234_563}},
            {"disable_date": "2025-06-29T22:02:43Z"},
        ),
        ({"event": "DISABLED", "disable_info": {"disable_date": "June 29, 2025"}}, {"disable_date": "June 29, 2025"}),
        ({"event": "PAUSED", "other_info": "FIRST_PAUSE", "disable_info": None}, {}),
    ],
)
def test_what_is_told_with_a_status_is_kept_with_it(value: dict[str, Any], info: dict[str, str]) -> None:
    (event,) = status(value)

    assert event.info == info


def test_news_without_a_name_or_a_time_is_read_all_the_same() -> None:
    nameless = {"message_template_name": None, "message_template_language": ""}

    (event,) = status({"event": "PAUSED"} | nameless, time=None)

    assert event == TemplateStatusChanged(external_id="168955690812", status=TemplateStatus.PAUSED)


@pytest.mark.parametrize("id", ["", None, "x" * 129, ["1"]])
def test_news_about_no_template_is_kept_as_it_came(id: Any) -> None:
    (event,) = status({"event": "PAUSED", "message_template_id": id})

    assert isinstance(event, OtherEvent)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("message_template_status_update", {"event": "FLAGGED"}, TemplateChanged(**ABOUT)),
        ("message_template_status_update", {"event": "UNARCHIVED"}, TemplateChanged(**ABOUT)),
        (
            "message_template_components_update",
            {"message_template_element": "Hi {{1}}"},
            TemplateChanged(rewritten=True, **ABOUT),
        ),
        (
            "template_category_update",
            {"previous_category": "UTILITY", "new_category": "MARKETING"},
            TemplateChanged(category=TemplateCategory.MARKETING, **ABOUT),
        ),
        (
            "template_category_update",
            {"correct_category": "MARKETING", "new_category": "UTILITY", "category_update_timestamp": 1_751_234_563},
            TemplateChanged(**ABOUT),
        ),
        (
            "template_category_update",
            {"previous_category": "UTILITY", "new_category": "OF_NEXT_YEAR"},
            TemplateChanged(**ABOUT),
        ),
    ],
)
def test_news_that_says_it_changed_has_the_template_read_and_is_kept(
    field: str, value: dict[str, Any], expected: TemplateChanged
) -> None:
    changed, kept = read(field, value)

    assert changed == expected
    assert kept == OtherEvent(kind=field, payload=NAMED | value, occurred_at=AT)


def test_quality_has_its_time_too() -> None:
    (event,) = read("message_template_quality_update", {"new_quality_score": "YELLOW"})

    assert event == TemplateQualityChanged(quality="YELLOW", **ABOUT)
