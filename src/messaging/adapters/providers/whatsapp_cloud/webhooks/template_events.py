"""Reads Meta's webhooks about templates: review, quality, category and content.

All of them have the template's id; name and language are sometimes missing. The time is that of the webhook's entry,
in whole seconds.
"""

from datetime import UTC, datetime
from typing import Any, Final

from messaging.adapters.providers.whatsapp_cloud.templates.definitions import read_category, read_language, read_status
from messaging.adapters.providers.whatsapp_cloud.wire.fields import Json, identifier, instant, mapping, text
from messaging.application.ports.providers.webhooks import (
    TemplateChanged,
    TemplateEvent,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from messaging.domain.templates.template import TemplateCategory, TemplateStatus

# Events of a review that do not contain the template's new status: it has to be read from Meta.
_NO_STATUS: Final = frozenset({"FLAGGED", "UNARCHIVED"})
_CATEGORIES: Final = frozenset(category.value for category in TemplateCategory)
_LONGEST_ID = 128
_LONGEST_TEXT = 1024


def template_event(field: str, value: Json, at: datetime | None) -> TemplateEvent | None:
    """The template event in a change of `field`; None if the change is about no template or contains no event."""
    external_id = identifier(value, "message_template_id")
    if not 0 < len(external_id) <= _LONGEST_ID:
        return None
    language = text(value, "message_template_language")
    about: dict[str, Any] = {
        "external_id": external_id,
        "name": text(value, "message_template_name") or None,
        "language": read_language(language) if language else None,
        "at": at,
    }
    match field:
        case "message_template_status_update" if event := text(value, "event"):
            return _reviewed(event, value, about)
        case "message_template_quality_update" if quality := text(value, "new_quality_score"):
            return TemplateQualityChanged(quality=quality, **about)
        case "message_template_components_update":
            return TemplateChanged(rewritten=True, **about)
        case "template_category_update":
            return TemplateChanged(category=_new_category(value), **about)
        case _:
            return None


def _reviewed(event: str, value: Json, about: dict[str, Any]) -> TemplateEvent:
    if event.upper() in _NO_STATUS:
        return TemplateChanged(**about)
    status, info = read_status(event), _info(value)
    return TemplateStatusChanged(status=status, reason=_summary(status, info), info=info, **about)


def _new_category(value: Json) -> TemplateCategory | None:
    """The new category; None for a change that is only announced, in which `new_category` is today's."""
    category = text(value, "new_category").lower()
    done = bool(text(value, "previous_category")) and category in _CATEGORIES
    return read_category(category) if done else None


def _info(value: Json) -> dict[str, str]:
    rejected, other = mapping(value.get("rejection_info")), mapping(value.get("other_info"))
    reason = text(value, "reason")
    told = {
        "reason": "" if reason == "NONE" else reason,
        "title": text(other, "title"),
        "description": text(rejected, "reason") or text(other, "description"),
        "recommendation": text(rejected, "recommendation"),
        "disable_date": _date(mapping(value.get("disable_info"))),
    }
    return {name: words[:_LONGEST_TEXT] for name, words in told.items() if words}


def _date(node: Json) -> str:
    """A date in epoch seconds as ISO 8601; a date in words unchanged."""
    at = instant(node, "disable_date")
    return identifier(node, "disable_date") if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _summary(status: TemplateStatus, info: dict[str, str]) -> str | None:
    if status is TemplateStatus.APPROVED:
        return None
    parts = [info[name] for name in ("reason", "description") if name in info]
    return ": ".join(parts) or None
