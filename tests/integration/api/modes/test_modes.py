"""What is of the other mode does not exist for a key: every operation, asked in both modes."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from messaging.adapters.postgres.callbacks.stored_events import PostgresStoredEvents
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.conversations.receive import InboundArrived
from messaging.application.ports.callbacks.announcements import SubjectKind
from messaging.application.ports.callbacks.events import NewCallbackEvent
from messaging.application.ports.provider_events import NewProviderEvent
from messaging.application.tenants.accounts.ciphers import cipher_of
from messaging.application.webhooks import event_content
from messaging.domain.callbacks import body
from messaging.domain.shared.ids import (
    AccountId,
    CallbackEventId,
    EventId,
    Prefix,
    TenantId,
    WebhookId,
    parse_typeid,
    typeid,
)
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.api.reference.openapi import Route, routes
from messaging.entrypoints.composition.containers import Application
from tests.builders import an_inbound_message
from tests.integration.api.callers import Platform, Shop, account_body, own_template_body, phone_id
from tests.integration.api.modes.decisions import DECISIONS, UNCLEAR, Side
from tests.integration.api.workers import Fate, work_through

Sides = dict[Mode, Side]
ROUTES = [route for route in routes() if not route.admin]

# Everything of a tenant that an operation of the other mode could change.
STORED = """
SELECT (SELECT array_agg((m.id, m.state, m.seq) ORDER BY m.id) FROM messages m WHERE m.tenant_id = $1 AND m.mode = $2),
       (SELECT array_agg(s ORDER BY s.id) FROM senders s WHERE s.tenant_id = $1 AND s.mode = $2),
       (SELECT array_agg(a ORDER BY a.id) FROM provider_accounts a WHERE a.tenant_id = $1 AND a.mode = $2),
       (SELECT array_agg(l ORDER BY l.message_id) FROM dead_letters l JOIN messages m ON m.id = l.message_id
        WHERE m.tenant_id = $1 AND m.mode = $2),
       (SELECT array_agg(r ORDER BY r.id) FROM routing_rules r JOIN senders s ON s.id = r.sender_id
        WHERE s.tenant_id = $1 AND s.mode = $2),
       (SELECT array_agg(t ORDER BY t.id) FROM templates t JOIN provider_accounts a ON a.id = t.account_id
        WHERE a.tenant_id = $1 AND a.mode = $2),
       (SELECT array_agg(o ORDER BY o.id) FROM own_templates o WHERE o.tenant_id = $1 AND o.mode = $2),
       (SELECT array_agg(e ORDER BY e.id) FROM callback_endpoints e WHERE e.tenant_id = $1 AND e.mode = $2),
       (SELECT array_agg(s ORDER BY s.id) FROM callback_secrets s JOIN callback_endpoints e ON e.id = s.endpoint_id
        WHERE e.tenant_id = $1 AND e.mode = $2),
       (SELECT t.on_unknown -> $2 FROM tenants t WHERE t.id = $1)
"""


async def furnished(platform: Platform, application: Application, tenant: str, mode: Mode) -> Side:
    """A side with everything on it: an account, a sender, a template, a rule, and a message of each kind."""
    shop = await platform.shop(mode.value, tenant)
    rule = {"channel": "whatsapp", "sender_id": shop.sender}
    assert (await shop.put("/v1/routing-rules", {"rules": [rule]})).status_code == 200
    dead = await shop.sent(reference="both")
    await work_through(application, shop.sender_id, Fate.DIES)
    message = await shop.sent(reference="both")
    await written_to(application, shop)
    inbound = (await shop.get("/v1/inbound-messages")).json()["data"]
    settings = {"on_unknown": {"default": UNCLEAR[mode.value]}}
    assert (await shop.patch("/v1/settings", settings)).status_code == 200
    own = await shop.post("/v1/own-templates", own_template_body())
    assert own.status_code == 201, own.text
    event, callback_event = await told_of(application, shop), await recorded(application, shop, mode)
    endpoint = await shop.post("/v1/callback-endpoints", {"url": "https://hooks.example.com/m"})
    assert endpoint.status_code == 201, endpoint.text
    own_template, endpoint_id = own.json()["template"]["id"], endpoint.json()["id"]
    return Side(mode.value, shop, message, dead, inbound[0]["id"], event, own_template, callback_event, endpoint_id)


async def written_to(application: Application, shop: Shop) -> None:
    """Ana writes to the shop's sender."""
    tenant, account = parse_typeid(Prefix.TENANT, shop.tenant), parse_typeid(Prefix.ACCOUNT, shop.account)
    assert tenant is not None
    assert account is not None
    message = an_inbound_message(sender_external_id=phone_id(shop.number))
    async with application.adapters.open_system_uow()() as uow:
        arrived = [InboundArrived(TenantId(tenant), AccountId(account), WebhookId(tenant), message)]
        assert await application.conversations.receive()(uow, arrived) == []
        await uow.commit()


