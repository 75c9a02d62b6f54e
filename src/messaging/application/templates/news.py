"""Applies reports about templates in the transaction of the webhooks that brought them, and announces what a provider
has changed.
"""

from collections.abc import Sequence
from typing import Any

from messaging.application.ports.callbacks.announcements import Announcement, SubjectKind
from messaging.application.ports.unit_of_work import SystemUnitOfWork
from messaging.application.templates.requests import listing, release
from messaging.domain.shared.ids import AccountId, Prefix, TemplateId, TenantId, typeid
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.announced import announced
from messaging.domain.templates.news import TemplateNews, in_order, may_be_about, tell
from messaging.domain.templates.template import Template, TemplateStatus

_Name = tuple[AccountId, str | None, str | None]


async def take_in_news(uow: SystemUnitOfWork, news: Sequence[TemplateNews]) -> None:
    """Write newer reports, request listings for what is unknown, and release messages that waited for an approval."""
    if not news:
        return
    locked = await uow.templates.lock(news)
    shelf = _Shelf(locked.templates)
    unclear: set[tuple[TenantId, AccountId]] = set()
    for item in in_order(news):
        template = shelf.find(item)
        if template is None:
            # A report that an unknown template was deleted needs no listing.
            if item.status is not TemplateStatus.DELETED:
                unclear.add((item.tenant_id, item.account_id))
            continue
        told = tell(template, item, listed_at=locked.listed_at.get(template.account_id))
        shelf.put(told.template)
        if told.ask:
            unclear.add((item.tenant_id, item.account_id))
    changed = shelf.changed()
    await uow.templates.update(changed)
    modes = locked.modes
    await uow.announcements.announce(
        [it for template in changed for it in told_of(shelf.before(template), template, modes[template.account_id])]
    )
    # An account that is gone by now has no mode, and nothing to list.
    wanted = [listing(tenant, modes[account], account) for tenant, account in sorted(unclear) if account in modes]
    freed = [release(template, modes[template.account_id]) for template in changed if shelf.was_freed(template)]
    await uow.outbox.enqueue([*wanted, *freed])


def told_of(before: Template, after: Template, mode: Mode) -> Sequence[Announcement]:
    """The events of a template that changed; none if the tenant is told nothing of that change."""
    return [
        Announcement(
            tenant_id=after.tenant_id,
            mode=mode,
            kind=SubjectKind.TEMPLATE,
            subject_id=after.id,
            type=event.type,
            occurred_at=event.at,
            data=_data(before, after),
        )
        for event in announced(before, after)
    ]


def _data(before: Template, after: Template) -> dict[str, Any]:
    return {
        "id": typeid(Prefix.TEMPLATE, after.id),
        "account_id": typeid(Prefix.ACCOUNT, after.account_id),
        "name": after.name,
        "language": after.language,
        "status": after.status.value,
        "category": after.category.value,
        "quality": after.quality,
        "rejected_reason": after.rejected_reason,
        "previous": {"status": before.status.value, "category": before.category.value, "quality": before.quality},
    }


class _Shelf:
    """Locked templates by their id at the provider, and by name where they have none yet."""

    def __init__(self, templates: Sequence[Template]) -> None:
        self._before = {template.id: template for template in templates}
        self._now = dict(self._before)
        self._ids: dict[tuple[AccountId, str | None], TemplateId] = {
            (template.account_id, template.external_id): template.id for template in templates
        }
        self._names: dict[_Name, TemplateId] = {
            (template.account_id, template.name, template.language): template.id for template in templates
        }

    def find(self, news: TemplateNews) -> Template | None:
        """The template with that id; one of that name only while no id is known for it."""
        if (id := self._ids.get((news.account_id, news.external_id))) is not None:
            return self._now[id]
        named = self._names.get((news.account_id, news.name, news.language))
        return self._now[named] if named is not None and may_be_about(self._now[named], news) else None

    def put(self, template: Template) -> None:
        self._now[template.id] = template
        self._ids[template.account_id, template.external_id] = template.id

    def before(self, template: Template) -> Template:
        return self._before[template.id]

    def changed(self) -> list[Template]:
        return [template for id, template in self._now.items() if template != self._before[id]]

    def was_freed(self, template: Template) -> bool:
        before = self.before(template)
        return template.status is TemplateStatus.APPROVED and before.status is not TemplateStatus.APPROVED
