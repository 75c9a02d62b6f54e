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
    """What is known of a provider before anybody calls it. `channels` are those its accounts can carry."""

    name: str
    channels: frozenset[Channel]


# By provider's name.
CarriedChannels = Mapping[str, frozenset[Channel]]


class Credentials(Struct, frozen=True, kw_only=True):
    """What an account needs to call the provider and to trust its webhooks. Sealed at rest, never logged.

    `app_secrets` may hold several while a secret is being rotated; any of them verifies.
    """

    access_token: str
    app_secrets: tuple[str, ...] = ()
    verify_token: str | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"


class Connection(Struct, frozen=True, kw_only=True):
    """One provider account, opened: enough to make a call with."""

    mode: Mode
    external_id: str
    credentials: Credentials


class Outgoing(Struct, frozen=True, kw_only=True):
    """One send. `reference` (≤ 256 ASCII) is echoed in receipts; `template` is given for template content."""

    connection: Connection
    sender_external_id: str
    recipient: Recipient
    content: Content
    template: Template | None
    reference: str


class NotStarted(Struct, frozen=True):
    """`may_start` said no: not a byte has left."""


class AboutTemplate(Struct, frozen=True, kw_only=True):
    """`at` is the provider's time of the event, where it told one; name and language come with most news."""

    external_id: str
    name: str | None = None
    language: str | None = None
    at: datetime | None = None


class TemplateStatusChanged(AboutTemplate, frozen=True, kw_only=True, tag="template_status"):
    """`reason` sums up why; `info` is what was told with it, part by part."""

    status: TemplateStatus
    reason: str | None = None
    info: dict[str, str] = {}


class TemplateQualityChanged(AboutTemplate, frozen=True, kw_only=True, tag="template_quality"):
    quality: str


class TemplateChanged(AboutTemplate, frozen=True, kw_only=True, tag="template_changed"):
    """Something about it is another now, which only reading it tells; `rewritten` if its content is.

    `category` is its category now, where that was told.
    """

    category: TemplateCategory | None = None
    rewritten: bool = False


class OtherEvent(Struct, frozen=True, kw_only=True, tag="other"):
    """Something we keep and do not act on (yet): `kind` is the provider's own field name, or ours for what has none.

    `occurred_at` is the provider's time, `sender_external_id` the sender it is about, where these are told.
    """

    kind: str
    payload: Any
    occurred_at: datetime | None = None
    sender_external_id: str | None = None


TemplateEvent = TemplateStatusChanged | TemplateQualityChanged | TemplateChanged
WebhookEvent = Receipt | InboundMessage | TemplateEvent | OtherEvent


class MalformedWebhook(Exception):
    """The bytes are authentic but are not a webhook we can read; they stay stored."""


class ProviderRefused(DomainError):
    """A management call was refused: `code` is `provider_refused`, `detail` the provider's reason."""


class ProviderUnavailable(DomainError):
    """A management call did not get an answer; `code` is `provider_unavailable`. Nothing is known to have changed."""


class ProviderGateway(Protocol):
    async def send(self, outgoing: Outgoing, *, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        """Hand one message over, at most once: no retries of any kind inside.

        `may_start` is awaited exactly once, as late as possible before the first byte; on False nothing is sent. Never
        raises for what a provider or a network may do: that is a `Failure`. Once started it must not be cancelled.
        """
        ...

    @property
    def has_history(self) -> bool:
        """Whether the provider can be asked about one message, and the operator wants it asked."""
        ...

    async def history(
        self, connection: Connection, sender_external_id: str, provider_message_id: str
    ) -> Sequence[Receipt]:
        """What the provider remembers of one message, oldest first. Raises ProviderRefused or ProviderUnavailable."""
        ...

    async def list_templates(self, connection: Connection) -> Sequence["ProviderTemplate"]: ...

    async def create_template(self, connection: Connection, template: Template) -> "ProviderTemplate":
        """Submit for review. Raises ProviderRefused or ProviderUnavailable."""
        ...

    async def list_numbers(self, connection: Connection) -> Sequence["ProviderNumber"]:
        """The account's senders at the provider."""
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
    """What the provider says about one part of an account. `detail` is for a person, also when all is well."""

    part: Literal["token", "scopes", "account", "app_secret"]
    ok: bool
    detail: str


class Inspection(Struct, frozen=True, kw_only=True):
    """An account as the provider sees it with the credentials given. `numbers` are empty unless all is well."""

    findings: tuple[Finding, ...]
    numbers: tuple[ProviderNumber, ...] = ()

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings)


class AccountSetup(Protocol):
    """What it takes at the provider before an account can send and be heard of."""

    async def inspect(self, connection: Connection) -> Inspection:
        """Ask about every part; what is refused is a finding. Raises ProviderUnavailable."""
        ...

    async def subscribe(self, connection: Connection, *, webhook_url: str | None) -> None:
        """Have the account's webhooks delivered: to `webhook_url`, which is checked at once, or where the app says.

        Raises ProviderRefused or ProviderUnavailable.
        """
        ...

    async def register_number(self, connection: Connection, external_id: str, pin: str) -> None:
        """Make a number able to send; `pin` is its second factor from now on, or the one it has.

        Raises ProviderRefused or ProviderUnavailable.
        """
        ...


class WebhookReader(Protocol):
    """The provider's webhooks: authenticity on the raw bytes, then meaning."""

    @property
    def kinds(self) -> AbstractSet[str]:
        """Kinds of `OtherEvent` that are well known: few, and fit to count by."""
        ...

    def handshake(self, query: Mapping[str, str], credentials: Credentials) -> str | None:
        """The body to answer a subscription check with, or None when it must be refused."""
        ...

    def is_authentic(self, headers: Mapping[str, str], body: bytes, credentials: Credentials) -> bool:
        """Constant time, over the bytes as received; False without a secret (fail closed). Header names lower-case."""
        ...

    def read(self, body: bytes, *, received_at: datetime) -> Sequence[WebhookEvent]:
        """Every entry, change, status and message, in the order given. Raises MalformedCallback.

        What has no readable time of its own is taken to have happened at `received_at`.
        """
        ...
