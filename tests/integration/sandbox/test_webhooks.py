"""Are webhooks signed, batched, repeated, shuffled, dropped and retried as asked?"""

import asyncio
import hashlib
import json
from typing import Any

import httpx
import pytest

from tests.integration.sandbox.business import Business, a_template_message
from tests.integration.sandbox.receiver import Receiver

USER = "+14155557000"
Json = dict[str, Any]


async def settled(http: httpx.AsyncClient) -> Json:
    """The webhook log once nothing is on its way any more."""
    async with asyncio.timeout(60):
        while True:
            log: Json = (await http.get("/_webhooks")).json()
            if log["pending"] == 0:
                return log


async def test_the_bytes_are_escaped_and_the_signature_covers_exactly_them(business: Business) -> None:
    message = {"type": "text", "text": {"body": "Olá 😀 a/b"}}
    await business.control(
        "inbound",
        {"phone_number_id": business.phone_id, "from": USER, "message": message, "profile": {"name": "Zoë"}},
    )

    await business.inbox.until(lambda: bool(business.inbox.webhooks))
    (webhook,) = business.inbox.webhooks
    assert webhook.body.isascii()
    assert b"Ol\\u00e1 \\ud83d\\ude00 a\\/b" in webhook.body
    assert webhook.is_signed_with(business.app_secret)
    assert not webhook.is_signed_with("another secret")
    assert json.loads(webhook.body)["entry"][0]["id"] == business.waba_id


async def test_an_inbound_message_names_the_user_and_the_number(business: Business) -> None:
    message_id = await business.user_writes(**{"from": USER})

    await business.inbox.until(lambda: bool(business.inbox.messages()))
    (value,) = business.inbox.values("messages")
    (message,) = value["messages"]
    (contact,) = value["contacts"]
    assert value["metadata"]["phone_number_id"] == business.phone_id
    assert value["metadata"]["display_phone_number"].isdecimal()
    assert message["id"] == message_id
    assert message["from"] == contact["wa_id"] == "14155557000"
    assert message["from_user_id"] == contact["user_id"]


@pytest.mark.parametrize(
    "request_body",
    [
        {"from": USER, "message": {"type": "text"}},
        {"message": {"type": "text", "text": {"body": "x"}}},
        {"from": "garbage", "message": {"type": "text", "text": {"body": "x"}}},
        {"from": USER, "message": {"type": "text", "text": {"body": "x"}}, "colour": "red"},
    ],
)
async def test_a_senseless_inbound_request_is_refused(business: Business, request_body: Json) -> None:
    answer = await business.http.post("/_control/inbound", json={"phone_number_id": business.phone_id} | request_body)

    assert answer.status_code == 422
    assert business.inbox.webhooks == []


async def test_a_reaction_does_not_open_the_window(business: Business) -> None:
    message = {"type": "reaction", "reaction": {"message_id": "wamid.X", "emoji": "👍"}}
    await business.control("inbound", {"phone_number_id": business.phone_id, "from": USER, "message": message})

    assert (await business.send(USER)).json()["error"]["code"] == 131047


async def test_a_webhook_is_repeated_byte_for_byte_until_it_gets_a_200(business: Business) -> None:
    business.inbox.answers = [500, 503, 302, 204, 200]

    await business.user_writes(**{"from": USER})

    await business.inbox.until(lambda: len(business.inbox.webhooks) == 5)
    assert len({webhook.body for webhook in business.inbox.webhooks}) == 1
    log = await settled(business.http)
    mine = [line for line in log["data"] if line["url"] == business.inbox.url]
    assert [line["status"] for line in mine] == [500, 503, 302, 204, 200]
    assert [line["acked"] for line in mine] == [False, False, False, False, True]


async def test_tries_are_bounded(business: Business) -> None:
    await business.control("settings", {"webhook_retry_attempts": 2})
    business.inbox.answers = [500, 500]

    await business.user_writes(**{"from": USER})

    log = await settled(business.http)
    assert log["totals"][business.inbox.url]["gave_up"] == 1
    assert len(business.inbox.webhooks) == 2


async def test_the_log_tells_which_bytes_were_acknowledged(business: Business) -> None:
    await business.user_writes(**{"from": USER})
    await business.inbox.until(lambda: bool(business.inbox.webhooks))

    log = await settled(business.http)

    (line,) = [line for line in log["data"] if line["url"] == business.inbox.url]
    assert line["sha256"] == hashlib.sha256(business.inbox.webhooks[0].body).hexdigest()
    assert log["totals"][business.inbox.url]["acked"] == 1


async def test_updates_due_together_share_a_webhook_up_to_the_limit(business: Business) -> None:
    await business.control("settings", {"webhook_batch_max": 4, "webhook_delay_min_ms": 30, "webhook_delay_max_ms": 30})
    await business.approved_template()
    sends = [business.post_message(a_template_message("A", "B", to=f"+1415555{7000 + n}")) for n in range(12)]
    await asyncio.gather(*sends)

    await settled(business.http)

    values = [value for value in business.inbox.values("messages") if "statuses" in value]
    sizes = [len(value["statuses"]) for value in values]
    assert sum(sizes) == 36
    assert max(sizes) <= 4
    assert len(sizes) < 36


async def test_every_status_can_arrive_twice(business: Business) -> None:
    await business.control("settings", {"duplicate_probability": 1.0})
    await business.user_writes(**{"from": USER})

    message_id = await business.send_id(USER)

    statuses = await business.inbox.statuses_of(message_id, 6)
    assert sorted(status["status"] for status in statuses) == sorted(["sent", "delivered", "read"] * 2)


