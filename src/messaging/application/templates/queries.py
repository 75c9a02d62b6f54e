"""Reads templates: one, or a page of them, newest first."""

from uuid import UUID

from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.templates.views import TemplateView
from messaging.domain.shared.ids import TemplateId
from messaging.domain.shared.refusals import not_found
from messaging.domain.templates.template import TemplateStatus
from messaging.domain.tenants.tenant import Principal


class FindTemplate:
    """Templates of accounts of the key's own mode."""

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, id: TemplateId) -> TemplateView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            template = await uow.templates.template(id)
        if template is None:
            raise not_found()
        return TemplateView.of(template)


class ListTemplates:
    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(
        self,
        principal: Principal,
        *,
        before: UUID | None,
        limit: int,
        name: str | None = None,
        status: TemplateStatus | None = None,
    ) -> Page[TemplateView, UUID]:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            rows = await uow.templates.templates(
                before=before, limit=limit + 1, name=name, status=None if status is None else status.value
            )
        return page_of(rows, limit, lambda template: template.id, TemplateView.of)
