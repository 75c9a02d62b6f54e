"""Port through which a use case announces, in its own transaction, that something happened to a subject."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode


class SubjectKind(StrEnum):
    """What an event is about. Events about one subject are delivered in order."""

    MESSAGE = "message"
    INBOUND = "inbound"
    TEMPLATE = "template"
    SENDER = "sender"
    ACCOUNT = "account"
    ENDPOINT = "endpoint"


class Announcement(Struct, frozen=True, kw_only=True):
    """Something that happened, to be told to the tenant's endpoints.

    `type` is one of the catalogue of events. `occurred_at` is the time at the provider, where it is known. `data` is
    what the event says about its subject, under the subject's name: it holds no content and no address, as it is stored
    in clear.
    """

    tenant_id: TenantId
    mode: Mode
    kind: SubjectKind
    subject_id: UUID
    type: str
    occurred_at: datetime | None = None
    data: dict[str, Any]
    trace_id: str | None = None


class Announcements(Protocol):
    """Events to be told, within an open transaction: they exist if it commits, and only then.

    Changes of messages need not be announced: the store of messages does it where it writes them.
    """

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        """Write them in the order given; those of tenants without an endpoint in their mode are left out."""
        ...
