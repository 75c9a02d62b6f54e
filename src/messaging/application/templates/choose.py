"""Changes a tenant's own settings for all messages of a template; the provider is not told."""

from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.templates.views import TemplateView
from messaging.domain.shared.ids import TemplateId
from messaging.domain.shared.refusals import not_found
from messaging.domain.shared.unclear import OnUnknown
from messaging.domain.tenants.tenant import Principal


class ChooseForTemplate:
    """Changes the choice. It applies everywhere within a second, to messages submitted from then on."""

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, id: TemplateId, *, on_unknown: OnUnknown | None) -> TemplateView:
        """With `None` the choices of category and tenant apply. Raises DomainError: not_found."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            template = await uow.templates.choose_on_unknown(id, on_unknown)
            if template is None:
                raise not_found()
            await uow.commit()
        return TemplateView.of(template)
