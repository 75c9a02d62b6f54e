"""Tells a tenant's other endpoints that one of them fails, was disabled, or works again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from messaging.application.ports.callbacks.announcements import Announcement, SubjectKind
from messaging.application.ports.callbacks.delivering.lanes import EndpointKey
from messaging.domain.callbacks.breaker import Health
from messaging.domain.callbacks.disabling import NOTICE_NAMES, notice_level
from messaging.domain.callbacks.endpoint import DisabledReason, EndpointStatus
from messaging.domain.shared.ids import Prefix, typeid
from messaging.domain.shared.mode import Mode

FAILING: Final = "endpoint.failing"
DISABLED: Final = "endpoint.disabled"
RECOVERED: Final = "endpoint.recovered"


def notices(
    endpoint: EndpointKey,
    mode: Mode,
    before: Health,
    after: Health,
    *,
    disabled: DisabledReason | None,
    now: datetime,
) -> tuple[Health, Sequence[Announcement]]:
    """What is to be told after a change of health, each level once; and the health with what is told now."""
    if disabled is not None:
        return after, [_notice(endpoint, mode, DISABLED, EndpointStatus.DISABLED, reason=disabled.value)]
    if after.first_failure_at is None:
        told = [_notice(endpoint, mode, RECOVERED, EndpointStatus.ENABLED)] if before.noticed else []
        return replace(after, noticed=0), told
    level = notice_level(after, now=now)
    if level <= before.noticed:
        return after, []
    since = after.first_failure_at.isoformat()
    notice = _notice(
        *(endpoint, mode, FAILING, EndpointStatus.ENABLED), failing_since=since, failing_for=NOTICE_NAMES[level - 1]
    )
    return replace(after, noticed=level), [notice]


def _notice(endpoint: EndpointKey, mode: Mode, type: str, status: EndpointStatus, **more: Any) -> Announcement:
    id = typeid(Prefix.CALLBACK_ENDPOINT, endpoint.endpoint_id)
    return Announcement(
        tenant_id=endpoint.tenant_id,
        mode=mode,
        kind=SubjectKind.ENDPOINT,
        subject_id=endpoint.endpoint_id,
        type=type,
        data={"id": id, "status": status.value} | more,
    )
