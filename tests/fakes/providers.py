"""What a provider offers besides sending, in memory: an account to set up, and webhooks in plain JSON."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from messaging.application.ports.providers import (
    Connection,
    Credentials,
    Finding,
    Inspection,
    MalformedWebhook,
    OtherEvent,
    ProviderNumber,
    WebhookEvent,
)


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
        self.subscribed.append(webhook_url)

    async def register_number(self, connection: Connection, external_id: str, pin: str) -> None:
        self.registered.append((external_id, pin))


class JsonReader:
    """A provider whose webhooks are JSON lists; authentic when the header `x-signature` is the app secret."""

    kinds = frozenset({"flows"})

    def __init__(self, events: Mapping[str, WebhookEvent] | None = None) -> None:
        self._events = events or {}

    def handshake(self, query: Mapping[str, str], credentials: Credentials) -> str | None:
        return query["challenge"] if query.get("token") == credentials.verify_token else None

    def is_authentic(self, headers: Mapping[str, str], body: bytes, credentials: Credentials) -> bool:
        return headers.get("x-signature") in credentials.app_secrets

    def read(self, body: bytes, *, received_at: datetime) -> Sequence[WebhookEvent]:
        names = json.loads(body) if body.startswith(b"[") else None
        if names is None:
            raise MalformedWebhook("not a list")
        return [self._events.get(name) or OtherEvent(kind=name, payload=None) for name in names]
