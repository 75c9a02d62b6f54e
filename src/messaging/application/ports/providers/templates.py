"""The port to templates that a provider reviews and stores."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from messaging.application.ports.providers.sending import Connection
from messaging.domain.templates.template import (
    Components,
    ParameterFormat,
    Template,
    TemplateCategory,
    TemplateStatus,
)


class ProviderTemplate(Struct, frozen=True, kw_only=True):
    """A template as the provider reports it; `unsupported` names the parts that were not understood."""

    external_id: str
    name: str
    language: str
    category: TemplateCategory
    parameter_format: ParameterFormat
    components: Components
    status: TemplateStatus
    quality: str | None = None
    rejected_reason: str | None = None
    unsupported: tuple[str, ...] = ()


class TemplateRegistry(Protocol):
    """The templates of an account at its provider."""

    async def list_templates(self, connection: Connection) -> Sequence[ProviderTemplate]:
        """All templates of the account. Raises ProviderRefused or ProviderUnavailable."""
        ...

    async def create_template(self, connection: Connection, template: Template) -> ProviderTemplate:
        """Submit a template for review. Raises ProviderRefused or ProviderUnavailable."""
        ...
