"""Merges the provider's listing of one template into the stored template."""

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from messaging.application.ports.providers.templates import ProviderTemplate
from messaging.domain.templates.template import Template, TemplateStatus


def merged(ours: Template, theirs: ProviderTemplate, *, asked_at: datetime) -> Template:
    """The template after the listing: the provider's data, except for what reports later than `asked_at` have said.

    The sample values we submitted are kept when the provider reports none.
    """
    if ours.external_id is not None and theirs.external_id != ours.external_id:
        # The template was deleted and created again: reports about the former one do not apply to this one.
        ours = replace(ours, status_at=None, quality_at=None, category_at=None, status_info={})
    components = theirs.components
    if not components.examples:
        components = replace(components, examples=ours.components.examples)
    rewritten = components != ours.components or theirs.parameter_format is not ours.parameter_format
    changes: dict[str, Any] = {
        "parameter_format": theirs.parameter_format,
        "components": components,
        "unsupported": theirs.unsupported,
        "version": ours.version + (1 if rewritten else 0),
        "external_id": theirs.external_id,
    }
    if not _told_since(ours.category_at, asked_at):
        changes["category"] = theirs.category
    if not _told_since(ours.quality_at, asked_at):
        changes["quality"] = theirs.quality
    if not _told_since(ours.status_at, asked_at):
        changes |= _status(ours, theirs)
    if not _told_since(ours.changed_at, asked_at):
        changes["changed_at"] = None
    return replace(ours, **changes)


def _status(ours: Template, theirs: ProviderTemplate) -> dict[str, Any]:
    """The status from the listing. A listing gives a reason for rejections only; details from reports stay while the
    status does.
    """
    same = theirs.status is ours.status
    reason = theirs.rejected_reason or (ours.rejected_reason if same else None)
    return {
        "status": theirs.status,
        "status_info": ours.status_info if same else {},
        "rejected_reason": reason if theirs.status is TemplateStatus.REJECTED else None,
    }


def gone(ours: Template, *, asked_at: datetime) -> Template:
    """The template when the listing does not have it."""
    if _told_since(ours.status_at, asked_at):
        return ours
    return replace(ours, status=TemplateStatus.DELETED, status_info={}, rejected_reason=None, changed_at=None)


def may_be_sent_again(before: Template, after: Template) -> bool:
    """Whether the reason that held the template's messages back has ended."""
    kept_back = before.status is not TemplateStatus.APPROVED or before.changed_at is not None
    return kept_back and after.status is TemplateStatus.APPROVED and after.changed_at is None


def _told_since(at: datetime | None, asked_at: datetime) -> bool:
    return at is not None and at > asked_at
