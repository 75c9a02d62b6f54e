"""Public views of a callback endpoint."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from messaging.application.callbacks.endpoints.sealing import open_headers, open_url
from messaging.application.ports.secrets import TenantCipher
from messaging.domain.callbacks.endpoint import (
    CallbackEndpoint,
    CallbackSecret,
    DisabledReason,
    EndpointStatus,
    Include,
    Ordering,
)
from messaging.domain.shared.ids import Prefix, typeid
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.tenant import MANAGES_ACCOUNTS, Principal


class CallbackEndpointView(Struct, frozen=True, kw_only=True):
    """Where events are posted, and which ones."""

    id: Annotated[str, Meta(description="The endpoint's id.")]
    mode: Mode
    url: Annotated[
        str | None,
        Meta(description="Shown to keys of the role owner only, as a URL may hold a secret; null: see `url_host`."),
    ]
    url_host: Annotated[
        str | None,
        Meta(description="The host of the URL. Null if nothing is posted: read the events with GET /v1/events."),
    ]
    description: Annotated[str, Meta(description="Your own note.")]
    event_types: Annotated[tuple[str, ...], Meta(description="Types and patterns that the endpoint is told of.")]
    filters: Annotated[Mapping[str, str], Meta(description="An event has to have all of these values.")]
    include: Annotated[tuple[Include, ...], Meta(description="What bodies hold besides.")]
    ordering: Annotated[Ordering, Meta(description="Whether events about one subject wait for each other.")]
    status: Annotated[EndpointStatus, Meta(description="Whether events are posted.")]
    disabled_reason: Annotated[DisabledReason | None, Meta(description="Why it was disabled; null otherwise.")]
    max_in_flight: Annotated[int, Meta(description="The most requests that are under way to it at once.")]
    rate: Annotated[int | None, Meta(description="The most requests a second; null: no limit.")]
    headers: Annotated[
        tuple[str, ...], Meta(description="The names of the headers of your own. Values are never shown.")
    ]
    api_version: Annotated[str, Meta(description="The version that bodies are written in, fixed at creation.")]
    created_at: datetime
    updated_at: Annotated[datetime, Meta(description="When it was last changed.")]

    @classmethod
    def of(cls, endpoint: CallbackEndpoint, cipher: TenantCipher, principal: Principal) -> "CallbackEndpointView":
        return cls(**fields_of(endpoint, cipher, principal))


class CallbackEndpointDetailView(CallbackEndpointView, frozen=True, kw_only=True):
    """An endpoint, and until when a secret signs that was replaced."""

    previous_secret_expires_at: Annotated[
        datetime | None,
        Meta(description="Until when the secret before the current one signs as well; null if only one signs."),
    ]

    @classmethod
    def with_secrets(
        cls,
        endpoint: CallbackEndpoint,
        secrets: Sequence[CallbackSecret],
        cipher: TenantCipher,
        principal: Principal,
    ) -> "CallbackEndpointDetailView":
        until = next((secret.expires_at for secret in secrets if secret.expires_at is not None), None)
        return cls(**fields_of(endpoint, cipher, principal), previous_secret_expires_at=until)


class CreatedCallbackEndpointView(CallbackEndpointView, frozen=True, kw_only=True):
    """An endpoint with its secret, which is shown in this answer only."""

    secret: Annotated[
        str | None,
        Meta(description="Verify callbacks with it (docs/callbacks.md). Null if nothing is posted to the endpoint."),
    ]


class RotatedSecretView(Struct, frozen=True, kw_only=True):
    """A new secret, which is shown in this answer only."""

    endpoint_id: Annotated[str, Meta(description="The endpoint whose secret it is.")]
    secret: Annotated[str, Meta(description="Callbacks are signed with it from now on.")]
    created_at: datetime
    previous_secret_expires_at: Annotated[
        datetime | None, Meta(description="Until when the secret before it signs as well; null if it ended at once.")
    ]


def fields_of(endpoint: CallbackEndpoint, cipher: TenantCipher, principal: Principal) -> dict[str, Any]:
    """What every view of an endpoint shows. Raises CannotDecrypt."""
    return {
        "id": typeid(Prefix.CALLBACK_ENDPOINT, endpoint.id),
        "mode": endpoint.mode,
        "url": open_url(cipher, endpoint) if principal.role in MANAGES_ACCOUNTS else None,
        "url_host": endpoint.url_host,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
        "filters": endpoint.filters,
        "include": endpoint.include,
        "ordering": endpoint.ordering,
        "status": endpoint.status,
        "disabled_reason": endpoint.disabled_reason,
        "max_in_flight": endpoint.max_in_flight,
        "rate": endpoint.rate,
        "headers": tuple(open_headers(cipher, endpoint)),
        "api_version": endpoint.api_version,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }
