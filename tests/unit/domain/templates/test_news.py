"""What becomes of a template when its provider tells something of it, in whatever order that arrives."""

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from messaging.domain.templates.news import TemplateNews, in_order, tell, whole_second
from messaging.domain.templates.template import Template, TemplateCategory, TemplateStatus
from tests.builders import ACCOUNT, NOON, TENANT, a_template

ID = "1407680676729941"
EARLIER = NOON - timedelta(seconds=600)
LATER = NOON + timedelta(seconds=600)
PAUSED, APPROVED, REJECTED = TemplateStatus.PAUSED, TemplateStatus.APPROVED, TemplateStatus.REJECTED


def news(**changes: Any) -> TemplateNews:
    fields: dict[str, Any] = {"tenant_id": TENANT, "account_id": ACCOUNT, "external_id": ID}
    return TemplateNews(**(fields | {"at": NOON, "heard_at": NOON} | changes))


def after(template: Template, *told: TemplateNews) -> Template:
    for item in told:
        template = tell(template, item, listed_at=None).template
    return template


def test_paused_and_then_approved_ten_minutes_before_stays_paused() -> None:
    found = after(a_template(), news(status=PAUSED), news(status=APPROVED, at=EARLIER))

    assert (found.status, found.status_at) == (PAUSED, NOON)


def test_one_body_is_read_in_the_order_of_its_times() -> None:
    told = in_order([news(status=PAUSED), news(status=APPROVED, at=EARLIER)])

    assert [item.status for item in told] == [APPROVED, PAUSED]


def test_in_any_order_the_newest_status_quality_and_category_stay() -> None:
    told = [
        news(status=REJECTED, rejected_reason="SCAM", status_info={"reason": "SCAM"}, at=EARLIER),
        news(status=APPROVED, at=NOON),
        news(quality="RED", at=EARLIER),
        news(quality="GREEN", at=NOON),
        news(category=TemplateCategory.MARKETING, at=NOON),
        news(category=TemplateCategory.UTILITY, at=EARLIER),
    ]

    for order in permutations(told):
        found = after(a_template(status=TemplateStatus.PENDING), *order)
        assert (found.status, found.rejected_reason, found.status_info) == (APPROVED, None, {})
        assert (found.quality, found.category) == ("GREEN", TemplateCategory.MARKETING)


def test_each_of_the_three_has_a_time_of_its_own() -> None:
    found = after(a_template(), news(quality="RED", at=LATER), news(status=PAUSED, at=NOON))

    assert (found.status, found.quality) == (PAUSED, "RED")


def test_the_reason_comes_and_goes_with_its_status() -> None:
    told = {"rejected_reason": "INVALID_FORMAT: braces", "status_info": {"reason": "INVALID_FORMAT"}}
    rejected = after(a_template(), news(status=REJECTED, **told))
    paused = after(rejected, news(status=PAUSED, at=LATER, status_info={"title": "FIRST_PAUSE"}))

    assert (rejected.rejected_reason, rejected.status_info) == ("INVALID_FORMAT: braces", {"reason": "INVALID_FORMAT"})
    assert (paused.rejected_reason, paused.status_info) == (None, {"title": "FIRST_PAUSE"})


def test_news_from_before_the_last_listing_is_not_believed() -> None:
    stale = tell(a_template(), news(status=PAUSED, quality="RED", at=EARLIER), listed_at=NOON)
    fresh = tell(a_template(), news(status=PAUSED, at=NOON), listed_at=NOON)

    assert stale.template == a_template()
    assert fresh.template.status is PAUSED


@pytest.mark.parametrize("known", ["status", "listing"])
def test_two_statuses_of_one_second_are_asked_about(known: str) -> None:
    template = a_template(status_at=NOON if known == "status" else None)

    other = tell(template, news(status=PAUSED), listed_at=NOON if known == "listing" else None)
    same = tell(template, news(status=APPROVED), listed_at=NOON if known == "listing" else None)

    assert (other.ask, other.template.status) == (True, PAUSED)
    assert not same.ask


def test_a_rewritten_template_is_marked_until_it_has_been_read() -> None:
    told = tell(a_template(), news(rewritten=True, at=EARLIER, heard_at=NOON), listed_at=NOON)

    assert (told.template.changed_at, told.ask) == (NOON, True)
    assert after(told.template, news(rewritten=True, heard_at=EARLIER)).changed_at == NOON


@pytest.mark.parametrize(
    ("known", "listed_at", "edited"),
    [
        ({"status": APPROVED, "status_at": EARLIER}, None, True),
        ({"status": APPROVED}, EARLIER, True),
        ({"status": TemplateStatus.PENDING, "status_at": EARLIER}, None, True),
        ({"status": REJECTED, "status_at": EARLIER}, EARLIER, True),
        # New ones, and one that comes back from a pause.
        ({"status": APPROVED}, None, False),
        ({"status": TemplateStatus.PENDING}, EARLIER, False),
        ({"status": PAUSED, "status_at": EARLIER}, EARLIER, False),
        # Told twice.
        ({"status": APPROVED, "status_at": NOON}, EARLIER, False),
    ],
)
def test_an_approval_of_what_was_approved_before_is_of_other_content(
    known: dict[str, Any], listed_at: datetime | None, edited: bool
) -> None:
    told = tell(a_template(**known), news(status=APPROVED), listed_at=listed_at)

    assert (told.ask, told.template.changed_at is not None) == (edited, edited)


def test_times_are_cut_to_seconds_as_the_provider_cuts_them() -> None:
    assert whole_second(NOON + timedelta(milliseconds=999)) == NOON
