"""A tenant's own settings, its keys, and how often it may change them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from messaging.application.access.authenticate import Admin, Authenticate, Suspended, Unknown
from messaging.application.access.issue_key import IssueKey
from messaging.application.access.keys import KeyKind, make_key
from messaging.application.access.revoke_key import RevokeKey
from messaging.application.tenants.change_tenant import ChangeTenant
from messaging.application.tenants.limit_changes import LimitChanges, TooManyChanges
from messaging.application.tenants.preferences import ChangePreferences, FindPreferences
from messaging.application.tenants.queries import FindAccount, FindTenant, ListKeys, WhoAmI
from messaging.domain.shared.ids import KeyId, TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.unclear import OnUnknown, UnclearByMode, UnclearChoices
from messaging.domain.tenants.limits import Quota, SubmissionLimits
from messaging.domain.tenants.tenant import ApiKey, KeyRole, TenantStatus
from tests.builders import (
    ACCOUNT,
    KEY,
    NOON,
    OTHER_TENANT,
    TENANT,
    a_principal,
    a_snapshot,
    a_tenant,
    an_admin_key,
    an_api_key,
)
from tests.fakes.snapshots import InMemorySnapshots
from tests.fakes.submission_limits import InMemorySubmissionLimits
from tests.unit.application.tenants.office import QUOTAS, WEBHOOKS_URL, Office, refusal, violations

SECOND = timedelta(seconds=1)
RESEND = UnclearChoices(default=OnUnknown.RESEND)


# --- changing a tenant ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Northwind 2"),
        ("status", TenantStatus.SUSPENDED),
        ("limits", SubmissionLimits(tenant=Quota(messages=1, seconds=1))),
        ("limits", None),
    ],
)
async def test_each_setting_of_a_tenant_changes_by_itself(field: str, value: Any) -> None:
    office = Office()
    before = office.platform.tenants_[TENANT] = a_tenant(
        limits=SubmissionLimits(), on_unknown=UnclearByMode(test=RESEND)
    )

    view = await ChangeTenant(open_system_uow=office.open_system)(TENANT, **{field: value})

    assert office.platform.tenants_[TENANT] == replace(before, **{field: value})
    assert (getattr(view, field), office.commits) == (value, 1)


async def test_a_tenant_that_is_not_there_is_neither_shown_nor_changed() -> None:
    office = Office()

    assert (await refusal(ChangeTenant(open_system_uow=office.open_system)(OTHER_TENANT))).code == "not_found"
    assert (await refusal(FindTenant(open_system_uow=office.open_system)(OTHER_TENANT))).code == "not_found"
    assert (await FindTenant(open_system_uow=office.open_system)(TENANT)).name == a_tenant().name


async def test_what_happens_to_unclear_sends_is_chosen_for_one_mode() -> None:
    office = Office()
    find = FindPreferences(open_system_uow=office.open_system)
    change = ChangePreferences(change_tenant=ChangeTenant(open_system_uow=office.open_system))
    live, test = a_principal(), a_principal(mode=Mode.TEST)

    assert (await change(live, on_unknown=RESEND)).on_unknown == RESEND
    assert (await change(live)).on_unknown == RESEND
    assert [(await find(principal)).on_unknown for principal in (live, test)] == [RESEND, UnclearChoices()]
    assert (await change(live, on_unknown=None)).on_unknown == UnclearChoices()
    assert (await refusal(find(a_principal(tenant_id=OTHER_TENANT)))).code == "not_found"


async def test_a_tenant_changes_its_configuration_so_often_and_no_more() -> None:
    quotas = InMemorySubmissionLimits()
    limit = LimitChanges(quotas=quotas, per_minute=2)
    await limit(TENANT)
    await limit(TENANT)
    quotas.now = 20.5

    with pytest.raises(TooManyChanges) as refused:
        await limit(TENANT)
    await limit(OTHER_TENANT)
    assert refused.value.retry_after == 40
    quotas.now = 60 - 1e-6
    with pytest.raises(TooManyChanges) as again:
        await limit(TENANT)
    assert again.value.retry_after == 1


async def test_without_a_limit_any_number_of_changes_is_fine() -> None:
    limit = LimitChanges(quotas=InMemorySubmissionLimits(), per_minute=0)

    await limit(TENANT)


# --- keys -------------------------------------------------------------------------------------------------------------


def issue(office: Office, *, tenant_id: TenantId = TENANT, **changes: Any) -> Any:
    use_case = IssueKey(
        open_uow=office.open, open_system_uow=office.open_system, clock=office, new_id=office.new_id, quotas=QUOTAS
    )
    return use_case(tenant_id, **({"name": "shop", "mode": Mode.LIVE} | changes))


async def test_an_issued_key_opens_and_only_its_print_is_kept() -> None:
    office = Office()

    view = await issue(office, role=KeyRole.SENDER, expires_at=NOON + SECOND)

    [stored] = office.configuration.keys_.values()
    assert (stored.role, stored.mode, stored.expires_at) == (KeyRole.SENDER, Mode.LIVE, NOON + SECOND)
    principal = await authenticated(view.key, stored)
    assert principal == a_principal(key_id=stored.id, role=KeyRole.SENDER)
    assert view.key.startswith(view.hint)
    assert office.commits == 1


@pytest.mark.parametrize("expires_at", [NOON, NOON - SECOND])
async def test_a_key_that_would_have_expired_is_refused(expires_at: datetime) -> None:
    assert await violations(issue(Office(), expires_at=expires_at)) == [("/expires_at", "expires_at_past")]


async def test_keys_are_for_tenants_that_exist_and_only_so_many() -> None:
    office = Office()
    await issue(office)
    await issue(office, mode=Mode.LIVE)

    assert (await refusal(issue(office))).code == "quota_exceeded"
    assert (await refusal(issue(office, tenant_id=OTHER_TENANT))).code == "not_found"
    assert office.commits == 2


async def test_a_key_is_revoked_once_and_stays_in_the_list() -> None:
    office = Office()
    office.configuration.keys_[KEY] = an_api_key()
    revoke = RevokeKey(open_uow=office.open, clock=office)

    assert (await revoke(TENANT, KEY)).revoked_at == NOON
    listed = ListKeys(open_uow=office.open, find_tenant=FindTenant(open_system_uow=office.open_system))
    assert [key.revoked_at for key in (await listed(TENANT, before=None, limit=1)).items] == [NOON]
    assert (await refusal(revoke(TENANT, KeyId(UUID(int=1))))).code == "not_found"
    assert (await refusal(listed(OTHER_TENANT, before=None, limit=1))).code == "not_found"


async def test_who_one_is_comes_from_memory() -> None:
    who = WhoAmI(snapshots=InMemorySnapshots(a_snapshot()))

    assert (await who(a_principal())).tenant_name == a_tenant().name
    assert (await refusal(who(a_principal(tenant_id=OTHER_TENANT)))).code == "not_found"
    assert (await refusal(FindAccount(open_uow=Office().open, webhooks_url=WEBHOOKS_URL)(a_principal(), ACCOUNT))).code


# --- who holds a key --------------------------------------------------------------------------------------------------

TEXT = make_key(KeyKind.LIVE, lambda alphabet: alphabet[3])
ADMIN = make_key(KeyKind.ADMIN, lambda alphabet: alphabet[3])
STORED = an_api_key(public_id=TEXT.public_id, secret_sha256=TEXT.secret_sha256)
STORED_ADMIN = an_admin_key(public_id=ADMIN.public_id, secret_sha256=ADMIN.secret_sha256)
WRONG_SECRET = b"\0" * 32


async def authenticated(text: str, *keys: ApiKey, **snapshot: Any) -> Any:
    snapshots = InMemorySnapshots(a_snapshot(**snapshot), api_keys=keys, admin_keys=(STORED_ADMIN,))
    return await Authenticate(snapshots=snapshots, clock=Office()).tenant(text)


async def test_a_good_key_tells_tenant_mode_and_role() -> None:
    assert await authenticated(TEXT.reveal(), STORED) == a_principal(key_id=STORED.id)
    stored = replace(STORED, role=KeyRole.READER, expires_at=NOON + SECOND)
    assert await authenticated(TEXT.reveal(), stored) == a_principal(key_id=STORED.id, role=KeyRole.READER)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("nonsense", (STORED,)),
        (ADMIN.reveal(), (STORED,)),
        (TEXT.reveal(), ()),
        (TEXT.reveal(), (replace(STORED, secret_sha256=WRONG_SECRET),)),
        (TEXT.reveal(), (replace(STORED, mode=Mode.TEST),)),
        (TEXT.reveal(), (replace(STORED, revoked_at=NOON),)),
        (TEXT.reveal(), (replace(STORED, expires_at=NOON),)),
        (TEXT.reveal(), (replace(STORED, tenant_id=OTHER_TENANT),)),
    ],
)
async def test_any_other_key_is_unknown(text: str, keys: tuple[ApiKey, ...]) -> None:
    assert await authenticated(text, *keys) == Unknown()


async def test_a_good_key_of_a_suspended_tenant_is_told_so() -> None:
    assert await authenticated(TEXT.reveal(), STORED, tenant=a_tenant(status=TenantStatus.SUSPENDED)) == Suspended()


async def test_administrators_have_keys_of_their_own() -> None:
    snapshots = InMemorySnapshots(a_snapshot(), api_keys=(STORED,), admin_keys=(STORED_ADMIN,))
    authenticate = Authenticate(snapshots=snapshots, clock=Office())

    assert await authenticate.admin(ADMIN.reveal()) == Admin(key_id=STORED_ADMIN.id)
    assert await authenticate.admin(TEXT.reveal()) == Unknown()
    assert await authenticate.admin("nonsense") == Unknown()
    snapshots.admin_keys = {ADMIN.public_id: replace(STORED_ADMIN, secret_sha256=WRONG_SECRET)}
    assert await authenticate.admin(ADMIN.reveal()) == Unknown()
    snapshots.admin_keys = {}
    assert await authenticate.admin(ADMIN.reveal()) == Unknown()


def test_a_key_is_in_use_if_it_opened_something_lately() -> None:
    authenticate = Authenticate(snapshots=InMemorySnapshots(api_keys=(STORED,)), clock=Office())

    assert authenticate.is_in_use(TEXT.reveal())
    assert not authenticate.is_in_use(make_key(KeyKind.LIVE, lambda alphabet: alphabet[4]).reveal())
    assert not authenticate.is_in_use("nonsense")


def test_whoever_is_refused_waits_for_a_second_at_least() -> None:
    assert TooManyChanges(Quota(messages=1, seconds=60), 0.0).retry_after == 1
