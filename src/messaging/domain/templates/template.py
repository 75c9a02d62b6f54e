"""A template as the provider holds it: components, placeholders, category and review status."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.shared.unclear import OnUnknown


class TemplateStatus(StrEnum):
    """The provider's review state; only `approved` may be sent."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    PAUSED = "paused"
    DISABLED = "disabled"
    ARCHIVED = "archived"
    DELETED = "deleted"
    # A status that the platform has no name for: stored, shown, not sendable.
    OTHER = "other"


class TemplateCategory(StrEnum):
    AUTHENTICATION = "authentication"
    MARKETING = "marketing"
    UTILITY = "utility"


class ParameterFormat(StrEnum):
    POSITIONAL = "positional"
    NAMED = "named"


class HeaderFormat(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    DOCUMENT = "document"
    LOCATION = "location"


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`text` (≤ 60 characters, at most one placeholder) goes with format `text`; `example` is what reviewers see."""

    format: HeaderFormat
    text: str | None = None
    example: str | None = None


class ButtonKind(StrEnum):
    QUICK_REPLY = "quick_reply"
    URL = "url"
    PHONE_NUMBER = "phone_number"
    COPY_CODE = "copy_code"
    OTP = "otp"
    OTHER = "other"


class Button(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url` may end in one placeholder; `example` fills it for the reviewers."""

    kind: ButtonKind
    text: str = ""
    url: str | None = None
    phone_number: str | None = None
    example: str | None = None


class Components(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parts in the provider's order. `examples` are sample values of the body's placeholders, by name."""

    body: str
    header: Header | None = None
    footer: str | None = None
    buttons: tuple[Button, ...] = ()
    examples: dict[str, str] = {}


class Template(Struct, frozen=True, kw_only=True):
    """One language of a named template at one provider account; `version` counts its changes of content.

    `unsupported` names the parts of its definition that were read and not understood. `status_at`, `quality_at` and
    `category_at` are the provider's times of the newest report about each. `changed_at` is when the provider reported
    that the content had changed; None once the template has been listed again.
    """

    id: TemplateId
    tenant_id: TenantId
    account_id: AccountId
    name: str
    language: str
    category: TemplateCategory
    parameter_format: ParameterFormat
    components: Components
    status: TemplateStatus
    version: int = 1
    external_id: str | None = None
    quality: str | None = None
    rejected_reason: str | None = None
    # Details that the provider gave with the status: reason, title, description, recommendation, disable_date.
    status_info: dict[str, str] = {}
    unsupported: tuple[str, ...] = ()
    status_at: datetime | None = None
    quality_at: datetime | None = None
    category_at: datetime | None = None
    changed_at: datetime | None = None
    # The tenant's choice for messages without one of their own; it is not sent to the provider.
    on_unknown: OnUnknown | None = None