async def test_statuses_can_be_reversed_or_dropped_by_chance(business: Business) -> None:
    await business.user_writes(**{"from": USER})
    await business.control("settings", {"reorder_probability": 1.0, "webhook_concurrency": 1})
    reversed_id = await business.send_id(USER)
    await business.inbox.statuses_of(reversed_id, 3)
    await business.control("settings", {"reorder_probability": 0.0, "drop_probability": 1.0})

    dropped_id = await business.send_id(USER)
    await settled(business.http)

    assert [s["status"] for s in business.inbox.statuses(reversed_id)] == ["read", "delivered", "sent"]
    assert business.inbox.statuses(dropped_id) == []


async def test_without_a_webhook_url_nothing_is_posted(business: Business) -> None:
    await business.join(webhook_url=None)
    await business.user_writes(**{"from": USER})

    await business.send(USER)
    await settled(business.http)

    assert business.inbox.webhooks == []


async def test_older_webhook_versions_carry_a_conversation(business: Business) -> None:
    await business.control("settings", {"conversation_in_statuses": True})
    await business.user_writes(**{"from": USER})

    message_id = await business.send_id(USER)

    by_status = {s["status"]: s for s in await business.inbox.statuses_of(message_id, 3)}
    assert by_status["sent"]["conversation"]["expiration_timestamp"].isdecimal()
    assert "expiration_timestamp" not in by_status["delivered"]["conversation"]
    assert "conversation" not in by_status["read"]


async def test_an_override_takes_messages_but_not_template_events(business: Business, receiver: Receiver) -> None:
    other = receiver.inbox(f"override-{business.waba_id}")
    path = f"{business.waba_id}/subscribed_apps"

    done = await business.call("POST", path, {"override_callback_uri": other.url, "verify_token": other.verify_token})
    await business.user_writes(**{"from": USER})
    await business.approved_template()
    await other.until(lambda: bool(other.messages()))

    assert done.json() == {"success": True}
    assert business.inbox.messages() == []
    shown = (await business.call("GET", path)).json()["data"]
    assert shown[0]["override_callback_uri"] == other.url


async def test_a_numbers_override_beats_the_accounts_and_an_empty_one_ends_it(
    business: Business, receiver: Receiver
) -> None:
    own = receiver.inbox(f"number-{business.waba_id}")
    configuration = {"override_callback_uri": own.url, "verify_token": own.verify_token}
    await business.call("POST", business.phone_id, {"webhook_configuration": configuration})
    await business.user_writes(**{"from": USER})
    await own.until(lambda: bool(own.messages()))
    node = (await business.call("GET", business.phone_id, fields="webhook_configuration")).json()

    await business.call("POST", business.phone_id, {"webhook_configuration": {"override_callback_uri": ""}})
    await business.user_writes(**{"from": USER})
    await business.inbox.until(lambda: bool(business.inbox.messages()))

    assert node["webhook_configuration"]["phone_number"] == own.url
    assert len(own.messages()) == 1


async def test_an_override_that_fails_the_handshake_is_refused(business: Business) -> None:
    override = {"override_callback_uri": business.inbox.url, "verify_token": "wrong"}

    answer = await business.call("POST", f"{business.waba_id}/subscribed_apps", override)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == 2200
    assert "HTTP Status Code = 403; HTTP Message = Forbidden" in error["message"]


async def test_an_unsubscribed_app_hears_nothing_and_cannot_override(business: Business) -> None:
    path = f"{business.waba_id}/subscribed_apps"
    override = {"override_callback_uri": business.inbox.url, "verify_token": business.inbox.verify_token}

    await business.call("DELETE", path)
    await business.user_writes(**{"from": USER})
    await settled(business.http)
    refused = await business.call("POST", path, override)
    silent = list(business.inbox.webhooks)
    again = await business.call("POST", path)
    await business.user_writes(**{"from": USER})

    await business.inbox.until(lambda: len(business.inbox.messages()) == 1)
    assert silent == []
    assert refused.json()["error"]["code"] == 100
    assert again.json() == {"success": True}


async def test_numbers_are_listed_with_the_fields_asked_for(business: Business) -> None:
    path = f"{business.waba_id}/phone_numbers"

    whole = (await business.call("GET", path)).json()["data"]
    part = (await business.call("GET", path, fields="quality_rating,certificate")).json()["data"]

    assert whole[0]["status"] == "CONNECTED"
    assert whole[0]["throughput"] == {"level": "STANDARD"}
    assert part == [{"id": business.phone_id, "quality_rating": "GREEN"}]


async def test_message_history_tells_what_happened_to_a_known_id(business: Business, rival: Business) -> None:
    await business.user_writes(**{"from": USER})
    message_id = await business.send_id(USER)
    await business.inbox.statuses_of(message_id, 3)
    await settled(business.http)

    found = await business.call("GET", f"{business.phone_id}/message_history", message_id=message_id)
    foreign = await rival.call("GET", f"{rival.phone_id}/message_history", message_id=message_id)

    events = found.json()["data"][0]["events"]["data"]
    assert [event["delivery_status"] for event in events] == ["ACCEPTED", "SENT", "DELIVERED", "READ"]
    assert events[1]["webhook_update_state"] == "ACCEPTED"
    assert foreign.status_code == 422


async def test_an_unknown_edge_is_a_graph_error(business: Business) -> None:
    answer = await business.call("GET", f"{business.phone_id}/horoscope")

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 100
