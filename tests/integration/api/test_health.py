"""A tenant is told how its own mode is getting on, by a key of any role, and nothing of anybody else."""

from datetime import UTC, datetime, timedelta

import asyncpg
from msgspec.structs import replace

from messaging.application.ports.sender_health import HealthChange
from messaging.domain.messages.pacing.breaker import Breaker, BreakerState, Trouble
from messaging.domain.messages.pacing.sender_health import HEALTHY, Subject
from messaging.domain.messages.retry import Scope
from messaging.domain.shared.ids import Prefix, parse_typeid
from messaging.entrypoints.composition.containers import Application
from tests.integration.api.callers import Platform, Shop, template_body
from tests.integration.api.workers import Fate, work_through

WEBHOOKS = """
INSERT INTO raw_webhooks (tenant_id, id, account_id, received_at, provider, status, digest, sealed, problem)
SELECT a.tenant_id, gen_random_uuid(), a.id, clock_timestamp(), a.provider, v.status, sha256('x'), 'x', v.problem
FROM provider_accounts a, (VALUES ('processed', NULL), ('set_aside', 'odd')) AS v(status, problem)
WHERE a.tenant_id = $1
"""


async def held_back(application: Application, shop: Shop) -> None:
    """Its account's breaker is open."""
    account = parse_typeid(Prefix.ACCOUNT, shop.account)
    assert account is not None
    records = application.adapters.health_records()
    at = (await records.read([])).now
    stopped = Breaker(
        state=BreakerState.OPEN, since=at, retry_at=at + 60, trouble=Trouble.UNAUTHORIZED, code="190", openings=7
    )
    changed = replace(HEALTHY, breaker=stopped)
    assert await records.swap([HealthChange(Subject(Scope.ACCOUNT, account), HEALTHY, changed)]) == [True]


async def heard_of(stored_in: str, shop: Shop) -> None:
    """A webhook of its account was processed, and one was set aside."""
    connection = await asyncpg.connect(stored_in)
    await connection.execute(WEBHOOKS, parse_typeid(Prefix.TENANT, shop.tenant))
    await connection.close()


async def test_a_healthy_shop_is_told_so(quiet_shop: Shop) -> None:
    told = (await quiet_shop.get("/v1/health")).json()

    assert [sender["health"]["state"] for sender in told["senders"]] == ["closed"]
    (account,) = told["accounts"]
    assert (account["status"], account["webhooks_last_at"], account["webhooks_set_aside"]) == ("active", None, 0)
    assert (told["mode"], told["templates"], told["lanes"]) == ("test", [], [])
    assert (told["dead_letters_open"], told["unconfirmed"]) == (0, 0)


async def test_a_reader_sees_what_keeps_messages_back_and_no_secret(
    platform: Platform, application: Application, stored_in: str, shop: Shop
) -> None:
    await shop.sent()
    await work_through(application, shop.sender_id, Fate.DIES)
    await shop.sent()
    await work_through(application, shop.sender_id, Fate.GOES_UNCONFIRMED)
    before = datetime.now(UTC)
    await shop.sent()
    await shop.sent(send_at=(before + timedelta(days=1)).isoformat())
    await shop.post("/v1/templates", template_body(shop.account, name="another"))
    await held_back(application, shop)
    await heard_of(stored_in, shop)
    reader = Shop(platform.client, (await platform.issue_key(shop.tenant, role="reader"))["key"], shop.tenant)

    answer = await reader.get("/v1/health")

    told = answer.json()
    (sender,), (account,), (template,), (lane,) = (told[name] for name in ("senders", "accounts", "templates", "lanes"))
    assert (sender["id"], sender["health"]["state"], sender["health"]["code"]) == (shop.sender, "open", "190")
    assert (account["id"], account["webhooks_set_aside"]) == (shop.account, 1)
    assert datetime.fromisoformat(account["webhooks_last_at"]) >= before
    assert (template["name"], template["codes"]) == ("another", ["template_not_sendable"])
    assert (lane["channel"], lane["priority"], lane["due"], lane["waiting"]) == ("whatsapp", "default", 1, 1)
    assert abs(datetime.fromisoformat(lane["oldest_due_at"]) - before).total_seconds() < 600
    assert (told["dead_letters_open"], told["unconfirmed"]) == (1, 1)
    assert "token" not in answer.text.replace("template", "")
