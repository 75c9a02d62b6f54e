"""Ports that a provider's adapter implements, in the platform's own types; vendors' JSON stays in the adapter."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Literal, Protocol

from msgspec import Struct

from messaging.domain.channels.address import Channel, Recipient
from messaging.domain.content.content import Content
from messaging.domain.conversations.inbound import InboundMessage
from messaging.domain.messages.receipts import Receipt
from messaging.domain.messages.retry import SendResult
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import (
    Components,
    ParameterFormat,
    Template,
    TemplateCategory,
    TemplateStatus,
)


class Provider(Struct, frozen=True, kw_only=True):
    """A provider that the platform can use; `channels` are the channels that its accounts can carry."""

    name: str
    channels: frozenset[Channel]


# By provider's name.
CarriedChannels = Mapping[str, frozenset[Channel]]


class Credentials(Struct, frozen=True, kw_only=True):
    """The secrets of an account, for calls to the provider and for its webhooks. Stored encrypted, never logged.

    `app_secrets` may hold several while a secret is being rotated; a webhook signed with any of them is authentic.
    """

    access_token: str
    app_secrets: tuple[str, ...] = ()
    verify_token: str | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"


class Connection(Struct, frozen=True, kw_only=True):
    """A provider account with its decrypted credentials, ready for calls."""

    mode: Mode
    external_id: str
    credentials: Credentials


class Outgoing(Struct, frozen=True, kw_only=True):
    """One message to send. `reference` (at most 256 ASCII characters) is echoed in receipts; `template` is set for
    template content.
    """

    connection: Connection
    sender_external_id: str
    recipient: Recipient
    content: Content
    template: Template | None
    reference: str


class NotStarted(Struct, frozen=True):
    """`may_start` returned False; no byte was sent."""


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


class ProviderRefused(DomainError):
    """A management call was refused: `code` is `provider_refused`, `detail` the provider's reason."""


class ProviderUnavailable(DomainError):
    """A management call did not get an answer; `code` is `provider_unavailable`. Nothing is known to have changed."""


class ProviderGateway(Protocol):
    """The calls to a provider on behalf of one account."""

    async def send(self, outgoing: Outgoing, *, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        """Send one message, at most once, without retries.

        `may_start` is awaited once, as late as possible before the first byte; if it returns False, nothing is sent.
        It is not awaited if no request can be made. Faults of the provider or the network are returned as a
        `Failure`, not raised. After `may_start` the call must not be cancelled.
        """
        ...

    @property
    def has_history(self) -> bool:
        """Whether the provider can be asked about one message, and the operator has switched that on."""
        ...

    async def history(
        self, connection: Connection, sender_external_id: str, provider_message_id: str
    ) -> Sequence[Receipt]:
        """The receipts that the provider has of one message, oldest first.

        Raises ProviderRefused or ProviderUnavailable.
        """
        ...

    async def list_templates(self, connection: Connection) -> Sequence["ProviderTemplate"]:
        """All templates of the account. Raises ProviderRefused or ProviderUnavailable."""
        ...

    async def create_template(self, connection: Connection, template: Template) -> "ProviderTemplate":
        """Submit a template for review. Raises ProviderRefused or ProviderUnavailable."""
        ...

    async def list_numbers(self, connection: Connection) -> Sequence["ProviderNumber"]:
        """The account's senders at the provider. Raises ProviderRefused or ProviderUnavailable."""
        ...


class ProviderTemplate(Struct, frozen=True, kw_only=True):
    """A template as the provider reports it; `unsupported` names the parts that were not understood."""

    external_id: str
    name: str
    language: str
    category: TemplateCategory
    parameter_format: ParameterFormat
    components: Components
    status: TemplateStatus
    quality: str | None = None
    rejected_reason: str | None = None
    unsupported: tuple[str, ...] = ()


class ProviderNumber(Struct, frozen=True, kw_only=True):
    """A sender as the provider lists it. `status` is the provider's word; WhatsApp's numbers send when `CONNECTED`."""

    external_id: str
    address: str
    name: str
    per_second: int
    status: str = "UNKNOWN"


class Finding(Struct, frozen=True, kw_only=True):
    """The provider's answer about one part of an account. `detail` explains it to a person, also if `ok`."""

    part: Literal["token", "scopes", "account", "app_secret"]
    ok: bool
    detail: str


class Inspection(Struct, frozen=True, kw_only=True):
    """The findings about an account with the credentials given. `numbers` is empty unless all findings are `ok`."""

    findings: tuple[Finding, ...]
    numbers: tuple[ProviderNumber, ...] = ()

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings)


class AccountSetup(Protocol):
    """The steps at the provider after which an account can send and its webhooks are delivered."""

    async def inspect(self, connection: Connection) -> Inspection:
        """Ask the provider about every part of the account; a refusal is a finding. Raises ProviderUnavailable."""
        ...

    async def subscribe(self, connection: Connection, *, webhook_url: str | None) -> None:
        """Subscribe to the account's webhooks: at `webhook_url`, which the provider checks at once, or at the app's
        URL.

        Raises ProviderRefused or ProviderUnavailable.
        """
        ...

    async def register_number(self, connection: Connection, external_id: str, pin: str) -> None:
        """Register a number, so that it can send. `pin` becomes its second factor, or must be the one it has.

        Raises ProviderRefused or ProviderUnavailable.
        """
        ...


class WebhookReader(Protocol):
    """A provider's webhooks: verification of their raw bytes, and their events."""

    @property
    def kinds(self) -> AbstractSet[str]:
        """The kinds of `OtherEvent` that are well known: few enough to be labels of a metric."""
        ...

    def handshake(self, query: Mapping[str, str], credentials: Credentials) -> str | None:
        """The body that answers a subscription check; None if the check must be refused."""
        ...

    def is_authentic(self, headers: Mapping[str, str], body: bytes, credentials: Credentials) -> bool:
        """Whether the signature of the body, as received, is right; compared in constant time. False without a secret.

        Header names are lower-case.
        """
        ...

    def read(self, body: bytes, *, received_at: datetime) -> Sequence[WebhookEvent]:
        """All events of a webhook, in order. Raises MalformedWebhook.

        An event without a readable time is dated `received_at`.
        """
        ...
