"""Lists of tenants and what is theirs, and the prints by which their requests are recognised."""

from functools import partial
from typing import Any
from uuid import UUID

from messaging.application.tenants.accounts.ciphers import FingerprintRequests
from messaging.application.tenants.queries import FindTenant, ListAccounts, ListKeys, ListTenants
from messaging.domain.shared.ids import AccountId, KeyId, Prefix, TenantId, typeid
from messaging.domain.shared.mode import Mode, TenantScope
from tests.builders import OTHER_TENANT, TENANT, a_principal, a_snapshot, a_tenant, an_account, an_api_key
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.tenants.office import WEBHOOKS_URL, Office, refusal
from tests.unit.application.webhooks.doubles import CIPHER, DATA_KEYS, KEY_RING


async def test_tenants_and_what_is_theirs_are_listed_by_the_page_newest_first() -> None:
    older, newer = UUID(int=1), UUID(int=2)
    office = Office(*(an_account(id=AccountId(id), webhook_token=str(id)) for id in (older, newer)))
    office.platform.tenants_ |= {TenantId(id): a_tenant(id=TenantId(id)) for id in (older, newer)}
    office.configuration.keys_ = {id: an_api_key(id=KeyId(id)) for id in (older, newer)}
    find = FindTenant(open_system_uow=office.open_system)
    accounts = ListAccounts(open_uow=office.open, webhooks_url=WEBHOOKS_URL)
    lists: list[tuple[Prefix, Any, list[UUID]]] = [
        (Prefix.TENANT, ListTenants(open_system_uow=office.open_system), [TENANT, newer, older]),
        (Prefix.KEY, partial(ListKeys(open_uow=office.open, find_tenant=find), TENANT), [newer, older]),
        (Prefix.ACCOUNT, partial(accounts, a_principal()), [newer, older]),
    ]

    for prefix, listed, expected in lists:
        first = await listed(before=None, limit=1)
        second = await listed(before=first.next_after, limit=len(expected) - 1)
        assert [it.id for it in (*first.items, *second.items)] == [typeid(prefix, id) for id in expected]
        assert (len(first.items), second.next_after) == (1, None)


async def test_a_request_is_recognised_under_the_key_of_its_tenant_or_of_the_platform() -> None:
    snapshots = InMemorySnapshots(a_snapshot(data_keys=DATA_KEYS))
    fingerprint = FingerprintRequests(snapshots=snapshots, key_ring=KEY_RING)
    digest = bytes(32)

    of_tenant = await fingerprint(TenantScope(TENANT, Mode.LIVE), digest)
    of_platform = await fingerprint(None, digest)

    assert of_tenant == (CIPHER.fingerprint(digest), digest)
    assert of_platform == (KEY_RING.fingerprint(digest), digest)
    assert (await refusal(fingerprint(TenantScope(OTHER_TENANT, Mode.LIVE), digest))).code == "not_found"
