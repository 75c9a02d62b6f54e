"""Meta's webhooks about templates: review, quality, category and content.

All of them name the template's id; name and language are missing now and then. The time is that of the entry, in
seconds.
"""

from datetime import UTC, datetime
from typing import Any, Final

from messaging.adapters.providers.whatsapp_cloud.templates.definitions import read_category, read_language, read_status
from messaging.adapters.providers.whatsapp_cloud.wire.fields import Json, identifier, instant, mapping, text
from messaging.application.ports.providers import (
    TemplateChanged,
    TemplateEvent,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from messaging.domain.templates.template import TemplateCategory, TemplateStatus

# Events of a review that do not say what the template's status is now: it has to be read.
_NO_STATUS: Final = frozenset({"FLAGGED", "UNARCHIVED"})
_CATEGORIES: Final = frozenset(category.value for category in TemplateCategory)
_LONGEST_ID = 128
_LONGEST_TEXT = 1024


def template_event(field: str, value: Json, at: datetime | None) -> TemplateEvent | None:
    """What a change of this field says about a template; None if it is about none, or says nothing."""
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
    """A change that is only announced names the category that will be right, and as the new one today's."""
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
    """Epoch seconds as ISO 8601; a date in words as it stands."""
    at = instant(node, "disable_date")
    return identifier(node, "disable_date") if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _summary(status: TemplateStatus, info: dict[str, str]) -> str | None:
    if status is TemplateStatus.APPROVED:
        return None
    parts = [info[name] for name in ("reason", "description") if name in info]
    return ": ".join(parts) or None
