"""What do the settings about retention and submission limits mean to the adapters and use cases?"""

from datetime import timedelta

from messaging.application.ports.health import Retention
from messaging.domain.tenants.limits import Quota, SubmissionLimits
from messaging.entrypoints.setting_types import RetentionDays
from messaging.entrypoints.settings import Settings


def retention(settings: Settings) -> Retention:
    return Retention(messages=_days(settings.retention_days), callbacks=_days(settings.callback_retention_days))


def submission_limits(settings: Settings) -> SubmissionLimits:
    return SubmissionLimits(
        tenant=_per_minute(settings.tenant_messages_per_minute), key=_per_minute(settings.key_messages_per_minute)
    )


def _days(days: RetentionDays) -> timedelta | None:
    return timedelta(days=days.value) if days.value else None


def _per_minute(messages: int) -> Quota | None:
    return Quota(messages=messages, seconds=60) if messages else None
