"""The ports to a provider's webhooks: verification of a request as received, the events in it, and other ways in than
HTTP.

What does not come by HTTP, such as returned mail, is signed by nobody. The address that it comes to vouches for it: it
carries a reference that this platform wrote, and everybody else can only guess.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from messaging.domain.conversations.inbound import InboundMessage
from messaging.domain.messages.receipts import Receipt
from messaging.domain.shared.ids import AccountId
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


class Referred(Struct, frozen=True, kw_only=True):
    """A webhook that came to an address with an account of ours and a reference in it.

    `method` names the way it came, and `query` tells the address, as parameters of a URL. Header names are lower-case.
    """

    account_id: AccountId
    reference: str
    method: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class TakeWebhook(Protocol):
    """Takes webhooks in. Both methods raise StoreUnavailable or Overloaded: the caller must be told to come again."""

    async def knows(self, account_id: AccountId, reference: str) -> bool:
        """Whether the account exists and the reference was written for its tenant; asked before the content is read."""
        ...

    async def __call__(self, referred: Referred) -> bool:
        """True once it is committed, now or before; False if the address is not one that `knows` knows."""
        ...


class WebhookDoor(Protocol):
    """A listener for a provider's webhooks. It bounds what it takes, as the listener for HTTP does."""

    def open(self, take: TakeWebhook) -> AbstractAsyncContextManager[None]:
        """Listen for the length of the block. Raises OSError if that is not possible."""
        ...
