"""Do events come by the API as they were told, page by page, whatever is asked of it?"""

from datetime import UTC, datetime, timedelta

from messaging.adapters.postgres.callbacks.stored_events import PostgresStoredEvents
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.callbacks.announcements import SubjectKind
from messaging.application.ports.callbacks.events import NewCallbackEvent
from messaging.application.tenants.accounts.ciphers import cipher_of
from messaging.domain.callbacks import body
from messaging.domain.shared.ids import (
    CallbackEndpointId,
    CallbackEventId,
    MessageId,
    Prefix,
    TenantId,
    parse_typeid,
    typeid,
)
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.composition.clock import new_id
from messaging.entrypoints.composition.containers import Application
from tests.builders import an_endpoint
from tests.integration.api.answers import problem
from tests.integration.api.callers import Json, Shop


async def stored(application: Application, shop: Shop, *types: str) -> list[str]:
    """Events of these types, each about a message of its own; their ids."""
    tenant = parse_typeid(Prefix.TENANT, shop.tenant)
    assert tenant is not None
    adapters, events = application.adapters, list[NewCallbackEvent]()
    cipher = await cipher_of(adapters.snapshots(), adapters.key_ring(), TenantId(tenant))
    for type in types:
        id, message, at = CallbackEventId(new_id()), MessageId(new_id()), datetime.now(UTC)
        subject = {"id": typeid(Prefix.MESSAGE, message)}
        told = body.Facts(type=type, at=at, about={"sequence": 1}, name="message", subject=subject)
        events.append(
            NewCallbackEvent(
                tenant_id=TenantId(tenant),
                id=id,
                mode=Mode.TEST,
                kind=SubjectKind.MESSAGE,
                subject_id=message,
                sequence=1,
                type=type,
                occurred_at=at,
                sealed=cipher.seal(body.context(id), body.packed(body.bodies(told, ()))),
                digest=bytes(32),
                trace_id=None,
            )
        )
    async with transaction(application.resources().engines.system) as opened:
        await PostgresStoredEvents(opened.driver).add(events)
        await opened.commit()
    return [typeid(Prefix.EVENT, event.id) for event in events]


async def page(shop: Shop, query: str = "") -> Json:
    response = await shop.get(f"/v1/events{query}")
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_pages_follow_each_other_and_the_last_tells_where_to_go_on(shop: Shop, application: Application) -> None:
    ids = await stored(application, shop, *["message.sent"] * 5)
    seen, query = [], "?limit=2"
    for _ in range(3):
        found = await page(shop, query)
        seen += [event["id"] for event in found["data"]]
        query = f"?limit=2&after={found['next_cursor']}"

    later = await stored(application, shop, "message.read")

    assert seen == ids
    assert (found["has_more"], found["next_cursor"]) == (False, ids[-1])
    assert [event["id"] for event in (await page(shop, query))["data"]] == later


async def test_an_event_is_found_by_type_by_subject_and_by_its_id(shop: Shop, application: Application) -> None:
    sent, failed = await stored(application, shop, "message.sent", "message.failed")
    found = (await shop.get(f"/v1/events/{failed}")).json()
    message = found["data"]["message"]["id"]

    at = datetime.fromisoformat(found["timestamp"])
    assert found["timestamp"] == body.instant(at), "as it stands in the body that is posted"
    assert [it["id"] for it in (await page(shop, "?type=message.failed"))["data"]] == [failed]
    assert [it["id"] for it in (await page(shop, "?type=message.*"))["data"]] == [sent, failed]
    assert [it["id"] for it in (await page(shop, f"?subject={message}"))["data"]] == [failed]
    assert (await page(shop, "?subject=nobody"))["data"] == []


async def test_what_is_no_position_is_refused_and_what_is_none_of_its_own_is_not_found(shop: Shop) -> None:
    problem(await shop.get("/v1/events?after=yesterday"), 422, "cursor_invalid")
    problem(await shop.get(f"/v1/events/{typeid(Prefix.EVENT, new_id())}"), 404, "not_found")
    assert await page(shop) == {"data": [], "next_cursor": None, "has_more": False}


async def test_what_a_caller_does_is_announced_once_the_tenant_has_an_endpoint(
    shop: Shop, application: Application
) -> None:
    tenant = parse_typeid(Prefix.TENANT, shop.tenant)
    assert tenant is not None
    endpoint = an_endpoint(id=CallbackEndpointId(new_id()), tenant_id=TenantId(tenant), mode=Mode.TEST)
    async with application.adapters.open_uow()(TenantId(tenant), Mode.TEST) as uow:
        await uow.callback_endpoints.add(endpoint)
        await uow.commit()

    message = await shop.sent(send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert (await shop.post(f"/v1/messages/{message}/cancel")).status_code == 200

    async with transaction(application.resources().engines.system) as opened:
        rows = await opened.driver.fetch("SELECT type FROM pending_events WHERE tenant_id = $1 ORDER BY number", tenant)
    assert [row["type"] for row in rows] == ["message.scheduled", "message.cancelled"]
