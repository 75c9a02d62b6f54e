"""Port for figures over all tenants, for operators of the installation; it is never asked while handling a message."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import AccountId
from messaging.domain.tenants.tenant import ProviderAccount, Sender


class AccountSeen(Struct, frozen=True, kw_only=True):
    """An active account of an active tenant, and what was heard of it: among its tenant's newest webhooks only."""

    account: ProviderAccount
    has_senders: bool
    last_webhook_at: datetime | None


class Survey(Protocol):
    """Raises StoreUnavailable."""

    async def senders(self) -> Sequence[Sender]:
        """The active senders of active accounts of active tenants; ten thousand at most."""
        ...

    async def accounts(self) -> Sequence[AccountSeen]:
        """Active accounts, newest first; ten thousand at most."""
        ...

    async def set_aside(self) -> Mapping[AccountId, int]:
        """How many webhooks of each account could not be processed; of the ten thousand that wait longest."""
        ...

    async def open_dead_letters(self) -> int:
        """How many wait for a decision; counts to ten thousand."""
        ...

    async def now(self) -> datetime:
        """The database's clock."""
        ...

    async def database_bytes(self) -> int: ...
