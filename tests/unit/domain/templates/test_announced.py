"""Which changes of a template is a tenant told of?"""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from messaging.domain.templates.announced import Announced, announced
from messaging.domain.templates.template import TemplateCategory, TemplateStatus
from tests.builders import NOON, a_template

LATER = NOON + timedelta(minutes=5)
BEFORE = a_template(
    status=TemplateStatus.PENDING,
    category=TemplateCategory.UTILITY,
    quality="GREEN",
    status_at=NOON,
    quality_at=NOON,
    category_at=NOON,
)


def told(**changes: Any) -> list[Announced]:
    return list(announced(BEFORE, replace(BEFORE, **changes)))


@pytest.mark.parametrize(
    ("status", "types"),
    [
        (TemplateStatus.APPROVED, ["template.approved"]),
        (TemplateStatus.REJECTED, ["template.rejected"]),
        (TemplateStatus.PAUSED, ["template.paused"]),
        (TemplateStatus.DISABLED, ["template.disabled"]),
        (TemplateStatus.PENDING, []),
        (TemplateStatus.DELETED, []),
    ],
)
def test_a_status_that_matters_to_senders_is_told(status: TemplateStatus, types: list[str]) -> None:
    assert [event.type for event in told(status=status)] == types


def test_a_report_is_told_with_the_providers_time_and_a_listing_without_one() -> None:
    assert told(status=TemplateStatus.APPROVED, status_at=LATER) == [Announced("template.approved", LATER)]
    assert told(status=TemplateStatus.APPROVED) == [Announced("template.approved", None)]


def test_another_category_and_another_quality_are_told_beside_the_status() -> None:
    events = told(status=TemplateStatus.PAUSED, category=TemplateCategory.MARKETING, quality="RED", quality_at=LATER)

    assert events == [
        Announced("template.paused", None),
        Announced("template.category_changed", None),
        Announced("template.quality_changed", LATER),
    ]


def test_a_first_rating_is_no_change_of_quality() -> None:
    assert list(announced(replace(BEFORE, quality=None), BEFORE)) == []
