"""What does a caller see of a message it has sent?"""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec

from messaging.entrypoints.api.v1.messages.messages import PublicStatus
from messaging.entrypoints.composition.containers import Application
from tests.integration.api.answers import problem
from tests.integration.api.callers import Json, Platform, Shop
from tests.integration.api.workers import Fate, work_through


async def test_an_accepted_message_can_be_read_back_at_once(shop: Shop) -> None:
    sent = await shop.post(
        "/v1/messages", shop.message(reference="order-1", metadata={"shop": "7"}, **{"from": shop.sender})
    )

    assert sent.status_code == 202
    accepted = sent.json()
    assert (accepted["status"], accepted["channel"], accepted["reference"]) == ("queued", "whatsapp", "order-1")
    message = (await shop.get(accepted["links"]["self"])).json()
    assert message["id"] == accepted["id"]
    assert message["to"] == "+14155550199"
    assert message["content"]["variables"] == {"1": "Ana", "2": "A-1042"}
    assert message["metadata"] == {"shop": "7"}
    assert (message["category"], message["priority"], message["mode"]) == ("utility", "default", "test")
    assert message["sender_id"] == shop.sender
    assert message["template_id"] == shop.template
    assert message["error"] is None
    events = (await shop.get(accepted["links"]["events"])).json()["data"]
    assert [event["type"] for event in events] == ["message.accepted"]


async def test_a_batch_answers_item_by_item(shop: Shop) -> None:
    messages = [shop.message(reference=f"order-{number}") for number in range(5)]

    answer = (await shop.post("/v1/messages/batch", {"messages": messages})).json()

    assert (answer["accepted"], answer["refused"]) == (5, 0)
    assert [item["message"]["reference"] for item in answer["data"]] == [f"order-{number}" for number in range(5)]


async def test_a_check_tells_what_would_happen_and_sends_nothing(shop: Shop) -> None:
    good = (await shop.post("/v1/messages/check", shop.message())).json()
    bad = (await shop.post("/v1/messages/check", shop.message(to="4155550100"))).json()

    assert good["would_send"] is True
    assert good["preview"] == "Hello Ana, your order A-1042 has shipped today."
    assert bad["would_send"] is False
    assert [error["code"] for error in bad["errors"]] == ["country_code_missing"]
    assert (await shop.get("/v1/messages")).json()["data"] == []


async def test_lists_page_newest_first_without_gap_or_repeat(shop: Shop) -> None:
    ids = [await shop.sent(reference=f"order-{number}") for number in range(7)]

    seen: list[str] = []
    path = "/v1/messages?limit=3"
    while True:
        page = (await shop.get(path)).json()
        seen += [message["id"] for message in page["data"]]
        if not page["has_more"]:
            break
        path = f"/v1/messages?limit=3&after={page['next_cursor']}"

    assert seen == ids[::-1]
    assert page["next_cursor"] is None


async def test_lists_are_filtered(shop: Shop) -> None:
    first = await shop.sent(reference="first")
    second = await shop.sent(to="+14155550142", send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())

    async def found(query: str) -> list[str]:
        response = await shop.get(f"/v1/messages?{query}")
        assert response.status_code == 200, response.text
        return [message["id"] for message in response.json()["data"]]

    assert await found("reference=first") == [first]
    assert await found("to=%2B14155550142") == [second]
    assert await found("to=+14155550142") == [second]
    assert await found("status=scheduled") == [second]
    assert await found("status=queued") == [first]
    assert await found("status=delivered") == []
    assert await found("status=scheduled,queued") == [second, first]
    assert await found("status=sent%2Cqueued,queued") == [first]
    assert await found("updated_after=2999-01-01T00:00:00Z") == []
    assert await found("updated_before=2999-01-01T00:00:00Z&status=queued") == [first]
    assert await found("template=order_update") == [second, first]
    assert await found("template=other") == []
    assert await found("created_after=2999-01-01T00:00:00Z") == []
    assert await found("created_before=2999-01-01T00:00:00Z&reference=first") == [first]


