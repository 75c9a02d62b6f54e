"""Adding and changing senders, and the rules that choose between them."""

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from messaging.application.ports.providers.descriptor import Providers
from messaging.application.tenants.accounts.add_sender import AddSender, ChangeSender, NewSender, SenderChanges
from messaging.application.tenants.accounts.set_up_account import CheckNumber
from messaging.application.tenants.queries import FindSender, ListSenders
from messaging.application.tenants.routing_rules import ListRules, NewRule, ReplaceRules
from messaging.application.tenants.views import SenderView
from messaging.domain.channels.address import Channel
from messaging.domain.channels.limits import SendLimits
from messaging.domain.shared.ids import AccountId, SenderId
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.tenant import SenderStatus
from tests.builders import ACCOUNT, NOON, PHONE_NUMBER_ID, SENDER, a_rule, a_sender
from tests.fakes.installed import INSTALLED
from tests.unit.application.tenants.office import NUMBER, QUOTAS, Office, a_sealed_account, refusal, violations

FIRST, SECOND = SenderId(UUID(int=1)), SenderId(UUID(int=2))


def new(**changes: Any) -> NewSender:
    fields: dict[str, Any] = {
        "account_id": ACCOUNT,
        "channel": Channel.WHATSAPP,
        "external_id": PHONE_NUMBER_ID,
        "address": "+15550783881",
        "name": "Shop",
        "per_second": 20,
        "rank": 3,
    }
    return NewSender(**(fields | changes))


async def add(office: Office, wanted: NewSender, *, providers: Providers = INSTALLED) -> SenderView:
    use_case = AddSender(
        open_uow=office.open,
        tell_health=office.tell_health,
        clock=office,
        new_id=office.new_id,
        providers=providers,
        quotas=QUOTAS,
        check_number=CheckNumber(open_account=office.open_account, directories=office.directories, providers=INSTALLED),
    )
    return await use_case(office.principal, wanted)


# --- adding -----------------------------------------------------------------------------------------------------------


async def test_a_sender_has_its_accounts_mode_and_is_active_at_once() -> None:
    office = Office(a_sealed_account())

    view = await add(office, new())

    assert (view.mode, view.status, view.created_at) == (Mode.LIVE, SenderStatus.ACTIVE, NOON)
    assert (view.per_second, view.rank, view.external_id) == (20, 3, PHONE_NUMBER_ID)
    assert view.health is not None
    assert (view.health.state, view.health.rate_factor) == ("closed", 1.0)
    assert (len(office.configuration.senders_), office.commits) == (1, 1)


async def test_a_sender_without_a_rate_of_its_own_has_its_providers() -> None:
    cloud = INSTALLED["whatsapp_cloud"]
    providers = {"whatsapp_cloud": replace(cloud, limits=SendLimits(per_second=7))}

    view = await add(Office(a_sealed_account()), new(per_second=None), providers=providers)

    assert view.per_second == 7


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"account_id": None}, [("/account_id", "account_unknown")]),
        ({"account_id": AccountId(UUID(int=1))}, [("/account_id", "account_unknown")]),
        ({"external_id": "my-number"}, [("/external_id", "provider_id_invalid")]),
        ({"external_id": "PHONE_NUMBER_ID"}, [("/external_id", "placeholder_value")]),
        ({"address": "5550783881"}, [("/address", "country_code_missing")]),
        ({"address": "US.13491208655302741918"}, [("/address", "recipient_invalid")]),
        ({"channel": Channel.SMS}, [("/channel", "channel_not_carried")]),
        (
            {"channel": Channel.EMAIL, "address": "nobody", "external_id": ".."},
            [
                ("/address", "mailbox_invalid"),
                ("/external_id", "provider_id_invalid"),
                ("/channel", "channel_not_carried"),
            ],
        ),
    ],
)
async def test_everything_wrong_with_a_sender_is_listed_before_anybody_is_asked(
    changes: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    office = Office(a_sealed_account())

    assert await violations(add(office, new(**changes))) == found
    assert office.commits == 0


async def test_an_email_sender_has_an_email_address() -> None:
    office = Office(a_sealed_account())
    post = replace(INSTALLED["whatsapp_cloud"], channels=frozenset({Channel.EMAIL}))

    view = await add(
        office, new(channel=Channel.EMAIL, address="a@b.example", verify=False), providers={"whatsapp_cloud": post}
    )

    assert view.address == "a@b.example"


@pytest.mark.parametrize(
    ("mode", "verify", "asked"),
    [(Mode.LIVE, None, True), (Mode.TEST, None, False), (Mode.LIVE, False, False), (Mode.TEST, True, True)],
)
async def test_the_provider_is_asked_for_the_number_in_live_mode_unless_told_otherwise(
    mode: Mode, verify: bool | None, asked: bool
) -> None:
    account = a_sealed_account(mode=mode)
    office = Office(account)
    office.configuration._mode = mode
    office.provider.numbers = [replace(NUMBER, external_id="1")]

    attempt = add(office, new(verify=verify))

    if asked:
        assert await violations(attempt) == [("/external_id", "number_unknown")]
    else:
        assert (await attempt).mode is mode


async def test_an_account_has_a_number_once_and_a_tenant_only_so_many() -> None:
    office = Office(a_sealed_account())
    await add(office, new())

    assert (await refusal(add(office, new()))).code == "already_exists"
    office.configuration.senders_[FIRST] = a_sender(id=FIRST, external_id="1")
    assert (await refusal(add(office, new()))).code == "quota_exceeded"
    assert office.commits == 1


# --- changing and reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"), [("name", "Shop 2"), ("status", SenderStatus.PAUSED), ("per_second", 5), ("rank", 9)]
)
async def test_each_setting_of_a_sender_changes_by_itself(field: str, value: Any) -> None:
    office = Office(a_sealed_account(), senders=(a_sender(),))
    change = ChangeSender(open_uow=office.open, tell_health=office.tell_health)

    view = await change(office.principal, SENDER, SenderChanges(**{field: value}))

    assert office.configuration.senders_[SENDER] == replace(a_sender(), **{field: value})
    assert (getattr(view, field), office.commits) == (value, 1)


