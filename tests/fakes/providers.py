"""What a provider offers besides sending, in memory: an account to set up, and webhooks in plain JSON."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from msgspec import Struct

from messaging.adapters.providers.whatsapp_cloud.credentials import of
from messaging.application.ports.providers.numbers import ProviderNumber
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.setup import Finding, Inspection
from messaging.application.ports.providers.webhooks import (
    Acknowledgement,
    MalformedWebhook,
    OtherEvent,
    WebhookEvent,
    WebhookRequest,
)
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.refusals import invalid


class ScriptedSetup:
    """Finds nothing wrong unless told to; remembers what it was asked."""

    def __init__(self, *numbers: ProviderNumber) -> None:
        self.findings: list[Finding] = []
        self.numbers = list(numbers)
        self.inspected: list[Connection] = []
        self.subscribed: list[str | None] = []
        self.registered: list[tuple[str, str]] = []

    async def inspect(self, connection: Connection) -> Inspection:
        self.inspected.append(connection)
        inspection = Inspection(findings=tuple(self.findings))
        return Inspection(findings=inspection.findings, numbers=tuple(self.numbers)) if inspection.ok else inspection

    async def subscribe(self, connection: Connection, *, webhook_url: str | None) -> None:
        if webhook_url is not None and not of(connection.credentials).verify_token:
            raise invalid(Violation(pointer="/override", code="verify_token_missing", detail="No token to check."))
        self.subscribed.append(webhook_url)

    async def register_number(self, connection: Connection, external_id: str, pin: str) -> None:
        self.registered.append((external_id, pin))


class JsonReader:
    """A provider whose webhooks are JSON lists; authentic when the header `x-signature` is the app secret."""

    kinds = frozenset({"flows"})
    kept_headers = frozenset({"x-signature"})
    acknowledgement = Acknowledgement(body=b"taken")

    def __init__(self, events: Mapping[str, WebhookEvent] | None = None) -> None:
        self._events = events or {}

    def handshake(self, request: WebhookRequest, credentials: Struct) -> str | None:
        query = dict(parse_qsl(request.url.partition("?")[2]))
        return query["challenge"] if query.get("token") == of(credentials).verify_token else None

    async def verify(self, request: WebhookRequest, credentials: Struct, *, now: datetime) -> bool:
        return request.headers.get("x-signature") in of(credentials).app_secrets

    def read(self, request: WebhookRequest, *, received_at: datetime) -> Sequence[WebhookEvent]:
        names = json.loads(request.body) if request.body.startswith(b"[") else None
        if names is None:
            raise MalformedWebhook("not a list")
        return [self._events.get(name) or OtherEvent(kind=name, payload=None) for name in names]
