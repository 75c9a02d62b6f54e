"""What the use cases of tenants stand on, in memory: a tenant's configuration, its cipher, and a provider to ask."""

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials, of
from messaging.application.ports.providers.numbers import NumberDirectory, ProviderNumber
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.setup import AccountSetup
from messaging.application.tenants.accounts.ciphers import OpenAccount
from messaging.application.tenants.accounts.connections import seal_credentials
from messaging.application.tenants.accounts.set_up_account import VerifyAccount
from messaging.application.tenants.tell_health import TellHealth
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import AccountId, TenantId
from messaging.domain.shared.mode import Mode, Reach
from messaging.domain.tenants.quotas import ConfigurationQuotas
from messaging.domain.tenants.tenant import Principal, ProviderAccount, Sender, Tenant
from tests.builders import NOON, PHONE_NUMBER_ID, a_principal, a_snapshot, a_tenant, an_account
from tests.fakes.configuration import InMemoryConfiguration
from tests.fakes.installed import CREDENTIALS_OF, INSTALLED
from tests.fakes.platform import InMemoryPlatform
from tests.fakes.providers import ScriptedSetup
from tests.fakes.sender_health import InMemoryHealthRecords
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.webhooks.doubles import CIPHER, CREDENTIALS, DATA_KEYS, KEY_RING

WEBHOOKS_URL = "https://hooks.example/"
NUMBER = ProviderNumber(external_id=PHONE_NUMBER_ID, address="+1 555-078-3881", name="Northwind", per_second=80)
QUOTAS = ConfigurationQuotas(accounts=2, senders=2, templates=2, keys=2)


class Provider(ScriptedSetup):
    """Of one account, which has one number."""

    def __init__(self) -> None:
        super().__init__(NUMBER)

    async def list_numbers(self, connection: Connection) -> Sequence[ProviderNumber]:
        return self.numbers


class Office:
    """One tenant's settings as a live owner's key sees them. `commits` counts transactions that were committed."""

    def __init__(
        self, *accounts: ProviderAccount, senders: Sequence[Sender] = (), tenant: Tenant | None = None
    ) -> None:
        self.principal: Principal = a_principal()
        self.configuration = InMemoryConfiguration(Mode.LIVE)
        self.configuration.accounts_ = {account.id: account for account in accounts}
        self.configuration.senders_ = {sender.id: sender for sender in senders}
        self.platform = InMemoryPlatform(a_tenant())
        self.snapshots = InMemorySnapshots(a_snapshot(data_keys=DATA_KEYS))
        self.provider = Provider()
        self.setups = cast(Mapping[str, AccountSetup], {"whatsapp_cloud": self.provider})
        self.directories = cast(Mapping[str, NumberDirectory], {"whatsapp_cloud": self.provider})
        self.verify = VerifyAccount(setups=self.setups, providers=INSTALLED)
        self.open_account = OpenAccount(snapshots=self.snapshots, key_ring=KEY_RING, credentials=CREDENTIALS_OF)
        self.tell_health = TellHealth(records=InMemoryHealthRecords())
        self.under_way = 0
        self.commits = 0
        self._ids = (UUID(int=number) for number in itertools.count(101))

    def now(self) -> datetime:
        return NOON

    def new_id(self) -> UUID:
        return next(self._ids)

    @asynccontextmanager
    async def open(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[Any]:
        roles = ("accounts", "deleted_accounts", "senders", "routing_rules", "api_keys", "room")
        yield SimpleNamespace(
            **dict.fromkeys(roles, self.configuration),
            selections=SimpleNamespace(under_way=self._under_way),
            commit=self._commit,
        )

    @asynccontextmanager
    async def open_system(self) -> AsyncIterator[Any]:
        yield SimpleNamespace(platform=self.platform, commit=self._commit)

    def credentials(self, id: AccountId) -> Credentials:
        """As they are stored."""
        return of(CREDENTIALS_OF.open(self.configuration.accounts_[id], CIPHER))

    async def _commit(self) -> None:
        self.commits += 1

    # --- what other repositories answer -------------------------------------------------------------------------------

    async def _under_way(self, account_id: AccountId, *, most: int) -> int:
        return min(self.under_way, most)


def a_sealed_account(credentials: Credentials = CREDENTIALS, **changes: Any) -> ProviderAccount:
    """An account whose credentials are really encrypted."""
    account = an_account(**changes)
    return an_account(**changes, sealed_credentials=seal_credentials(account.id, credentials, CIPHER))


async def refusal(attempt: Any) -> DomainError:
    """What the attempt is refused with."""
    with pytest.raises(DomainError) as refused:
        await attempt
    return refused.value


async def violations(attempt: Any) -> list[tuple[str, str]]:
    """Where the attempt is wrong, and what is."""
    return [(it.pointer, it.code) for it in (await refusal(attempt)).violations]
