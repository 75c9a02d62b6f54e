"""Is a send checked, refused and accepted as the Graph API would?"""

from typing import Any

import pytest

from tests.integration.sandbox.business import Business, a_text

USER = "+14155557000"
Json = dict[str, Any]


async def test_an_accepted_text_is_answered_with_wa_id_and_wamid(business: Business) -> None:
    await business.user_writes(**{"from": USER})

    answer = await business.send("+1 (415) 555-7000", biz_opaque_callback_data="v1.abc")

    assert answer.status_code == 200
    body = answer.json()
    assert body["messaging_product"] == "whatsapp"
    assert body["contacts"] == [{"input": "+1 (415) 555-7000", "wa_id": "14155557000"}]
    assert body["messages"][0].keys() == {"id"}
    assert body["messages"][0]["id"].startswith("wamid.")
    assert answer.headers["facebook-api-version"] == "v25.0"
    assert answer.headers["x-fb-trace-id"]
    assert business.waba_id in answer.headers["x-business-use-case-usage"]
    assert "call_count" in answer.headers["x-app-usage"]


async def test_the_ledger_holds_what_was_accepted(business: Business) -> None:
    await business.user_writes(**{"from": USER})

    message_id = await business.send_id(USER, biz_opaque_callback_data="v1.abc")

    (entry,) = await business.ledger()
    assert entry["message_id"] == message_id
    assert entry["to"] == USER
    assert entry["sender"] == business.phone_id
    assert entry["reference"] == "v1.abc"
    assert entry["body"] == a_text(USER) | {"biz_opaque_callback_data": "v1.abc"}
    assert isinstance(entry["received_at"], float)


async def test_statuses_repeat_our_reference_and_price_the_message(business: Business) -> None:
    await business.user_writes(**{"from": USER})

    message_id = await business.send_id(USER, biz_opaque_callback_data="v1.abc")

    statuses = await business.inbox.statuses_of(message_id, 3)
    by_status = {status["status"]: status for status in statuses}
    assert by_status.keys() == {"sent", "delivered", "read"}
    for status in statuses:
        assert status["recipient_id"] == "14155557000"
        assert status["recipient_user_id"].startswith("US.")
        assert status["biz_opaque_callback_data"] == "v1.abc"
        assert status["timestamp"].isdecimal()
    assert by_status["sent"]["pricing"] == {
        "billable": False,
        "pricing_model": "PMP",
        "type": "free_customer_service",
        "category": "service",
    }
    assert "pricing" not in by_status["read"]
    assert all(webhook.is_signed_with(business.app_secret) for webhook in business.inbox.webhooks)


async def test_a_user_without_a_phone_number_is_reached_by_its_scoped_id(business: Business) -> None:
    user = "US.13491208655302741918"
    await business.user_writes(from_user_id=user)
    message = a_text() | {"recipient": user}
    del message["to"]

    answer = await business.post_message(message)

    assert answer.json()["contacts"] == [{"input": user, "user_id": user}]
    statuses = await business.inbox.statuses_of(answer.json()["messages"][0]["id"], 3)
    assert all("recipient_id" not in status for status in statuses)
    assert all(status["recipient_user_id"] == user for status in statuses)
    (inbound,) = business.inbox.messages()
    assert inbound["from_user_id"] == user
    assert "from" not in inbound


async def test_to_wins_over_recipient(business: Business) -> None:
    await business.user_writes(**{"from": USER})

    answer = await business.send(USER, recipient="US.1349")

    assert answer.json()["contacts"] == [{"input": USER, "wa_id": "14155557000"}]


async def test_free_form_content_needs_an_open_window(business: Business, rival: Business) -> None:
    await rival.user_writes(**{"from": USER})

    answer = await business.send(USER)

    assert_refused(answer.json(), 131047, "(#131047) Re-engagement message")
    assert answer.status_code == 400
    assert await business.ledger() == []


async def test_marking_an_inbound_message_read_needs_no_recipient(business: Business) -> None:
    message_id = await business.user_writes(**{"from": USER})

    answer = await business.post_message({"messaging_product": "whatsapp", "status": "read", "message_id": message_id})

    assert answer.json() == {"success": True}


MEDIA = {"link": "https://cdn.example.com/a.jpg"}


