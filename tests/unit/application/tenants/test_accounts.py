"""Connecting, changing, disconnecting and setting up a provider account."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application.ports.providers.setup import Finding
from messaging.application.tenants.accounts.connect_account import (
    AccountChanges,
    ChangeAccount,
    ConnectAccount,
    NewAccount,
)
from messaging.application.tenants.accounts.delete_account import DeleteAccount
from messaging.application.tenants.accounts.set_up_account import (
    AccountCheckView,
    Candidate,
    CheckNumber,
    RegisterNumber,
    SubscribeAccount,
    placeholders,
)
from messaging.application.tenants.views import AccountView
from messaging.domain.shared.ids import AccountId, Prefix, parse_typeid
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.tenant import AccountStatus, KeyRole
from tests.builders import ACCOUNT, PHONE_NUMBER_ID, WABA_ID, a_principal, an_account
from tests.fakes.installed import CREDENTIALS_OF, INSTALLED
from tests.unit.application.tenants.office import (
    NUMBER,
    QUOTAS,
    WEBHOOKS_URL,
    Office,
    a_sealed_account,
    refusal,
    violations,
)
from tests.unit.application.webhooks.doubles import CREDENTIALS, KEY_RING

OTHER = AccountId(an_account().tenant_id)
REFUSED_TOKEN = Finding(part="token", ok=False, detail="It has expired.", pointer="/access_token", code="token_refused")


def new(**changes: Any) -> NewAccount:
    fields: dict[str, Any] = {
        "provider": "whatsapp_cloud",
        "name": "Shop",
        "external_id": WABA_ID,
        "credentials": CREDENTIALS,
    }
    return NewAccount(**(fields | changes))


async def connect(office: Office, wanted: NewAccount) -> AccountView:
    use_case = ConnectAccount(
        open_uow=office.open,
        snapshots=office.snapshots,
        key_ring=KEY_RING,
        clock=office,
        new_id=office.new_id,
        webhooks_url=WEBHOOKS_URL,
        quotas=QUOTAS,
        verify=office.verify,
    )
    return await use_case(office.principal, wanted)


async def change(office: Office, *, id: AccountId = ACCOUNT, **changes: Any) -> AccountView:
    use_case = ChangeAccount(
        open_uow=office.open,
        snapshots=office.snapshots,
        key_ring=KEY_RING,
        webhooks_url=WEBHOOKS_URL,
        credentials=CREDENTIALS_OF,
        verify=office.verify,
    )
    rotated = ("access_token", "app_secrets", "verify_token")
    own: dict[str, Any] = changes.pop("credentials", {})
    own = own | {name: changes.pop(name) for name in rotated if name in changes}
    return await use_case(office.principal, id, AccountChanges(credentials=own, **changes))


async def delete(office: Office, id: AccountId = ACCOUNT) -> AccountView:
    use_case = DeleteAccount(
        open_uow=office.open,
        snapshots=office.snapshots,
        key_ring=KEY_RING,
        credentials=CREDENTIALS_OF,
        providers=INSTALLED,
        webhooks_url=WEBHOOKS_URL,
    )
    return await use_case(office.principal, id)


async def subscribe(office: Office, *, override: bool, id: AccountId = ACCOUNT) -> AccountView:
    use_case = SubscribeAccount(
        open_uow=office.open, open_account=office.open_account, setups=office.setups, webhooks_url=WEBHOOKS_URL
    )
    return await use_case(office.principal, id, override=override)


# --- connecting -------------------------------------------------------------------------------------------------------


async def test_a_connected_account_is_stored_with_sealed_credentials_and_tells_its_webhook_url() -> None:
    office = Office()

    view = await connect(office, new())

    [stored] = office.configuration.accounts_.values()
    assert (stored.mode, stored.status, len(stored.webhook_token)) == (Mode.LIVE, AccountStatus.ACTIVE, 32)
    assert parse_typeid(Prefix.ACCOUNT, view.id) == stored.id
    assert view.webhook_url == f"https://hooks.example/webhooks/whatsapp_cloud/{stored.webhook_token}"
    assert office.credentials(stored.id) == CREDENTIALS
    assert office.commits == 1


async def test_only_who_manages_accounts_sees_where_webhooks_go() -> None:
    office = Office()
    office.principal = a_principal(role=KeyRole.OPERATOR)

    assert (await connect(office, new())).webhook_url is None


async def test_an_account_is_connected_once_only() -> None:
    office = Office(a_sealed_account())

    assert (await refusal(connect(office, new()))).code == "already_exists"
    assert office.commits == 0


async def test_one_that_was_disconnected_comes_back_under_its_old_id() -> None:
    office = Office(a_sealed_account(status=AccountStatus.DELETED))

    view = await connect(office, new(name="Shop again"))

    assert parse_typeid(Prefix.ACCOUNT, view.id) == ACCOUNT
    assert (view.status, view.name, office.commits) == (AccountStatus.ACTIVE, "Shop again", 1)
    assert office.credentials(ACCOUNT) == CREDENTIALS


async def test_a_tenant_may_have_so_many_accounts_and_no_more() -> None:
    office = Office(an_account(external_id="1"))
    await connect(office, new())

    assert (await refusal(connect(office, new(external_id="3")))).code == "quota_exceeded"


@pytest.mark.parametrize(
    ("mode", "verify", "asked"),
    [(Mode.LIVE, None, True), (Mode.TEST, None, False), (Mode.LIVE, False, False), (Mode.TEST, True, True)],
)
async def test_the_provider_is_asked_in_live_mode_unless_told_otherwise(
    mode: Mode, verify: bool | None, asked: bool
) -> None:
    office = Office()
    office.principal = a_principal(mode=mode)
    office.provider.findings = [REFUSED_TOKEN, replace(REFUSED_TOKEN, part="scopes", ok=True)]

    attempt = connect(office, new(verify=verify))

    if asked:
        assert await violations(attempt) == [("/access_token", "token_refused")]
        assert (office.commits, office.provider.inspected[0].mode) == (0, mode)
    else:
        await attempt
        assert office.provider.inspected == []


async def test_what_the_provider_finds_points_at_what_to_change() -> None:
    office = Office()
    office.provider.findings = [
        Finding(part="token", ok=True, detail="Yes.", pointer="/access_token", code="token_refused"),
        Finding(part="app_secret", ok=False, detail="No.", pointer="/app_secrets", code="app_secret_wrong"),
    ]

    assert await violations(connect(office, new())) == [("/app_secrets", "app_secret_wrong")]


async def test_what_was_copied_from_a_document_is_refused_without_asking() -> None:
    office = Office()
    copied = Credentials(access_token="EAAG…", app_secrets=("ok", "<app secret>"), verify_token="VERIFY_TOKEN")

    found = await violations(connect(office, new(external_id="WABA_ID", credentials=copied)))

    pointers = ["/external_id", "/access_token", "/app_secrets/1", "/verify_token"]
    assert found == [(pointer, "placeholder_value") for pointer in pointers]
    assert office.provider.inspected == []


async def test_an_id_that_is_none_is_refused_with_all_else_that_was_copied() -> None:
    copied = Credentials(access_token="EAAG...", app_secrets=())

    assert await violations(connect(Office(), new(external_id="my-waba", credentials=copied))) == [
        ("/external_id", "provider_id_invalid"),
        ("/access_token", "placeholder_value"),
    ]


def test_values_of_ones_own_are_no_placeholders() -> None:
    assert placeholders(WABA_ID, Credentials(access_token="EAAG_x", app_secrets=("A", "ab_cd", "p<q>", "a...b"))) == []


async def test_an_account_can_be_tried_without_being_stored() -> None:
    office = Office()
    office.provider.findings = [REFUSED_TOKEN]
    candidate = Candidate(provider="whatsapp_cloud", external_id=WABA_ID, credentials=CREDENTIALS)

    refused = await office.verify(office.principal, candidate)
    office.provider.findings = []
    found = await office.verify(office.principal, candidate)

    assert (refused.ok, refused.checks, refused.numbers) == (False, (AccountCheckView.of(REFUSED_TOKEN),), ())
    assert [number.external_id for number in found.numbers] == [PHONE_NUMBER_ID]
    assert (found.ok, office.commits) == (True, 0)
    assert (await refusal(office.verify(office.principal, replace(candidate, external_id="..")))).code == (
        "validation_failed"
    )


# --- changing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "credentials"),
    [
        ({"access_token": "new"}, replace(CREDENTIALS, access_token="new")),
        ({"app_secrets": ("a", "b")}, replace(CREDENTIALS, app_secrets=("a", "b"))),
        ({"verify_token": "v"}, replace(CREDENTIALS, verify_token="v")),
    ],
)
async def test_each_credential_is_rotated_by_itself_once_the_provider_takes_it(
    changes: dict[str, Any], credentials: Credentials
) -> None:
    office = Office(a_sealed_account())

    await change(office, **changes)

    assert office.credentials(ACCOUNT) == credentials
    assert [connection.credentials for connection in office.provider.inspected] == [credentials]


async def test_credentials_the_provider_refuses_change_nothing() -> None:
    office = Office(a_sealed_account())
    office.provider.findings = [REFUSED_TOKEN]

    assert await violations(change(office, access_token="new")) == [("/access_token", "token_refused")]
    assert office.credentials(ACCOUNT) == CREDENTIALS


async def test_credentials_of_another_provider_are_refused_with_the_list_of_the_right_ones() -> None:
    office = Office(a_sealed_account())

    refused = await refusal(
        change(office, credentials={"auth_token": "x", "access_token": "a", "app_secrets": (), "verify_token": ""})
    )

    assert {(it.pointer, it.code) for it in refused.violations} == {
        ("/auth_token", "unknown_field"),
        ("/app_secrets", "invalid_value"),
        ("/verify_token", "invalid_value"),
    }
    assert "It has: access_token, app_secrets, verify_token." in refused.violations[0].detail
    assert (office.credentials(ACCOUNT), office.provider.inspected) == (CREDENTIALS, [])


async def test_a_name_or_a_status_asks_no_provider_and_keeps_the_rest() -> None:
    office = Office(a_sealed_account())
    office.provider.findings = [REFUSED_TOKEN]

    renamed = await change(office, name="Shop 2")
    disabled = await change(office, status=AccountStatus.DISABLED)

    assert (renamed.name, renamed.status) == ("Shop 2", AccountStatus.ACTIVE)
    assert (disabled.name, disabled.status) == ("Shop 2", AccountStatus.DISABLED)
    assert (office.credentials(ACCOUNT), office.commits) == (CREDENTIALS, 2)


@pytest.mark.parametrize("changes", [{"name": "x"}, {"access_token": "x"}])
async def test_an_account_that_is_not_there_cannot_be_changed(changes: dict[str, Any]) -> None:
    assert (await refusal(change(Office(), **changes))).code == "not_found"


# --- disconnecting ----------------------------------------------------------------------------------------------------


async def test_a_disconnected_account_forgets_its_token_and_keeps_what_proves_its_webhooks() -> None:
    office = Office(a_sealed_account())

    view = await delete(office)

    assert (view.status, office.commits) == (AccountStatus.DELETED, 1)
    assert office.credentials(ACCOUNT) == replace(CREDENTIALS, access_token="")


@pytest.mark.parametrize(("under_way", "told"), [(1, "1 messages"), (999, "999 "), (1_000, "1000 or more")])
async def test_an_account_with_messages_under_way_stays(under_way: int, told: str) -> None:
    office = Office(a_sealed_account())
    office.under_way = under_way

    refused = await refusal(delete(office))

    assert (refused.code, office.commits) == ("state_conflict", 0)
    assert refused.detail.startswith(told)
    assert office.configuration.accounts_[ACCOUNT].status is AccountStatus.ACTIVE


# --- setting up -------------------------------------------------------------------------------------------------------


async def test_webhooks_come_where_the_app_says_or_to_the_accounts_own_url() -> None:
    office = Office(a_sealed_account())

    await subscribe(office, override=False)
    view = await subscribe(office, override=True)

    assert office.provider.subscribed == [None, view.webhook_url]
    assert view.webhook_url is not None


async def test_an_url_of_its_own_needs_a_verify_token() -> None:
    office = Office(a_sealed_account(replace(CREDENTIALS, verify_token=None)))

    assert await violations(subscribe(office, override=True)) == [("/override", "verify_token_missing")]
    await subscribe(office, override=False)
    assert office.provider.subscribed == [None]


async def test_a_number_of_the_account_is_registered() -> None:
    office = Office(a_sealed_account())
    register = RegisterNumber(
        open_uow=office.open, open_account=office.open_account, setups=office.setups, directories=office.directories
    )

    view = await register(office.principal, ACCOUNT, external_id=PHONE_NUMBER_ID, pin="123456")

    assert (view.external_id, view.address) == (PHONE_NUMBER_ID, NUMBER.address)
    assert office.provider.registered == [(PHONE_NUMBER_ID, "123456")]
    assert await violations(register(office.principal, ACCOUNT, external_id="7", pin="123456")) == [
        ("/phone_number_id", "number_unknown")
    ]
    assert len(office.provider.registered) == 1


async def test_a_provider_without_subscriptions_or_numbers_says_what_to_do_instead() -> None:
    office = Office(a_sealed_account())
    office.setups = {}
    register = RegisterNumber(
        open_uow=office.open, open_account=office.open_account, setups=office.setups, directories=office.directories
    )

    subscribed = await refusal(subscribe(office, override=True))
    registered = await refusal(register(office.principal, ACCOUNT, external_id=PHONE_NUMBER_ID, pin="123456"))

    assert subscribed.code == registered.code == "provider_refused"
    assert "enter the account's webhook_url there" in subscribed.detail
    assert "can send as soon as they are added" in registered.detail


@pytest.mark.parametrize("use", [lambda office: subscribe(office, override=False), delete])
async def test_nothing_is_done_with_an_account_that_is_not_there(use: Callable[[Office], Any]) -> None:
    assert (await refusal(use(Office()))).code == "not_found"


@pytest.mark.parametrize(
    ("external_id", "address", "listed", "found"),
    [
        (PHONE_NUMBER_ID, "+15550783881", NUMBER, []),
        (PHONE_NUMBER_ID, "+15550783881", replace(NUMBER, address=""), []),
        (PHONE_NUMBER_ID, "+15550783882", NUMBER, [("/address", "number_mismatch")]),
        ("7", "+15550783881", NUMBER, [("/external_id", "number_unknown")]),
    ],
)
async def test_a_number_is_compared_with_what_the_provider_lists(
    external_id: str, address: str, listed: Any, found: list[tuple[str, str]]
) -> None:
    office = Office(a_sealed_account())
    office.provider.numbers = [replace(listed, external_id="1"), listed]
    check = CheckNumber(open_account=office.open_account, directories=office.directories, providers=INSTALLED)

    wrong = await check(office.configuration.accounts_[ACCOUNT], external_id=external_id, address=address)

    assert [(violation.pointer, violation.code) for violation in wrong] == found


async def test_a_sender_that_no_list_of_the_provider_has_is_not_looked_for() -> None:
    """A name, for one: it is registered nowhere."""
    cloud = INSTALLED["whatsapp_cloud"]
    providers = {"whatsapp_cloud": replace(cloud, sender_id=replace(cloud.sender_id, unlisted="[A-Z][a-z]+"))}
    office = Office(a_sealed_account())
    office.provider.numbers = [NUMBER]
    check = CheckNumber(open_account=office.open_account, directories=office.directories, providers=providers)
    account = office.configuration.accounts_[ACCOUNT]

    assert await check(account, external_id="Northwind", address="Northwind") == []
    assert len(await check(account, external_id="12", address="Northwind")) == 1


async def test_of_many_numbers_only_some_are_told() -> None:
    office = Office(a_sealed_account())
    office.provider.numbers = [replace(NUMBER, external_id=f"no-{number}.") for number in range(30)]
    check = CheckNumber(open_account=office.open_account, directories=office.directories, providers=INSTALLED)

    [wrong] = await check(office.configuration.accounts_[ACCOUNT], external_id="7", address="+15550783881")

    assert wrong.detail.count("no-") == 20
