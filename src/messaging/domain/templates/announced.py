"""Names the public events of a template that a provider's report or listing changed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from messaging.domain.templates.template import Template, TemplateStatus

_STATUSES: Final = {
    TemplateStatus.APPROVED: "template.approved",
    TemplateStatus.REJECTED: "template.rejected",
    TemplateStatus.PAUSED: "template.paused",
    TemplateStatus.DISABLED: "template.disabled",
}


class Announced(NamedTuple):
    """A public event of a template, and the provider's time of it where a report told one."""

    type: str
    at: datetime | None


def announced(before: Template, after: Template) -> Iterator[Announced]:
    """What a tenant is told of a change. A first rating of the quality is no change of it."""
    if after.status is not before.status and (type := _STATUSES.get(after.status)) is not None:
        yield Announced(type, _if_new(before.status_at, after.status_at))
    if after.category is not before.category:
        yield Announced("template.category_changed", _if_new(before.category_at, after.category_at))
    if None not in (before.quality, after.quality) and after.quality != before.quality:
        yield Announced("template.quality_changed", _if_new(before.quality_at, after.quality_at))


def _if_new(before: datetime | None, after: datetime | None) -> datetime | None:
    """The time of the report that brought the change; a listing brings none."""
    return after if after != before else None
