"""What does the webhooks process answer, and what is in Postgres when it has?"""

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from messaging.application.webhooks import raw
from messaging.domain.shared.ids import WebhookId
from messaging.entrypoints.http_server.listening import listening
from messaging.entrypoints.webhooks.receive import BODY_CAP
from tests.builders import ACCOUNT, TENANT
from tests.conftest import Stoppable
from tests.integration.webhooks import meta
from tests.integration.webhooks.platform import PATH, TOKEN, Platform, platform_on
from tests.unit.application.webhooks.doubles import Counts

BODY = meta.webhook(meta.statuses(meta.status("wamid.1")))

STORED = "SELECT count(*) FROM raw_webhooks"


async def test_a_signed_webhook_is_answered_after_it_is_stored_with_its_dispatch(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    answer = await client.post(PATH, content=BODY, headers=meta.signed(BODY))

    assert (answer.status_code, answer.content) == (200, b"")
    (row,) = await platform.rows("SELECT * FROM raw_webhooks")
    assert (row["tenant_id"], row["account_id"], row["status"]) == (TENANT, ACCOUNT, "stored")
    kept = raw.unseal(platform.cipher, WebhookId(row["id"]), row["sealed"])
    assert kept.body == BODY
    assert meta.signed(BODY).items() <= kept.headers.items()
    (dispatch,) = await platform.rows("SELECT subject_id, kind FROM dispatches")
    assert dispatch == {"subject_id": row["id"], "kind": "process_webhook"}


async def test_a_repeated_webhook_is_acknowledged_and_kept_once(client: httpx.AsyncClient, platform: Platform) -> None:
    answers = [await client.post(PATH, content=BODY, headers=meta.signed(BODY)) for _ in range(2)]
    answers += await asyncio.gather(*(client.post(PATH, content=BODY, headers=meta.signed(BODY)) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert await platform.value(STORED) == 1


FORGERIES = {
    "unsigned": {},
    "empty": {"x-hub-signature-256": ""},
    "no digest": {"x-hub-signature-256": "sha256="},
    "not ASCII": {"x-hub-signature-256": "sha256=\u00e9"},
    "SHA-1 only": {"x-hub-signature": meta.signed(BODY)["x-hub-signature-256"].replace("sha256", "sha1")},
    "bare digest": {"x-hub-signature-256": meta.signed(BODY)["x-hub-signature-256"].removeprefix("sha256=")},
    "another tenant's secret": meta.signed(BODY, "another tenant's secret"),
    "another body": meta.signed(BODY + b" "),
}


async def test_a_forged_webhook_is_refused_and_leaves_no_trace(client: httpx.AsyncClient, platform: Platform) -> None:
    answers = {}
    for name, headers in FORGERIES.items():
        given = [(header.encode(), value.encode("latin-1")) for header, value in headers.items()]
        answers[name] = await client.post(PATH, content=BODY, headers=given)

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(FORGERIES, 401)
    # Nobody learns from the answer which part was wrong.
    assert {answer.content for answer in answers.values()} == {
        b'{"type":"about:blank","title":"Unauthorized","status":401}'
    }
    assert await platform.value(STORED) == 0


async def test_a_secret_in_rotation_verifies_too(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, content=BODY, headers=meta.signed(BODY, "old"))

    assert answer.status_code == 200


NOBODYS = (
    "/webhooks/whatsapp_cloud/wht_0000000000000000",
    f"/webhooks/twilio/{TOKEN}",
    f"/webhooks/whatsapp_cloud/{TOKEN}/more",
    "/webhooks/whatsapp_cloud/",
    "/webhooks/whatsapp_cloud/%00",
    f"/webhooks/whatsapp_cloud/{TOKEN}%C3%A9",
    f"/hooks/whatsapp_cloud/{TOKEN}",
    "/",
)


async def test_a_path_that_is_nobodys_is_not_found(client: httpx.AsyncClient) -> None:
    answers = {path: await client.post(path, content=BODY, headers=meta.signed(BODY)) for path in NOBODYS}

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(NOBODYS, 404)


async def test_other_methods_are_refused_by_name(client: httpx.AsyncClient) -> None:
    answer = await client.put(PATH, content=BODY, headers=meta.signed(BODY))

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_what_is_authentic_is_stored_even_if_nobody_can_read_it(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    for body in (b"", b"not json", b"[" * 100_000, b"\xff\x00"):
        answer = await client.post(PATH, content=body, headers=meta.signed(body))
        assert answer.status_code == 200

    assert await platform.value(STORED) == 4


async def test_a_body_at_the_cap_is_taken_and_one_above_is_not(client: httpx.AsyncClient, platform: Platform) -> None:
    largest = b" " * BODY_CAP
    taken = await client.post(PATH, content=largest, headers=meta.signed(largest))
    refused = await client.post(PATH, content=largest + b" ", headers=meta.signed(largest + b" "))
    streamed = await client.post(PATH, content=_chunks(BODY_CAP // 65_536 + 1), headers=meta.signed(b""))

    assert [answer.status_code for answer in (taken, refused, streamed)] == [200, 413, 413]
    assert await platform.value(STORED) == 1


async def _chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 65_536


async def test_the_subscription_check_is_answered_as_plain_text(client: httpx.AsyncClient) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": meta.VERIFY_TOKEN, "hub.challenge": "<b>115</b>"}

    answer = await client.get(PATH, params=query)

    assert (answer.status_code, answer.text) == (200, "<b>115</b>")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_subscription_check_without_our_token_is_refused(client: httpx.AsyncClient) -> None:
    wrong = {"hub.mode": "subscribe", "hub.verify_token": "wrong", "hub.challenge": "1"}
    for query in ({}, wrong, {"hub.challenge": "1"}):
        assert (await client.get(PATH, params=query)).status_code == 401
        assert (await client.get("/webhooks/whatsapp_cloud/unknown", params=query)).status_code == 404


async def test_no_log_line_holds_the_token_the_secret_or_the_body(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="messaging"):
        await client.post(PATH, content=BODY, headers=meta.signed(BODY))
        await client.post(PATH, content=BODY, headers=meta.signed(BODY, "wrong"))

    spoken = " ".join(str(line.__dict__) for line in caplog.records if line.name.startswith("messaging"))
    assert not any(secret in spoken for secret in (TOKEN, meta.APP_SECRET, "wamid.1", "14155552671"))


async def test_a_body_cut_short_stores_nothing_and_disturbs_nobody(platform: Platform) -> None:
    async with listening(platform.app, host="127.0.0.1", port=0, telemetry=Counts()) as port:
        head = "".join(f"{name}: {value}\r\n" for name, value in meta.signed(BODY).items())
        request = f"POST {PATH} HTTP/1.1\r\nhost: x\r\n{head}content-length: {len(BODY)}\r\n\r\n".encode()
        _, hung_up = await asyncio.open_connection("127.0.0.1", port)
        hung_up.write(request + BODY[:-20])
        await hung_up.drain()
        hung_up.close()
        await hung_up.wait_closed()
        short = request.replace(f"length: {len(BODY)}".encode(), f"length: {len(BODY) - 20}".encode())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(short + BODY[:-20])
        status_line = await reader.readline()
        writer.close()
        await writer.wait_closed()

    assert status_line.split()[1] == b"401"
    assert await platform.value(STORED) == 0


async def test_while_postgres_is_away_nothing_is_acknowledged_and_afterwards_it_is(
    stoppable: Stoppable, redis_url: str
) -> None:
    async with platform_on(stoppable.database, redis_url) as platform:
        transport = httpx.ASGITransport(platform.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hooks.test") as client:
            before = await client.post(PATH, content=BODY, headers=meta.signed(BODY))
            await stoppable.server.stop()
            other = BODY + b" "
            away = await client.post(PATH, content=other, headers=meta.signed(other))
            await stoppable.server.start()
            after = await client.post(PATH, content=other, headers=meta.signed(other))

        assert [answer.status_code for answer in (before, away, after)] == [200, 503, 200]
        assert away.headers["retry-after"] == "5"
        assert await platform.value(STORED) == 2


async def test_the_operations_paths_answer_beside_the_webhooks(client: httpx.AsyncClient) -> None:
    answers = {path: await client.get(path) for path in ("/healthz", "/readyz", "/metrics")}

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert "messaging_webhooks_received_total" in answers["/metrics"].text
