"""Public view of a template."""

from msgspec import Struct

from messaging.domain.shared.ids import Prefix, typeid
from messaging.domain.shared.unclear import OnUnknown
from messaging.domain.templates.template import (
    Components,
    ParameterFormat,
    Template,
    TemplateCategory,
    TemplateStatus,
)


class TemplateView(Struct, frozen=True, kw_only=True):
    """`version` counts changes of content; only status `approved` may be sent, and only without `unsupported` parts."""

    id: str
    account_id: str
    name: str
    language: str
    category: TemplateCategory
    parameter_format: ParameterFormat
    components: Components
    status: TemplateStatus
    version: int
    quality: str | None
    rejected_reason: str | None
    status_info: dict[str, str]
    unsupported: tuple[str, ...]
    changing: bool
    on_unknown: OnUnknown | None

    @classmethod
    def of(cls, template: Template) -> "TemplateView":
        return cls(
            id=typeid(Prefix.TEMPLATE, template.id),
            account_id=typeid(Prefix.ACCOUNT, template.account_id),
            name=template.name,
            language=template.language,
            category=template.category,
            parameter_format=template.parameter_format,
            components=template.components,
            status=template.status,
            version=template.version,
            quality=template.quality,
            rejected_reason=template.rejected_reason,
            status_info=template.status_info,
            unsupported=template.unsupported,
            changing=template.changed_at is not None,
            on_unknown=template.on_unknown,
        )


class SyncView(Struct, frozen=True, kw_only=True):
    """What a synchronisation changed here; nothing changes at the provider."""

    added: int
    changed: int
    removed: int
    unchanged: int
