"""Public views of a tenant's own template, of its versions, and of what it renders to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from messaging.domain.channels.address import Channel
from messaging.domain.channels.table import CHANNELS
from messaging.domain.content.segments import Segments
from messaging.domain.shared.ids import Prefix, typeid
from messaging.domain.templates.own.definition import Definition, OwnStatus, OwnTemplate, Version
from messaging.domain.templates.own.rendering import Rendered
from messaging.domain.templates.template import TemplateCategory


class OwnTemplateView(Struct, frozen=True, kw_only=True):
    """A template of the tenant's own, which is rendered here."""

    id: str
    name: str
    channel: Channel
    category: TemplateCategory
    status: OwnStatus
    published_version: int | None
    created_at: datetime

    @classmethod
    def of(cls, template: OwnTemplate) -> "OwnTemplateView":
        return cls(
            id=typeid(Prefix.OWN_TEMPLATE, template.id),
            name=template.name,
            channel=template.channel,
            category=template.category,
            status=template.status,
            published_version=template.published,
            created_at=template.created_at,
        )


class OwnVersionSummaryView(Struct, frozen=True, kw_only=True):
    """A version without its texts."""

    version: int
    languages: tuple[str, ...]
    created_at: datetime
    published_at: datetime | None

    @classmethod
    def of(cls, version: Version) -> "OwnVersionSummaryView":
        return cls(
            version=version.number,
            languages=tuple(sorted(version.definition.variants)),
            created_at=version.created_at,
            published_at=version.published_at,
        )


class OwnVersionView(Struct, frozen=True, kw_only=True):
    """A version with its texts. It never changes once `published_at` is set."""

    version: int
    created_at: datetime
    published_at: datetime | None
    content: Definition

    @classmethod
    def of(cls, version: Version) -> "OwnVersionView":
        return cls(
            version=version.number,
            created_at=version.created_at,
            published_at=version.published_at,
            content=version.definition,
        )


class OwnTemplateDetailView(Struct, frozen=True, kw_only=True):
    """A template of the tenant's own with the version that is sent and the one that is being written."""

    template: OwnTemplateView
    published: OwnVersionView | None
    draft: OwnVersionView | None


class OwnPreviewView(Struct, frozen=True, kw_only=True):
    """What a message with these values would say, rendered by the code that sends."""

    version: int
    language: Annotated[str, Meta(description="The language that was found for the one asked for.")]
    parts: Annotated[
        Mapping[str, str], Meta(description="`body` of an SMS; `subject`, `text` and `html` of an e-mail.")
    ]
    segments: Annotated[Segments | None, Meta(description="What an SMS is cut into; null for other channels.")]

    @classmethod
    def of(cls, channel: Channel, version: Version, rendered: Rendered) -> "OwnPreviewView":
        count = CHANNELS[channel].segments
        return cls(
            version=version.number,
            language=rendered.language,
            parts=rendered.parts,
            segments=None if count is None else count(rendered.text()),
        )
