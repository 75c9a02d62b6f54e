"""What becomes of one template of ours beside the provider's listing of it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from messaging.application.ports.providers.templates import ProviderTemplate
from messaging.application.templates.merge import gone, may_be_sent_again, merged
from messaging.domain.templates.template import ParameterFormat, Template, TemplateCategory, TemplateStatus
from tests.builders import NOON, a_template, components

BEFORE, AFTER = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)
APPROVED, PAUSED, REJECTED = TemplateStatus.APPROVED, TemplateStatus.PAUSED, TemplateStatus.REJECTED


def listed(ours: Template, **changes: Any) -> ProviderTemplate:
    """As the provider lists it when nothing has changed."""
    fields: dict[str, Any] = {
        "external_id": ours.external_id or "1",
        "name": ours.name,
        "language": ours.language,
        "category": ours.category,
        "parameter_format": ours.parameter_format,
        "components": ours.components,
        "status": ours.status,
        "quality": ours.quality,
    }
    return ProviderTemplate(**(fields | changes))


def after(ours: Template, **changes: Any) -> Template:
    return merged(ours, listed(ours, **changes), asked_at=NOON)


def test_a_listing_that_agrees_changes_nothing() -> None:
    ours = a_template(version=3, quality="GREEN", status_at=BEFORE)

    assert after(ours) == ours


@pytest.mark.parametrize(
    ("changes", "version"),
    [
        ({}, 3),
        ({"category": TemplateCategory.MARKETING}, 3),
        ({"parameter_format": ParameterFormat.NAMED}, 4),
        ({"components": components(body="Hi {{1}}, {{2}}.")}, 4),
    ],
)
def test_only_another_content_is_another_version(changes: dict[str, Any], version: int) -> None:
    assert after(a_template(version=3), **changes).version == version


def test_our_sample_values_stay_where_the_provider_reports_none() -> None:
    assert after(a_template(version=3), components=components(examples={})) == a_template(version=3)
    assert after(a_template(), components=components(examples={"1": "Bo", "2": "B"})).components.examples["1"] == "Bo"


@pytest.mark.parametrize(
    ("told_at", "believed"), [(None, "theirs"), (BEFORE, "theirs"), (NOON, "theirs"), (AFTER, "ours")]
)
def test_news_stays_only_if_it_is_younger_than_the_question(told_at: datetime | None, believed: str) -> None:
    ours = a_template(
        status=PAUSED, quality="RED", status_at=told_at, quality_at=told_at, category_at=told_at, changed_at=told_at
    )

    result = after(ours, status=APPROVED, quality="GREEN", category=TemplateCategory.MARKETING)

    taken = (result.status, result.quality, result.category, result.changed_at)
    if believed == "theirs":
        assert taken == (APPROVED, "GREEN", TemplateCategory.MARKETING, None)
    else:
        assert taken == (PAUSED, "RED", TemplateCategory.UTILITY, told_at)


def test_what_was_told_of_a_template_says_nothing_about_one_made_in_its_place() -> None:
    ours = a_template(status=PAUSED, status_at=AFTER, quality_at=AFTER, category_at=AFTER, status_info={"a": "b"})

    result = after(ours, external_id="2", status=APPROVED, quality="GREEN")

    assert (result.external_id, result.status, result.status_at) == ("2", APPROVED, None)
    assert (result.quality, result.quality_at, result.category_at, result.status_info) == ("GREEN", None, None, {})


def test_a_template_whose_id_was_not_known_keeps_its_news() -> None:
    ours = a_template(external_id=None, status=PAUSED, status_at=AFTER)

    assert (after(ours, status=APPROVED).status, after(ours).external_id) == (PAUSED, "1")


@pytest.mark.parametrize(
    ("before", "now", "reason", "expected"),
    [
        (REJECTED, REJECTED, None, "told before"),
        (REJECTED, REJECTED, "listed", "listed"),
        (PAUSED, REJECTED, None, None),
        (PAUSED, REJECTED, "listed", "listed"),
        (REJECTED, APPROVED, "listed", None),
        (PAUSED, PAUSED, "listed", None),
    ],
)
def test_a_reason_belongs_to_a_rejection(
    before: TemplateStatus, now: TemplateStatus, reason: str | None, expected: str | None
) -> None:
    ours = a_template(status=before, rejected_reason="told before", status_info={"title": "x"})

    result = after(ours, status=now, rejected_reason=reason)

    assert result.rejected_reason == expected
    assert result.status_info == ({"title": "x"} if before is now else {})


def test_what_a_listing_lacks_is_deleted_unless_news_is_younger() -> None:
    ours = a_template(status_at=BEFORE, changed_at=BEFORE, status_info={"a": "b"}, rejected_reason="x")
    younger = replace(ours, status_at=AFTER)

    deleted = gone(ours, asked_at=NOON)

    assert (deleted.status, deleted.changed_at) == (TemplateStatus.DELETED, None)
    assert (deleted.status_info, deleted.rejected_reason) == ({}, None)
    assert gone(younger, asked_at=NOON) is younger


@pytest.mark.parametrize(
    ("before", "now", "freed"),
    [
        (a_template(), a_template(), False),
        (a_template(status=PAUSED), a_template(), True),
        (a_template(changed_at=NOON), a_template(), True),
        (a_template(status=PAUSED), a_template(status=REJECTED), False),
        (a_template(status=PAUSED), a_template(changed_at=NOON), False),
        (a_template(changed_at=NOON), a_template(changed_at=NOON), False),
    ],
)
def test_messages_go_on_when_what_kept_them_has_ended(before: Template, now: Template, freed: bool) -> None:
    assert may_be_sent_again(before, now) is freed
