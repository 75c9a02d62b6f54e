"""Port for figures over all tenants, for operators of the installation; it is never asked while handling a message."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import AccountId
from messaging.domain.tenants.tenant import ProviderAccount, Sender


class AccountSeen(Struct, frozen=True, kw_only=True):
    """An active account of an active tenant. `last_webhook_at` is looked for among its tenant's newest
    webhooks only.
    """

    account: ProviderAccount
    has_senders: bool
    last_webhook_at: datetime | None


class Survey(Protocol):
    """Figures over all tenants, each bounded. Every method raises StoreUnavailable."""

    async def senders(self) -> Sequence[Sender]:
        """The active senders of active accounts of active tenants; ten thousand at most."""
        ...

    async def accounts(self) -> Sequence[AccountSeen]:
        """Active accounts, newest first; ten thousand at most."""
        ...

    async def set_aside(self) -> Mapping[AccountId, int]:
        """The number of failed webhooks of each account, counted over the ten thousand that failed first."""
        ...

    async def open_dead_letters(self) -> int:
        """The number of open dead letters; at most ten thousand."""
        ...

    async def now(self) -> datetime:
        """The time by the database's clock."""
        ...

    async def database_bytes(self) -> int:
        """The size of the database, in bytes."""
        ...
