"""The port to the senders that an account has at its provider: numbers, names or addresses."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from messaging.application.ports.providers.sending import Connection


class ProviderNumber(Struct, frozen=True, kw_only=True):
    """A sender as the provider lists it. `status` is the provider's own word; `CONNECTED` senders can send."""

    external_id: str
    address: str
    name: str
    per_second: int
    status: str = "UNKNOWN"


class NumberDirectory(Protocol):
    async def list_numbers(self, connection: Connection) -> Sequence[ProviderNumber]:
        """The account's senders at the provider. Raises ProviderRefused or ProviderUnavailable."""
        ...
