"""Does a submitted intent become one delivered message, whatever its caller and its provider do?"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx

from tests.journeys.platform import Platform, eventually


async def test_a_message_is_submitted_sent_delivered_and_read(platform: Platform) -> None:
    id = await platform.accepted(platform.order("+14155552001", reference="order-1"))

    message = await platform.until(id, "read")
    timeline = await platform.timeline(id)

    assert message["reference"] == "order-1"
    assert message["attempts"] == 1
    assert [line["type"] for line in timeline[:4]] == [
        "message.accepted",
        "attempt.claimed",
        "attempt.started",
        "message.submitted",
    ]
    assert {line["type"] for line in timeline[4:]} >= {"receipt.sent", "receipt.read"}
    assert (await platform.ledger())[id] == 1


async def test_a_hundred_identical_requests_at_once_make_one_message(platform: Platform) -> None:
    body = platform.order("+14155552002")

    answers = await asyncio.gather(*(platform.submit(body, key="a-hundred-at-once") for _ in range(100)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    id = answers[0].json()["id"]
    await platform.until(id, "read")
    assert (await platform.ledger())[id] == 1


async def test_a_repetition_after_the_api_was_killed_gets_the_first_answer(platform: Platform) -> None:
    body = platform.order("+14155552003")
    first = await platform.submit(body, key="across-a-restart")

    platform.stack.keepers["api"].child.kill()
    again = await _once_the_api_is_back(lambda: platform.submit(body, key="across-a-restart"))
    other = await platform.submit(platform.order("+14155552004"), key="across-a-restart")

    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"


async def test_a_repetition_is_answered_also_when_the_request_has_become_invalid(platform: Platform) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    body = platform.order("+14155552010", expires_at=soon.isoformat())
    first = await platform.submit(body, key="expires-soon")

    async def stale() -> httpx.Response | None:
        return again if (again := await platform.submit(body)).status_code == 422 else None

    assert (await eventually(stale, within=120, what="expires_at never was in the past")).status_code == 422
    again = await platform.submit(body, key="expires-soon")

    assert first.status_code == again.status_code == 202
    assert again.content == first.content


async def test_a_scheduled_message_can_be_cancelled_and_is_never_sent(platform: Platform) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    id = await platform.accepted(platform.order("+14155552005", send_at=later))
    assert await platform.status(id) == "scheduled"

    cancelled = await platform.client.post(f"/v1/messages/{id}/cancel")
    again = await platform.client.post(f"/v1/messages/{id}/cancel")

    assert cancelled.status_code == 200
    assert await platform.status(id) == "cancelled"
    assert again.status_code == 409
    assert (await platform.ledger())[id] == 0


async def test_a_message_scheduled_for_soon_leaves_then(platform: Platform) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    id = await platform.accepted(platform.order("+14155552006", send_at=soon.isoformat()))

    await platform.until(id, "read")

    started = next(line for line in await platform.timeline(id) if line["type"] == "attempt.started")
    assert datetime.fromisoformat(started["recorded_at"]) >= soon


async def test_free_text_is_refused_until_the_person_has_written(platform: Platform) -> None:
    text = {"to": "+14155552007", "channel": "whatsapp", "content": {"type": "text", "body": "Your parcel is here."}}

    refused = await platform.submit(text)
    await platform.sandbox.post(
        "/_control/inbound",
        json={
            "phone_number_id": platform.business.phone_number_ids[0],
            "from": "14155552007",
            "message": {"type": "text", "text": {"body": "Where is my parcel?"}},
        },
    )
    await _until_inbound(platform, "Where is my parcel?")
    id = await platform.accepted(text)

    assert refused.status_code == 422
    assert [error["code"] for error in refused.json()["errors"]] == ["window_closed"]
    await platform.until(id, "read")


async def test_another_tenants_key_finds_nothing(platform: Platform) -> None:
    id = await platform.accepted(platform.order("+14155552008"))
    admin = {"Authorization": f"Bearer {platform.business.admin_key}"}
    async with httpx.AsyncClient(base_url=platform.stack.api, headers=admin) as platform_admin:
        tenant = (await platform_admin.post("/admin/v1/tenants", json={"name": "Somebody else"})).json()["id"]
        issued = await platform_admin.post(f"/admin/v1/tenants/{tenant}/keys", json={"name": "k", "mode": "test"})
    stranger = {"Authorization": f"Bearer {issued.json()['key']}"}

    async with httpx.AsyncClient(base_url=platform.stack.api, headers=stranger) as client:
        found = await client.get(f"/v1/messages/{id}")
        unknown = await client.get("/v1/messages/msg_00000000000000000000000000")
        listed = await client.get("/v1/messages")
        cancelled = await client.post(f"/v1/messages/{id}/cancel")

    assert found.status_code == unknown.status_code == cancelled.status_code == 404
    assert found.json()["code"] == unknown.json()["code"]
    assert listed.json()["data"] == []


async def _once_the_api_is_back(call: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    async def tried() -> httpx.Response | None:
        try:
            return await call()
        except httpx.TransportError:
            return None

    return await eventually(tried, within=120, what="the api did not come back")


async def _until_inbound(platform: Platform, text: str) -> None:
    async def arrived() -> bool | None:
        listed = await platform.client.get("/v1/inbound-messages")
        return True if text in listed.text else None

    await eventually(arrived, within=120, what="the inbound message never arrived")
