"""The port through which a provider is asked what became of one message."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.application.ports.providers.sending import Connection
from messaging.domain.channels.address import Recipient
from messaging.domain.content.content import Content
from messaging.domain.messages.receipts import Receipt


class Sought(Struct, frozen=True, kw_only=True):
    """A message whose send had no readable answer. `started_at` is when its send began, by the platform's clock.

    `reference` is what the provider was asked to put into its receipts.
    """

    sender_external_id: str
    sender_address: str
    recipient: Recipient
    content: Content
    reference: str
    started_at: datetime


class StatusLookup(Protocol):
    """Questions about one message. A provider answers those that its `Capabilities` name; another is not asked."""

    async def history(
        self, connection: Connection, sender_external_id: str, provider_message_id: str
    ) -> Sequence[Receipt]:
        """The receipts that the provider has of one message, oldest first.

        Raises ProviderRefused or ProviderUnavailable.
        """
        ...

    async def find(self, connection: Connection, sought: Sought) -> Sequence[Receipt]:
        """The receipts of a message whose id at the provider is not known, oldest first; empty if there is none.

        Raises ProviderRefused or ProviderUnavailable, the latter also if more than one message could be it.
        """
        ...
