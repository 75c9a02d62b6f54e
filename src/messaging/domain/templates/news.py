"""Applies a provider's reports about a template (status, quality, category) in the order of the provider's clock.

A webhook may come late, twice and in any order, and so may the answer to a listing. Therefore each of status, quality
and category keeps the provider's time of its newest report, the account keeps when its templates were last listed, and
older reports are ignored. Times are whole seconds, as the provider gives them.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from messaging.domain.shared.ids import AccountId, TenantId
from messaging.domain.templates.template import Template, TemplateCategory, TemplateStatus


class TemplateNews(Struct, frozen=True, kw_only=True):
    """A report about the template with this id; None where it says nothing.

    `at` is the provider's time and `heard_at` ours. `rewritten`: the content has changed. `doubtful`: the report is
    incomplete, so the template has to be listed.
    """

    tenant_id: TenantId
    account_id: AccountId
    external_id: str
    at: datetime
    heard_at: datetime
    name: str | None = None
    language: str | None = None
    status: TemplateStatus | None = None
    rejected_reason: str | None = None
    status_info: dict[str, str] = {}
    quality: str | None = None
    category: TemplateCategory | None = None
    rewritten: bool = False
    doubtful: bool = False


class Told(Struct, frozen=True):
    """The template after the report, and whether it has to be listed."""

    template: Template
    ask: bool = False


def whole_second(at: datetime) -> datetime:
    """The time cut to seconds, as providers cut theirs; otherwise a report of the same second would look older."""
    return at.replace(microsecond=0)


def may_be_about(template: Template, news: TemplateNews) -> bool:
    """Whether a report under its name and language is about this template: only if no other id is known for it."""
    return template.external_id in (None, news.external_id)


def tell(template: Template, news: TemplateNews, *, listed_at: datetime | None) -> Told:
    """Apply a report where it is newer than what is known. Of two in the same second the later read counts, and a
    listing is requested.
    """
    changes: dict[str, Any] = {"external_id": news.external_id}
    ask, rewritten = news.doubtful, news.rewritten
    if news.status is not None and not _is_old(news.at, template.status_at, listed_at):
        ask |= news.status is not template.status and news.at in (template.status_at, listed_at)
        changes |= _status(news)
        rewritten |= _was_reviewed_again(template, news, listed_at)
    if news.quality is not None and not _is_old(news.at, template.quality_at, listed_at):
        changes |= {"quality": news.quality, "quality_at": news.at}
    if news.category is not None and not _is_old(news.at, template.category_at, listed_at):
        changes |= {"category": news.category, "category_at": news.at}
    if rewritten:
        changes["changed_at"] = max(news.heard_at, template.changed_at or news.heard_at)
    return Told(replace(template, **changes), ask or rewritten)


def _was_reviewed_again(template: Template, news: TemplateNews, listed_at: datetime | None) -> bool:
    """Whether an approval is about other content than ours: only edited content is reviewed once more.

    The report about the content itself is not sent to everybody, and comes after this one.
    """
    if news.status is not TemplateStatus.APPROVED or news.at in (template.status_at, listed_at):
        return False
    if template.status is TemplateStatus.APPROVED:
        return template.status_at is not None or listed_at is not None
    # A review whose beginning was not reported is that of a new template.
    return template.status in (TemplateStatus.PENDING, TemplateStatus.REJECTED) and template.status_at is not None


def _status(news: TemplateNews) -> dict[str, Any]:
    """A new status and its reasons, which replace those of the former status."""
    return {
        "status": news.status,
        "status_at": news.at,
        "status_info": news.status_info,
        "rejected_reason": news.rejected_reason if news.status is TemplateStatus.REJECTED else None,
    }


def _is_old(at: datetime, *known: datetime | None) -> bool:
    return any(at < other for other in known if other is not None)


def in_order(news: Iterable[TemplateNews]) -> list[TemplateNews]:
    """Oldest first; reports of the same time keep the order given."""
    return sorted(news, key=lambda item: item.at)
