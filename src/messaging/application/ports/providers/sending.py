"""The port through which one message is sent, in the platform's own types; vendors' formats stay in the adapter."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

from msgspec import Struct

from messaging.domain.channels.address import Recipient
from messaging.domain.content.content import Content
from messaging.domain.messages.retry import SendResult
from messaging.domain.shared.ids import AccountId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import Template


class Connection(Struct, frozen=True, kw_only=True):
    """A provider account with its decrypted credentials, ready for calls.

    `credentials` is of the type that the provider's descriptor names. `webhook_path` is the path of the account's
    webhooks under the public URL, `/webhooks/<provider>/<token>`, and `account_id` what webhooks by other ways come
    back to; they are empty for an account that is not stored.
    """

    mode: Mode
    external_id: str
    credentials: Struct
    webhook_path: str = ""
    account_id: AccountId | None = None


class Outgoing(Struct, frozen=True, kw_only=True):
    """One message to send. `reference` (at most 256 ASCII characters) is what receipts are to carry.

    `sender_address` is the sender as recipients see it, `sender_name` its name for people. `template` is set for a
    template that the provider has reviewed; templates of the platform's own arrive here rendered.
    `valid_for` is how long the message is worth delivering, counted from its claim; None for one that does not expire.
    A provider that drops what it could not deliver in time is told so, in its own units and never more than this.
    """

    connection: Connection
    sender_external_id: str
    sender_address: str = ""
    sender_name: str = ""
    recipient: Recipient
    content: Content
    template: Template | None
    reference: str
    valid_for: timedelta | None = None

    @property
    def idempotency_key(self) -> str:
        """The same for every repetition of one attempt's request, another for each attempt."""
        return self.reference


class NotStarted(Struct, frozen=True):
    """`may_start` returned False; no byte was sent."""


class ProviderGateway(Protocol):
    """Sends messages on behalf of one account."""

    async def send(self, outgoing: Outgoing, *, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        """Send one message, at most once, without retries.

        `may_start` is awaited once, as late as possible before the first byte; if it returns False, nothing is sent.
        It is not awaited if no request can be made. Faults of the provider or the network are returned as a
        `Failure`, not raised, and so is content that the provider cannot carry (`Rejected`). After `may_start` the call
        must not be cancelled.
        """
        ...
