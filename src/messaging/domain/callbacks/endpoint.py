"""A callback endpoint: where a tenant wants to be told of events, of which ones, and which event matches it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from msgspec import Struct

from messaging.domain.shared.ids import CallbackEndpointId, CallbackSecretId, TenantId
from messaging.domain.shared.mode import Mode

# Events about an endpoint go to the tenant's other endpoints; this one goes to the endpoint itself, and to no other.
TEST_EVENT: Final = "endpoint.test"
_ABOUT_ENDPOINTS: Final = "endpoint."
EVERY_TYPE: Final = "*"


class EndpointStatus(StrEnum):
    """Whether events are posted. Those of a paused or disabled endpoint are kept as held."""

    ENABLED = "enabled"
    # By the tenant.
    PAUSED = "paused"
    # By the platform.
    DISABLED = "disabled"
    DELETED = "deleted"


class DisabledReason(StrEnum):
    FAILING = "failing"
    # It answered 410.
    GONE = "gone"
    # The operator's policy does not allow its address.
    POLICY = "policy"


class Ordering(StrEnum):
    """`per_subject`: an event waits until the one before it about the same subject was delivered, or has ended."""

    PER_SUBJECT = "per_subject"
    NONE = "none"


class Include(StrEnum):
    """What is put into bodies only on request."""

    RECIPIENT = "recipient"
    CONTENT = "content"


class CallbackEndpoint(Struct, frozen=True, kw_only=True):
    """`url_encrypted` is None for an endpoint that is read from: nothing is posted to it, its tenant asks for events.

    `filters` maps fields of an event (`channel`, `sender_id`, `category`, `metadata.<key>`) to the value wanted.
    """

    id: CallbackEndpointId
    tenant_id: TenantId
    mode: Mode
    url_encrypted: bytes | None
    url_host: str | None
    description: str
    event_types: tuple[str, ...]
    filters: Mapping[str, str]
    include: tuple[Include, ...]
    ordering: Ordering
    status: EndpointStatus
    disabled_reason: DisabledReason | None
    max_in_flight: int
    rate: int | None
    headers_encrypted: bytes | None
    api_version: str
    created_at: datetime
    updated_at: datetime

    @property
    def is_pulled(self) -> bool:
        """Whether its events are only kept to be asked for."""
        return self.url_encrypted is None

    @property
    def holds(self) -> bool:
        """Whether its events wait until it is resumed or enabled."""
        return self.status in (EndpointStatus.PAUSED, EndpointStatus.DISABLED)


class CallbackSecret(Struct, frozen=True, kw_only=True):
    """A secret that signs until `expires_at`; the current one has no end."""

    endpoint_id: CallbackEndpointId
    id: CallbackSecretId
    secret_encrypted: bytes
    created_at: datetime
    expires_at: datetime | None = None


class EventFacts(Struct, frozen=True, kw_only=True):
    """What decides which endpoints an event goes to. `subject_id` is the id of what it is about.

    `fields` are those that filters ask for, as far as the event has them; ids in them are public ones (`snd_…`).
    """

    type: str
    mode: Mode
    subject_id: UUID
    fields: Mapping[str, str] = {}


def matches(endpoint: CallbackEndpoint, event: EventFacts) -> bool:
    """Whether an event goes to the endpoint; also to one that holds its events."""
    if endpoint.status is EndpointStatus.DELETED or endpoint.mode is not event.mode:
        return False
    if event.type == TEST_EVENT:
        return event.subject_id == endpoint.id
    if event.type.startswith(_ABOUT_ENDPOINTS) and event.subject_id == endpoint.id:
        return False
    return any(covers(pattern, event.type) for pattern in endpoint.event_types) and all(
        event.fields.get(name) == wanted for name, wanted in endpoint.filters.items()
    )


def covers(pattern: str, type: str) -> bool:
    """`message.*` covers every type of its group, `*` every type, and a type's name itself."""
    return type.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == type
