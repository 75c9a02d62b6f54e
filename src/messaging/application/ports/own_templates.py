"""Ports for the templates of a tenant's own: their names, and their versions. Bound to a transaction in one mode."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from messaging.domain.shared.ids import OwnTemplateId
from messaging.domain.templates.own.definition import OwnTemplate, Version


class OwnTemplates(Protocol):
    """Names on channels. A name is taken by one active template of a channel."""

    async def add(self, template: OwnTemplate) -> None:
        """Raises Duplicate: its name is taken."""
        ...

    async def template(self, id: OwnTemplateId) -> OwnTemplate | None: ...

    async def lock(self, id: OwnTemplateId) -> OwnTemplate | None:
        """The template, which nobody else changes or gives a version before this transaction ends."""
        ...

    async def templates(
        self,
        *,
        before: UUID | None,
        limit: int,
        name: str | None = None,
        channel: str | None = None,
        status: str | None = None,
    ) -> Sequence[OwnTemplate]:
        """A page, newest first."""
        ...

    async def has_room(self, most: int) -> bool:
        """Whether fewer than `most` are active. Other transactions that ask wait for this one."""
        ...

    async def update(self, template: OwnTemplate) -> None:
        """Write its status and the number of its published version."""
        ...


class OwnVersions(Protocol):
    """Versions of the templates, counted from 1. At most one of a template is a draft, and that is the newest."""

    async def newest(self, template_id: OwnTemplateId) -> Version | None:
        """The draft, or without one the version that was published last."""
        ...

    async def version(self, template_id: OwnTemplateId, number: int) -> Version | None: ...

    async def versions(self, template_id: OwnTemplateId, *, before: int, limit: int) -> Sequence[Version]:
        """Those with a number below `before`, newest first; with 0 from the newest."""
        ...

    async def put_draft(self, template_id: OwnTemplateId, draft: Version) -> None:
        """Store a draft, in place of an earlier one with its number."""
        ...

    async def publish(self, template_id: OwnTemplateId, number: int, *, at: datetime) -> None:
        """Mark the draft as published; from then on nobody can change it."""
        ...