async def test_what_failed_for_one_reason_is_listed_page_by_page(shop: Shop, application: Application) -> None:
    refused = [await shop.sent() for _ in range(3)]
    await work_through(application, shop.sender_id, Fate.IS_REFUSED)
    dead = await shop.sent()
    await work_through(application, shop.sender_id, Fate.DIES)

    async def listed(query: str) -> Json:
        response = await shop.get(f"/v1/messages?{query}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    first = await listed("status=dead,failed&limit=2")
    # The order of the statuses means nothing, neither for the list nor for its cursor.
    second = await listed(f"status=failed,dead&limit=2&after={first['next_cursor']}")
    other = await shop.get(f"/v1/messages?status=failed&limit=2&after={first['next_cursor']}")
    of_reason = await listed("error_code=131026&limit=2")
    rest = await listed(f"error_code=131026&limit=2&after={of_reason['next_cursor']}")

    assert [item["id"] for item in (*first["data"], *second["data"])] == [dead, *refused[::-1]]
    assert second["has_more"] is False
    problem(other, 422, "cursor_invalid")
    assert [item["id"] for item in (*of_reason["data"], *rest["data"])] == refused[::-1]
    assert (await listed("error_code=131026&status=dead"))["data"] == []


async def test_a_key_sees_the_messages_of_its_own_mode_only(platform: Platform, shop: Shop) -> None:
    live = await platform.bare_shop(tenant=shop.tenant, mode="live")
    id = await shop.sent()

    assert (await live.get("/v1/messages")).json()["data"] == []
    problem(await live.get(f"/v1/messages/{id}"), 404, "not_found")
    problem(await live.post(f"/v1/messages/{id}/cancel"), 404, "not_found")
    problem(await live.get(f"/v1/provider-accounts/{shop.account}"), 404, "not_found")
    problem(await live.patch(f"/v1/senders/{shop.sender}", {"status": "paused"}), 404, "not_found")


async def test_a_waiting_message_can_be_cancelled_once(shop: Shop) -> None:
    id = await shop.sent(send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())

    cancelled = await shop.post(f"/v1/messages/{id}/cancel")
    again = await shop.post(f"/v1/messages/{id}/cancel")

    assert cancelled.json()["status"] == "cancelled"
    problem(again, 409, "state_conflict")
    events = (await shop.get(f"/v1/messages/{id}/events")).json()["data"]
    assert [event["type"] for event in events] == ["message.accepted", "message.cancelled"]
    assert events[1]["detail"]["by"].startswith("key_")


async def test_a_message_that_is_not_dead_is_not_retried(shop: Shop) -> None:
    id = await shop.sent()

    problem(await shop.post(f"/v1/messages/{id}/retry"), 409, "state_conflict")
    problem(await shop.post(f"/v1/dead-letters/{id}/retry"), 404, "not_found")
    problem(await shop.post(f"/v1/dead-letters/{id}/discard", {"reason": "no"}), 404, "not_found")


async def test_a_dead_letter_can_be_retried(shop: Shop, application: Application) -> None:
    id = await shop.sent()
    await work_through(application, shop.sender_id, Fate.DIES)

    (letter,) = (await shop.get("/v1/dead-letters")).json()["data"]
    assert letter["message_id"] == id
    assert (await shop.get(f"/v1/dead-letters/{id}")).json() == letter
    retried = await shop.post(f"/v1/dead-letters/{id}/retry")

    assert retried.json()["status"] == "queued"
    assert (await shop.get("/v1/dead-letters")).json()["data"] == []
    (settled,) = (await shop.get("/v1/dead-letters?include_settled=true")).json()["data"]
    assert settled["resolved_at"] is not None


async def test_a_dead_letter_can_be_discarded_once(shop: Shop, application: Application) -> None:
    id = await shop.sent()
    await work_through(application, shop.sender_id, Fate.DIES)

    discarded = await shop.post(f"/v1/dead-letters/{id}/discard", {"reason": "The order was cancelled."})
    again = await shop.post(f"/v1/dead-letters/{id}/discard", {"reason": "The order was cancelled."})

    assert discarded.json()["resolution"] is not None
    problem(again, 409, "state_conflict")
    assert (await shop.get(f"/v1/messages/{id}")).json()["status"] == "dead"


async def test_of_two_people_who_discard_at_once_one_is_told_that_it_is_settled(
    shop: Shop, application: Application
) -> None:
    id = await shop.sent()
    await work_through(application, shop.sender_id, Fate.DIES)

    answers = await asyncio.gather(
        *(shop.post(f"/v1/dead-letters/{id}/discard", {"reason": f"click {n}"}) for n in range(4))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    events = (await shop.get(f"/v1/messages/{id}/events")).json()["data"]
    assert [event["type"] for event in events].count("dead_letter.discarded") == 1


async def test_sending_an_unconfirmed_message_again_needs_a_word_about_duplicates(
    shop: Shop, application: Application
) -> None:
    id = await shop.sent()
    await work_through(application, shop.sender_id, Fate.GOES_UNCONFIRMED)
    assert (await shop.get(f"/v1/messages/{id}")).json()["status"] == "unconfirmed"

    problem(await shop.post(f"/v1/messages/{id}/retry"), 409, "duplicate_risk")
    retried = await shop.post(f"/v1/messages/{id}/retry", {"possible_duplicate": True})

    assert retried.json()["status"] == "queued"


async def test_100_identical_requests_at_once_are_one_message(shop: Shop) -> None:
    body = shop.message(reference="once")

    async def ask() -> tuple[int, bytes, str | None]:
        while True:
            response = await shop.post("/v1/messages", body, headers={"Idempotency-Key": "k-1"})
            if response.status_code != 409:
                return response.status_code, response.content, response.headers.get("idempotent-replayed")
            assert response.headers["retry-after"]

    answers = await asyncio.gather(*(ask() for _ in range(100)))

    assert {(status, content) for status, content, _ in answers} == {(202, answers[0][1])}
    assert sorted(str(replayed) for _, _, replayed in answers) == ["None"] + ["true"] * 99
    assert len((await shop.get("/v1/messages")).json()["data"]) == 1


async def test_the_same_key_is_good_for_one_request_only(shop: Shop, platform: Platform) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = await shop.post("/v1/messages", shop.message(reference="one"), headers=headers)
    respelt = await shop.request(
        "POST",
        "/v1/messages",
        content=msgspec.json.format(msgspec.json.encode(shop.message(reference="one"), order="sorted"), indent=4),
        headers=headers | {"Content-Type": "application/json"},
    )
    other_body = await shop.post("/v1/messages", shop.message(reference="two"), headers=headers)
    other_route = await shop.post("/v1/messages/batch", {"messages": [shop.message(reference="one")]}, headers=headers)
    stranger = await platform.shop()
    elsewhere = await stranger.post("/v1/messages", stranger.message(reference="one"), headers=headers)

    assert respelt.content == first.content
    assert respelt.headers["idempotent-replayed"] == "true"
    problem(other_body, 422, "idempotency_key_reused")
    problem(other_route, 422, "idempotency_key_reused")
    assert (elsewhere.status_code, "idempotent-replayed" in elsewhere.headers) == (202, False)


async def test_a_trace_of_the_callers_goes_on(shop: Shop) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "X-Request-Id": "order-42/try-1"}

    response = await shop.post("/v1/messages", shop.message(), headers=headers)
    invalid = await shop.get("/v1/key", headers={"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"})

    assert response.headers["traceparent"].startswith(f"00-{trace}-")
    assert not response.headers["traceparent"].endswith("00f067aa0ba902b7-01")
    assert response.headers["x-request-id"] == "order-42/try-1"
    assert "0" * 32 not in invalid.headers["traceparent"]


def test_the_statuses_one_can_ask_for_are_the_public_ones() -> None:
    from typing import get_args

    from messaging.domain.messages.state import State, public

    assert set(get_args(PublicStatus)) == {public(state) for state in State}
