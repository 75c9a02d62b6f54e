"""Applies reports about templates in the transaction of the webhooks that brought them."""

from collections.abc import Sequence

from messaging.application.ports.unit_of_work import SystemUnitOfWork
from messaging.application.templates.requests import listing, release
from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
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
    # An account that is gone by now has no mode, and nothing to list.
    wanted = [listing(tenant, modes[account], account) for tenant, account in sorted(unclear) if account in modes]
    freed = [release(template, modes[template.account_id]) for template in changed if shelf.was_freed(template)]
    await uow.outbox.enqueue([*wanted, *freed])


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

    def changed(self) -> list[Template]:
        return [template for id, template in self._now.items() if template != self._before[id]]

    def was_freed(self, template: Template) -> bool:
        before = self._before[template.id]
        return template.status is TemplateStatus.APPROVED and before.status is not TemplateStatus.APPROVED
