"""From submission to the delivery report through the whole platform, and Twilio's webhooks at its door."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from messaging.adapters.providers.twilio.webhooks.signature import HEADER
from messaging.entrypoints.lab.dev.servers.logins import Logins
from tests.builders import SENDER
from tests.integration.providers.twilio.platform import PATH, Platform, eventually, running
from tests.integration.providers.twilio.sending import NUMBER, SERVICE, TOKEN
from tests.unit.adapters.twilio.requests import a_status, a_webhook, an_inbound

STORED = "SELECT count(*) FROM raw_webhooks"


@pytest.fixture
async def platform(database: str, redis_url: str, logins: Logins, tmp_path: Path) -> AsyncIterator[Platform]:
    async with running(database, redis_url, logins, tmp_path) as platform:
        yield platform


@pytest.fixture
async def hooks(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of the webhooks application that names another host than the public one, as proxies do."""
    forwarded = {"host": "internal.local", "x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(platform.app), headers=forwarded) as client:
        yield client


async def post(hooks: httpx.AsyncClient, fields: dict[str, str], url: str, *, signed_for: str = "") -> httpx.Response:
    webhook = a_webhook(fields, url=signed_for or url, token=TOKEN)
    return await hooks.post(url, content=webhook.body, headers=dict(webhook.headers))


async def test_a_message_is_submitted_sent_and_delivered(platform: Platform) -> None:
    id = await platform.submit("+14155550100")

    await platform.until(id, "delivered")

    (entry,) = (await platform.sandbox.get("/_ledger")).json()["data"]
    assert entry["body"]["Body"] == "Your order has shipped."
    assert entry["body"]["StatusCallback"].startswith(f"{platform.public_url}{PATH}?ref=v1.")
    types = await platform.value("SELECT array_agg(type ORDER BY seq) FROM events WHERE message_id = $1::uuid", id)
    assert types[:4] == ["message.accepted", "attempt.claimed", "attempt.started", "message.submitted"]
    assert set(types[4:]) == {"receipt.sent", "receipt.delivered"}


async def test_an_undelivered_message_fails_with_twilios_reason(platform: Platform) -> None:
    id = await platform.submit("+14155550112")

    await platform.until(id, "failed")

    code = await platform.value("SELECT error_code FROM messages WHERE id = $1::uuid", id)
    assert code == "30005"


async def test_a_send_whose_answer_was_lost_is_settled_by_its_webhook_and_never_repeated(platform: Platform) -> None:
    id = await platform.submit("+14155550152")

    await platform.until(id, "delivered")

    assert len((await platform.sandbox.get("/_ledger")).json()["data"]) == 1


async def test_a_send_whose_answer_and_webhooks_were_lost_is_found_by_asking(platform: Platform) -> None:
    id = await platform.submit("+14155550158")

    await platform.until(id, "submitted")

    (entry,) = (await platform.sandbox.get("/_ledger")).json()["data"]
    known = await platform.value("SELECT provider_message_id FROM attempts WHERE message_id = $1::uuid", id)
    assert known == entry["message_id"]


async def test_a_persons_message_is_the_senders(platform: Platform) -> None:
    spec = {"to": NUMBER, "from": "+15558675310", "body": "STOP", "fields": {"OptOutType": "STOP"}}
    assert (await platform.sandbox.post("/_control/twilio/inbound", json=spec)).is_success

    async def arrived() -> bool:
        await platform.application.webhooks.process()()
        return bool(await platform.value("SELECT count(*) FROM inbound_messages WHERE sender_id = $1", SENDER))

    await eventually(arrived)


async def test_a_messaging_service_sends_and_hears_of_what_people_write_to_its_numbers(
    database: str, redis_url: str, logins: Logins, tmp_path: Path
) -> None:
    async with running(database, redis_url, logins, tmp_path, sender=SERVICE) as platform:
        id = await platform.submit("+14155550105")

        await platform.until(id, "delivered")

        async def replied() -> bool:
            await platform.application.webhooks.process()()
            return bool(await platform.value("SELECT count(*) FROM inbound_messages WHERE sender_id = $1", SENDER))

        await eventually(replied)
        (entry,) = (await platform.sandbox.get("/_ledger")).json()["data"]
        assert (entry["sender"], entry["from_"]) == (SERVICE, NUMBER)


async def test_a_webhook_is_checked_with_the_public_url_whatever_host_the_caller_names(
    platform: Platform, hooks: httpx.AsyncClient
) -> None:
    url = f"{platform.public_url}{PATH}?ref=x"

    answer = await post(hooks, a_status(), url)
    elsewhere = await post(hooks, a_status("sent"), url, signed_for=f"http://internal.local{PATH}?ref=x")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert answer.content.endswith(b"<Response/>"), "an answer with words would be sent to the person"
    assert elsewhere.status_code == 401
    assert await platform.value(STORED) == 1


async def test_forgeries_leave_no_trace_and_repetitions_no_second_one(
    platform: Platform, hooks: httpx.AsyncClient
) -> None:
    url = f"{platform.public_url}{PATH}"
    genuine = a_webhook(an_inbound(), url=url, token=TOKEN)
    forgeries = [
        await hooks.post(url, content=genuine.body, headers={**genuine.headers, HEADER: "x"}),
        await hooks.post(url, content=genuine.body.replace(b"Hello", b"Hullo"), headers=dict(genuine.headers)),
        await hooks.post(f"{url}?ref=x", content=genuine.body, headers=dict(genuine.headers)),
        await hooks.get(url),
    ]
    stored = await platform.value(STORED)

    repeated = [await hooks.post(url, content=genuine.body, headers=dict(genuine.headers)) for _ in range(3)]

    assert [answer.status_code for answer in forgeries] == [401] * 4
    assert stored == 0
    assert [answer.status_code for answer in repeated] == [200] * 3
    assert await platform.value(STORED) == 1
