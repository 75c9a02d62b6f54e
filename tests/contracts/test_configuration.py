"""Do the fake and Postgres keep a tenant's settings alike?"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol, get_args
from uuid import UUID

import pytest
from msgspec.structs import replace

from messaging.adapters.postgres.configuration.configuration import PostgresConfiguration
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.ports.configuration import (
    Accounts,
    ApiKeys,
    Counted,
    DeletedAccounts,
    Duplicate,
    ReviewedTemplates,
    Room,
    RoutingRules,
    Senders,
    Templates,
)
from messaging.application.ports.platform import WrappedKey
from messaging.domain.shared.ids import AccountId, KeyId, RuleId, SenderId, TemplateId
from messaging.domain.shared.mode import Mode, TenantScope
from messaging.domain.shared.unclear import OnUnknown
from messaging.domain.templates.template import TemplateStatus
from messaging.domain.tenants.tenant import AccountStatus, SenderStatus
from tests.builders import (
    ACCOUNT,
    KEY,
    NOON,
    RULE,
    SENDER,
    TEMPLATE,
    TENANT,
    a_rule,
    a_sender,
    a_template,
    a_tenant,
    an_account,
    an_api_key,
    rich_components,
)
from tests.fakes.configuration import InMemoryConfiguration

SECOND = UUID("019df2d9-4c00-7000-8000-0000000000ff")


class Configuration(
    Accounts, DeletedAccounts, Senders, Templates, ReviewedTemplates, RoutingRules, ApiKeys, Room, Protocol
):
    """All roles in one, as they are kept together."""


@pytest.fixture(params=["in_memory", "postgres"])
async def configuration(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[Configuration]:
    """With one account already there."""
    if request.param == "in_memory":
        fake = InMemoryConfiguration()
        await fake.add_account(an_account())
        yield fake
        return
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as system:
        await system.platform.add_tenant(a_tenant(), WrappedKey(tenant_id=TENANT, version=1, wrapped=b"w"))
        await system.commit()
    scope = TenantScope(TENANT, Mode.LIVE)
    async with transaction(engines.app, scope=scope) as opened:
        settings = PostgresConfiguration(opened.core, scope, lambda: None)
        await settings.add_account(an_account())
        yield settings


async def test_an_account_is_found_changed_and_listed_newest_first(configuration: Configuration) -> None:
    second = an_account(id=AccountId(SECOND), webhook_token="another")
    await configuration.add_account(second)
    changed = an_account(name="Renamed", status=AccountStatus.DISABLED, sealed_credentials=b"new")
    await configuration.update_account(changed)

    assert await configuration.account(ACCOUNT) == changed
    assert await configuration.account(AccountId(TENANT)) is None
    assert list(await configuration.accounts(before=None, limit=10)) == [second, changed]
    assert list(await configuration.accounts(before=None, limit=1)) == [second]
    assert list(await configuration.accounts(before=second.id, limit=10)) == [changed]


async def test_a_sender_is_found_changed_and_listed(configuration: Configuration) -> None:
    await configuration.add_sender(a_sender())
    changed = a_sender(status=SenderStatus.PAUSED, per_second=1000, rank=3)
    await configuration.update_sender(changed)

    assert await configuration.sender(SENDER) == changed
    assert list(await configuration.senders(before=None, limit=10)) == [changed]
    assert list(await configuration.senders(before=SENDER, limit=10)) == []


async def test_a_template_keeps_all_its_parts(configuration: Configuration) -> None:
    template = a_template(components=rich_components())
    await configuration.add_template(template)

    assert await configuration.template(TEMPLATE) == template
    assert await configuration.template_named(ACCOUNT, "order_update", "en_US") == template
    assert await configuration.template_named(ACCOUNT, "order_update", "de") is None


async def test_templates_are_listed_by_name_and_status(configuration: Configuration) -> None:
    approved = a_template()
    rejected = a_template(
        id=TemplateId(SECOND), language="de", status=TemplateStatus.REJECTED, rejected_reason="INVALID_FORMAT"
    )
    await configuration.add_template(approved)
    await configuration.add_template(rejected)

    assert list(await configuration.templates(before=None, limit=9)) == [rejected, approved]
    assert list(await configuration.templates(before=None, limit=9, status="approved")) == [approved]
    assert list(await configuration.templates(before=None, limit=9, name="other")) == []


async def test_a_templates_review_is_written(configuration: Configuration) -> None:
    await configuration.add_template(a_template(status=TemplateStatus.PENDING, external_id=None))
    reviewed = a_template(quality="GREEN", version=2)
    await configuration.update_template(reviewed)

    assert await configuration.template(TEMPLATE) == reviewed


async def test_an_accounts_templates_are_locked_with_the_time_of_their_last_listing(
    configuration: Configuration,
) -> None:
    await configuration.add_template(a_template())
    second = a_template(id=TemplateId(SECOND), language="de")
    await configuration.add_template(second)

    assert await configuration.lock_templates(ACCOUNT) == ([a_template(), second], None)
    await configuration.templates_listed(ACCOUNT, at=NOON)

    _, listed_at = await configuration.lock_templates(ACCOUNT)
    assert listed_at == NOON
    assert await configuration.lock_templates(AccountId(SECOND)) == ([], None)


async def test_rules_are_replaced_as_a_whole_and_read_in_order(configuration: Configuration) -> None:
    await configuration.add_sender(a_sender())
    first = a_rule(prefixes=("+49", "+43"), position=0)
    second = a_rule(id=RuleId(SECOND), position=1)
    await configuration.replace_rules([a_rule(id=RuleId(TENANT), position=5)])

    await configuration.replace_rules([second, first])

    assert list(await configuration.rules()) == [first, second]
    await configuration.replace_rules([])
    assert list(await configuration.rules()) == []
    assert first.id == RULE


async def test_a_key_is_revoked_once(configuration: Configuration) -> None:
    key = an_api_key(expires_at=NOON + timedelta(days=365))
    await configuration.add_key(key)

    revoked = await configuration.revoke_key(KEY, at=NOON)
    again = await configuration.revoke_key(KEY, at=NOON + timedelta(hours=1))

    assert revoked == again == replace(key, revoked_at=NOON)
    assert list(await configuration.keys(before=None, limit=10)) == [revoked]
    assert await configuration.revoke_key(KeyId(SECOND), at=NOON) is None


async def test_a_second_sender_with_the_same_external_id_is_a_duplicate(configuration: Configuration) -> None:
    await configuration.add_sender(a_sender())

    with pytest.raises(Duplicate) as refused:
        await configuration.add_sender(a_sender(id=SenderId(SECOND)))

    assert refused.value.what == "sender"


async def test_a_second_template_of_the_same_name_and_language_is_a_duplicate(configuration: Configuration) -> None:
    await configuration.add_template(a_template())

    with pytest.raises(Duplicate) as refused:
        await configuration.add_template(a_template(id=TemplateId(SECOND)))

    assert refused.value.what == "template"


async def test_a_second_account_with_the_same_token_is_a_duplicate(configuration: Configuration) -> None:
    with pytest.raises(Duplicate) as refused:
        await configuration.add_account(an_account(id=AccountId(SECOND)))

    assert refused.value.what == "webhook_token"


async def test_a_choice_about_unclear_sends_outlives_the_providers_news(configuration: Configuration) -> None:
    await configuration.add_template(a_template())

    chosen = await configuration.choose_on_unknown(TEMPLATE, OnUnknown.RESEND)
    await configuration.update_template(a_template(status=TemplateStatus.PAUSED))

    kept = a_template(status=TemplateStatus.PAUSED, on_unknown=OnUnknown.RESEND)
    assert chosen == a_template(on_unknown=OnUnknown.RESEND)
    assert await configuration.template(TEMPLATE) == kept
    assert await configuration.choose_on_unknown(TEMPLATE, None) == a_template(status=TemplateStatus.PAUSED)
    assert await configuration.choose_on_unknown(TemplateId(SECOND), OnUnknown.HOLD) is None


async def test_there_is_room_for_so_many_of_each(configuration: Configuration) -> None:
    """The account is there already."""
    await configuration.add_sender(a_sender())
    await configuration.add_template(a_template())
    await configuration.add_key(an_api_key())

    for what in get_args(Counted):
        assert await configuration.has_room(what, 2)
        assert not await configuration.has_room(what, 1)
    await configuration.revoke_key(KEY, at=NOON)
    assert await configuration.has_room("keys", 1)


async def test_a_deleted_account_is_hidden_with_what_belongs_to_it_until_it_is_revived(
    configuration: Configuration,
) -> None:
    await configuration.add_sender(a_sender())
    await configuration.add_template(a_template())
    await configuration.replace_rules([a_rule()])

    await configuration.delete_account(an_account(status=AccountStatus.DELETED))

    assert await configuration.account(ACCOUNT) is None
    assert list(await configuration.accounts(before=None, limit=10)) == []
    assert await configuration.sender(SENDER) is None
    assert list(await configuration.senders(before=None, limit=10)) == []
    assert await configuration.template(TEMPLATE) is None
    assert list(await configuration.templates(before=None, limit=10)) == []
    assert list(await configuration.rules()) == []
    hidden = an_account(status=AccountStatus.DELETED)
    assert await configuration.account_at(hidden.provider, hidden.external_id) == hidden
    assert not await configuration.has_room("accounts", 1), "what is deleted takes room"

    await configuration.revive_account(an_account(name="Again"))

    assert await configuration.account(ACCOUNT) == an_account(name="Again")
    assert await configuration.sender(SENDER) == a_sender()
    assert await configuration.template(TEMPLATE) == a_template()


async def test_an_account_in_use_is_found_before_a_deleted_one(configuration: Configuration) -> None:
    second = an_account(id=AccountId(SECOND), webhook_token="another")
    await configuration.add_account(second)
    await configuration.delete_account(replace(second, status=AccountStatus.DELETED))

    assert await configuration.account_at(second.provider, second.external_id) == an_account()
    assert await configuration.account_at(second.provider, "elsewhere") is None