@pytest.mark.parametrize(
    "kind, value",
    [
        ("text", {"body": "é" * 4096, "preview_url": True}),
        ("image", MEDIA | {"caption": "c" * 1024}),
        ("document", {"id": "137", "filename": "order.pdf", "caption": "Your order"}),
        ("video", MEDIA),
        ("audio", {"id": "5", "voice": True}),
        ("sticker", {"id": "5"}),
        ("location", {"latitude": "37.75", "longitude": -122.42, "name": "HQ"}),
        ("contacts", [{"name": {"formatted_name": "Ana Diaz", "first_name": "Ana"}}]),
        ("reaction", {"message_id": "wamid.X", "emoji": "😀"}),
        (
            "interactive",
            {
                "type": "button",
                "body": {"text": "Keep it?"},
                "action": {"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]},
            },
        ),
    ],
)
async def test_every_content_type_is_taken(business: Business, kind: str, value: object) -> None:
    await business.user_writes(**{"from": USER})
    message = a_text(USER) | {"type": kind, kind: value}

    answer = await business.post_message(message)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"messaging_product": "sms"}, 100),
        ({"to": None}, 100),
        ({"to": 14155557000}, 131009),
        ({"to": "not a number"}, 131009),
        ({"to": "+0123456789"}, 131009),
        ({"to": "123"}, 131009),
        ({"to": None, "recipient": "nobody"}, 131009),
        ({"recipient_type": "group"}, 131009),
        ({"type": None}, 100),
        ({"type": "fax"}, 131051),
        ({"text": None}, 131008),
        ({"text": "hello"}, 100),
        ({"text": {"body": ""}}, 100),
        ({"text": {"body": "x" * 4097}}, 100),
        ({"text": {"body": "😀" * 2049}}, 100),
        ({"type": "image", "image": {}}, 131009),
        ({"type": "image", "image": MEDIA | {"id": "1"}}, 131009),
        ({"type": "image", "image": {"link": "ftp://x"}}, 131009),
        ({"type": "image", "image": MEDIA | {"caption": "c" * 1025}}, 100),
        ({"type": "image", "image": MEDIA | {"filename": "a.jpg"}}, 100),
        ({"type": "document", "document": MEDIA | {"caption": ""}}, 100),
        ({"type": "location", "location": {"latitude": 91, "longitude": 0}}, 131009),
        ({"type": "contacts", "contacts": []}, 131009),
        ({"type": "interactive", "interactive": {"type": "button"}}, 131009),
        ({"type": "template", "template": []}, 131008),
        ({"biz_opaque_callback_data": "x" * 513}, 100),
    ],
)
async def test_a_malformed_send_is_refused_and_leaves_no_trace(business: Business, changes: Json, code: int) -> None:
    await business.user_writes(**{"from": USER})
    message = {key: value for key, value in (a_text(USER) | changes).items() if value is not None}

    answer = await business.post_message(message)

    assert answer.status_code == 400
    assert_refused(answer.json(), code)
    assert await business.ledger() == []


async def test_a_number_cannot_write_to_itself(business: Business) -> None:
    answer = await business.send(business.display)

    assert_refused(answer.json(), 131021)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"a": "\xff"}', b"[" * 10_000])
async def test_a_body_that_is_no_object_is_refused(business: Business, body: bytes) -> None:
    answer = await business.http.post(
        f"/v25.0/{business.phone_id}/messages",
        content=body,
        headers={"authorization": f"Bearer {business.token}"},
    )

    assert answer.status_code == 400
    assert_refused(answer.json(), 100)


@pytest.mark.parametrize("headers, code", [({}, 104), ({"authorization": "Bearer wrong"}, 190)])
async def test_a_caller_without_a_valid_token_is_turned_away(
    business: Business, headers: dict[str, str], code: int
) -> None:
    answer = await business.http.post(f"/v25.0/{business.phone_id}/messages", json=a_text(), headers=headers)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["type"] == "OAuthException"


async def test_another_accounts_number_and_unknown_ids_are_refused(business: Business, rival: Business) -> None:
    foreign = await business.call("POST", f"{rival.phone_id}/messages", a_text())
    unknown = await business.call("POST", "999/messages", a_text())

    assert foreign.status_code == 403
    assert foreign.json()["error"]["code"] == 10
    assert unknown.status_code == 400
    error = unknown.json()["error"]
    assert (error["code"], error["error_subcode"]) == (100, 33)
    assert error["type"] == "GraphMethodException"


def assert_refused(body: Json, code: int, message: str | None = None) -> None:
    error = body["error"]
    assert error["code"] == code
    assert error["type"] == "OAuthException"
    assert error["fbtrace_id"]
    if code > 130_000:
        assert error["error_data"]["messaging_product"] == "whatsapp"
        assert error["error_data"]["details"]
    if message is not None:
        assert error["message"] == message


@pytest.mark.parametrize(
    ("wrote_from", "to", "wa_id"),
    [
        ("5215512345678", "+525512345678", "5215512345678"),
        ("525512345678", "+5215512345678", "5215512345678"),
        ("5531987654321", "+553187654321", "553187654321"),
        ("541112345678", "+5491112345678", "5491112345678"),
    ],
)
async def test_a_user_known_under_another_number_has_one_window(
    business: Business, wrote_from: str, to: str, wa_id: str
) -> None:
    await business.user_writes(**{"from": wrote_from})

    answer = await business.send(to)

    assert answer.status_code == 200, answer.text
    assert answer.json()["contacts"] == [{"input": to, "wa_id": wa_id}]
