"""The port to a provider's webhooks: verification of a request as received, and the events in it."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from messaging.domain.conversations.inbound import InboundMessage
from messaging.domain.messages.receipts import Receipt
from messaging.domain.templates.template import TemplateCategory, TemplateStatus


class AboutTemplate(Struct, frozen=True, kw_only=True):
    """A report about a template. `at` is the provider's time of the event; None where it told none."""

    external_id: str
    name: str | None = None
    language: str | None = None
    at: datetime | None = None


class TemplateStatusChanged(AboutTemplate, frozen=True, kw_only=True, tag="template_status"):
    """The template's status has changed. `reason` sums up why; `info` holds the details that the provider gave."""

    status: TemplateStatus
    reason: str | None = None
    info: dict[str, str] = {}


class TemplateQualityChanged(AboutTemplate, frozen=True, kw_only=True, tag="template_quality"):
    quality: str


class TemplateChanged(AboutTemplate, frozen=True, kw_only=True, tag="template_changed"):
    """The template has changed in a way that only a listing shows; `rewritten` if its content has.

    `category` is its new category, where the provider told it.
    """

    category: TemplateCategory | None = None
    rewritten: bool = False


class OtherEvent(Struct, frozen=True, kw_only=True, tag="other"):
    """An event that the platform stores and does not interpret. `kind` is the provider's field name, or our name for an
    event without one.

    `occurred_at` is the provider's time and `sender_external_id` the sender it is about; None where it did not tell.
    """

    kind: str
    payload: Any
    occurred_at: datetime | None = None
    sender_external_id: str | None = None


TemplateEvent = TemplateStatusChanged | TemplateQualityChanged | TemplateChanged
WebhookEvent = Receipt | InboundMessage | TemplateEvent | OtherEvent


class MalformedWebhook(Exception):
    """The body is authentic but cannot be read as a webhook; it stays stored."""


class WebhookRequest(Struct, frozen=True, kw_only=True):
    """A webhook as it arrived.

    `url` is the public URL that the provider was given, from the operator's settings, with the path and the query
    as received; no header a caller chooses is in it. Header names are lower-case. A webhook that is read from the
    store has only those headers that its reader keeps.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """The answer to a webhook that is stored."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


class WebhookReader(Protocol):
    """A provider's webhooks. `credentials` are of the type that the provider's descriptor names."""

    @property
    def kinds(self) -> AbstractSet[str]:
        """The kinds of `OtherEvent` that are well known: few enough to be labels of a metric."""
        ...

    @property
    def kept_headers(self) -> AbstractSet[str]:
        """Lower-case names of headers to store with a webhook, besides those that are kept of every webhook."""
        ...

    @property
    def acknowledgement(self) -> Acknowledgement: ...

    def handshake(self, request: WebhookRequest, credentials: Struct) -> str | None:
        """The body that answers a subscription check; None if the check must be refused."""
        ...

    async def verify(self, request: WebhookRequest, credentials: Struct, *, now: datetime) -> bool:
        """Whether the request was signed by the provider; compared in constant time. False without a secret.

        It may ask the provider for what the signature needs, such as a certificate; False if that cannot be had.
        """
        ...

    def read(self, request: WebhookRequest, *, received_at: datetime) -> Sequence[WebhookEvent]:
        """All events of a webhook, in order. Raises MalformedWebhook.

        An event without a readable time is dated `received_at`.
        """
        ...