async def test_a_sender_that_is_not_there_is_neither_shown_nor_changed() -> None:
    office = Office()
    find = FindSender(open_uow=office.open, tell_health=office.tell_health)
    change = ChangeSender(open_uow=office.open, tell_health=office.tell_health)

    assert (await refusal(find(office.principal, SENDER))).code == "not_found"
    assert (await refusal(change(office.principal, SENDER, SenderChanges(name="x")))).code == "not_found"


async def test_senders_are_listed_by_the_page_with_their_health() -> None:
    senders = tuple(a_sender(id=id, external_id=str(id.int)) for id in (FIRST, SECOND))
    office = Office(a_sealed_account(), senders=senders)
    listed = ListSenders(open_uow=office.open, tell_health=office.tell_health)

    first = await listed(office.principal, before=None, limit=1)
    second = await listed(office.principal, before=first.next_after, limit=1)

    assert [[view.external_id for view in page.items] for page in (first, second)] == [["2"], ["1"]]
    assert (first.next_after, second.next_after) == (SECOND, None)
    assert all(view.health is not None for view in first.items)


async def test_a_page_that_is_full_to_the_last_has_no_next() -> None:
    office = Office(a_sealed_account(), senders=(a_sender(),))

    page = await ListSenders(open_uow=office.open, tell_health=office.tell_health)(
        office.principal, before=None, limit=1
    )

    assert (len(page.items), page.next_after) == (1, None)


# --- rules ------------------------------------------------------------------------------------------------------------


def rule(sender_id: SenderId | None, *prefixes: str, channel: Channel = Channel.WHATSAPP) -> NewRule:
    return NewRule(channel=channel, sender_id=sender_id, prefixes=prefixes)


def replace_rules(office: Office, *rules: NewRule) -> Any:
    return ReplaceRules(open_uow=office.open, new_id=office.new_id)(office.principal, rules)


async def test_rules_are_tried_in_the_order_in_which_they_were_given() -> None:
    office = Office(a_sealed_account(), senders=(a_sender(id=FIRST), a_sender(id=SECOND, external_id="2")))
    office.configuration.rules_ = [a_rule(sender_id=FIRST)]

    view = await replace_rules(office, rule(SECOND, "+49"), rule(FIRST))

    stored = office.configuration.rules_
    assert [(rule.position, rule.sender_id, rule.prefixes) for rule in stored] == [
        (0, SECOND, ("+49",)),
        (1, FIRST, ()),
    ]
    assert await ListRules(open_uow=office.open)(office.principal) == view
    assert office.commits == 1


async def test_a_list_with_a_wrong_rule_replaces_nothing() -> None:
    office = Office(a_sealed_account(), senders=(a_sender(),))
    office.configuration.rules_ = [a_rule()]

    found = await violations(
        replace_rules(
            office,
            rule(None),
            rule(FIRST),
            rule(SENDER, channel=Channel.SMS),
        )
    )

    assert found == [
        ("/rules/0/sender_id", "sender_unknown"),
        ("/rules/1/sender_id", "sender_unknown"),
        ("/rules/2/sender_id", "sender_channel_mismatch"),
    ]
    assert (office.configuration.rules_, office.commits) == ([a_rule()], 0)