async def told_of(application: Application, shop: Shop) -> str:
    """The id of something that the provider told about the shop's account."""
    tenant, account = parse_typeid(Prefix.TENANT, shop.tenant), parse_typeid(Prefix.ACCOUNT, shop.account)
    assert tenant is not None
    assert account is not None
    adapters, id, now = application.adapters, EventId(uuid7()), datetime.now(UTC)
    cipher = await cipher_of(adapters.snapshots(), adapters.key_ring(), TenantId(tenant))
    event = NewProviderEvent(
        id=id,
        tenant_id=TenantId(tenant),
        account_id=AccountId(account),
        webhook_id=WebhookId(id),
        kind="account_update",
        sender_external_id=None,
        occurred_at=now,
        received_at=now,
        size=2,
        digest=hashlib.sha256(id.bytes).digest(),
        sealed=event_content.seal(cipher, id, event_content.pack({})),
    )
    async with adapters.open_system_uow()() as uow:
        assert await uow.provider_events.add([event]) == {id}
        await uow.commit()
    return typeid(Prefix.EVENT, id)


async def recorded(application: Application, shop: Shop, mode: Mode) -> str:
    """The id of an event that was fanned out in this mode."""
    tenant = parse_typeid(Prefix.TENANT, shop.tenant)
    assert tenant is not None
    adapters, id, now = application.adapters, CallbackEventId(uuid7()), datetime.now(UTC)
    cipher = await cipher_of(adapters.snapshots(), adapters.key_ring(), TenantId(tenant))
    told = body.Facts(type="endpoint.test", at=now, about={"mode": mode.value}, name="endpoint", subject={})
    event = NewCallbackEvent(
        tenant_id=TenantId(tenant),
        id=id,
        mode=mode,
        kind=SubjectKind.ENDPOINT,
        subject_id=id,
        sequence=1,
        type=told.type,
        occurred_at=now,
        sealed=cipher.seal(body.context(id), body.packed(body.bodies(told, ()))),
        digest=bytes(32),
        trace_id=None,
    )
    async with transaction(application.resources().engines.system) as opened:
        await PostgresStoredEvents(opened.driver).add([event])
        await opened.commit()
    return typeid(Prefix.EVENT, id)


@pytest.fixture(scope="session")
async def sides(platform: Platform, application: Application) -> Sides:
    """One tenant, furnished alike in both modes."""
    tenant = await platform.tenant()
    return {mode: await furnished(platform, application, tenant, mode) for mode in Mode}


@pytest.fixture(scope="session")
async def superuser(stored_in: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(stored_in)
    yield connection
    await connection.close()


async def ask(route: Route, own: Side, other: Side) -> Any:
    asked = DECISIONS[route.operation.id]
    path = route.path.format(**{name: of(other) for name, of in asked.path.items()})
    options = {} if asked.body is None else {"json": asked.body(other)}
    return await own.shop.request(route.method.upper(), f"{path}?{asked.query}".rstrip("?"), **options)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation.id)
async def test_what_is_of_the_other_mode_does_not_exist(
    platform: Platform,
    sides: Sides,
    superuser: "asyncpg.Connection[asyncpg.Record]",
    route: Route,
    mode: Mode,
) -> None:
    own, other = sides[mode], sides[Mode.TEST if mode is Mode.LIVE else Mode.LIVE]
    tenant = parse_typeid(Prefix.TENANT, own.shop.tenant)
    if route.operation.id in ("connect_provider_account", "create_own_template"):
        # What it makes stays; the lists of these sides are to stay as they are.
        own = own._replace(shop=await platform.bare_shop(mode.value))
    before = await superuser.fetchrow(STORED, tenant, other.mode)

    response = await ask(route, own, other)

    DECISIONS[route.operation.id].answers(response, own)
    named = f"{response.request.url.path} {response.request.content.decode()}"
    assert [id for id in other.ids() if id in response.text and id not in named] == []
    assert await superuser.fetchrow(STORED, tenant, other.mode) == before


async def test_one_idempotency_key_means_two_things_live_and_in_test(
    platform: Platform, application: Application
) -> None:
    tenant = await platform.tenant()
    test = await furnished(platform, application, tenant, Mode.TEST)
    live = await furnished(platform, application, tenant, Mode.LIVE)
    requests = (
        ("/v1/messages", test.shop.message()),
        ("/v1/messages/batch", {"messages": [test.shop.message()]}),
        ("/v1/provider-accounts", account_body(verify=False)),
    )

    for path, asked in requests:
        headers = {"Idempotency-Key": f"order-1042{path}"}
        answers = [await side.shop.post(path, asked, headers=headers) for side in (test, live, test, live)]

        assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, None, "true", "true"]
        contents = [answer.content for answer in answers]
        assert contents[:2] == contents[2:]
        assert contents[0] != contents[1]
    assert [answer.json()["mode"] for answer in answers] == ["test", "live"] * 2


async def test_both_modes_may_use_the_same_key_at_the_same_time(platform: Platform, sides: Sides) -> None:
    headers = {"Idempotency-Key": "at-once"}

    answers = await asyncio.gather(
        *(sides[mode].shop.post("/v1/messages", sides[mode].shop.message(), headers=headers) for mode in Mode)
    )

    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 2
