"""A template of the tenant's own, which is rendered here: versions, parameters, and texts in each language."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from messaging.domain.channels.address import Channel
from messaging.domain.content.parameters import Value
from messaging.domain.shared.ids import OwnTemplateId, TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import TemplateCategory


class OwnChannel(StrEnum):
    """The channels whose templates are rendered here; no provider reviews them."""

    SMS = "sms"
    EMAIL = "email"


RENDERED_HERE: Final = frozenset(Channel(channel.value) for channel in OwnChannel)


class ParameterType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    URL = "url"
    LIST = "list"


class Parameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One blank of a template. With a default it may be left out of a message."""

    name: Annotated[str, Meta(description="Lower-case letters, digits and underscores, as the texts name it.")]
    type: Annotated[
        ParameterType,
        Meta(
            description="`date` is like 2026-11-29, `datetime` like 2026-11-29T09:30:00Z, `url` a public http(s) link."
        ),
    ] = ParameterType.TEXT
    default: Annotated[
        Value | None, Meta(description="What stands in for a missing value; without one a value is required.")
    ] = None
    fields: Annotated[
        tuple[str, ...],
        Meta(description="Of a list: the fields that each item has. Without them its items are plain values."),
    ] = ()


class Parts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The texts of one language: `body` for sms; `subject` with `text`, `html` or both for email."""

    body: Annotated[str | None, Meta(description="The text of an SMS.")] = None
    subject: Annotated[str | None, Meta(description="The subject of an e-mail: one line.")] = None
    text: Annotated[str | None, Meta(description="An e-mail's plain text.")] = None
    html: Annotated[str | None, Meta(description="An e-mail's HTML. Values are escaped in it.")] = None

    def given(self) -> Mapping[str, str]:
        """The parts that are there, by name."""
        named = {"body": self.body, "subject": self.subject, "text": self.text, "html": self.html}
        return {name: source for name, source in named.items() if source is not None}


class Definition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one version of a template says: its texts by language, and the values that they take."""

    default_language: Annotated[
        str, Meta(description="The language that is sent if a message asks for one that is not there.", examples=["en"])
    ]
    variants: Annotated[
        dict[str, Parts], Meta(description="The texts by language, such as `en` or `pt_BR`; the default's among them.")
    ]
    parameters: Annotated[tuple[Parameter, ...], Meta(description="The values that the texts take.")] = ()


class OwnStatus(StrEnum):
    """No message can be submitted with an archived template; those that were accepted before are sent."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class OwnTemplate(Struct, frozen=True, kw_only=True):
    """A name on one channel. `published` is the number of the version that is sent; None before the first."""

    id: OwnTemplateId
    tenant_id: TenantId
    mode: Mode
    name: str
    channel: Channel
    category: TemplateCategory
    status: OwnStatus
    created_at: datetime
    published: int | None = None


class Version(Struct, frozen=True, kw_only=True):
    """One version; it never changes once `published_at` is set."""

    number: int
    definition: Definition
    created_at: datetime
    published_at: datetime | None = None


class Published(Struct, frozen=True, kw_only=True):
    """A template with the version that is sent now."""

    template: OwnTemplate
    version: int
    definition: Definition
