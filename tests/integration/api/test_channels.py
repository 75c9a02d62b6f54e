"""Text messages and mails through the whole API: whom they reach, from whom, what they say and what they cost."""

from base64 import b64encode

import pytest

from tests.integration.api.callers import Json, Shop

ACCOUNT = {
    "provider": "twilio",
    "name": "Texts",
    "external_id": "ACb1d0f3a7c94e4d2f8a6c5e7b90123456",
    "auth_tokens": ["3f9a1c5e7b90123456b1d0f3a7c94e4d"],
}
MAIL_ACCOUNT = {"provider": "smtp", "name": "Mail", "external_id": "smtp.shop.example"}
ABROAD, AT_HOME = "+447700900123", "+14155550199"


@pytest.fixture
async def texts(shop: Shop) -> Shop:
    """A shop that also has two senders of SMS: a name, which is preferred, and a number."""
    account = await _made(shop, "/v1/provider-accounts", ACCOUNT)
    for rank, address in enumerate(("Northwind", "+14155550142")):
        sender = {"account_id": account["id"], "channel": "sms", "external_id": address, "address": address}
        await _made(shop, "/v1/senders", sender | {"name": address, "rank": rank})
    return shop


async def _made(shop: Shop, path: str, body: Json) -> Json:
    response = await shop.post(path, body)
    assert response.status_code == 201, response.text
    return dict(response.json())


def a_text(body: str = "Your parcel has come.", **changes: str) -> Json:
    return {"to": ABROAD, "channel": "sms", "content": {"type": "text", "body": body}} | changes


async def test_a_text_message_goes_to_a_person_who_never_wrote_and_is_found_by_the_number(texts: Shop) -> None:
    sent = await texts.post("/v1/messages", a_text(to="+44 7700 900123"))
    listed = await texts.get("/v1/messages", params={"to": "+44 (0)7700 900123"})

    assert sent.status_code == 202, sent.text
    assert (sent.json()["to"], sent.json()["channel"]) == (ABROAD, "sms")
    [message] = listed.json()["data"]
    assert (message["id"], message["content"]["body"]) == (sent.json()["id"], "Your parcel has come.")


async def test_a_check_tells_what_an_emoji_costs(texts: Shop) -> None:
    plain, emoji = [await texts.post("/v1/messages/check", a_text("a" * 160 + end)) for end in ("", "😀")]

    assert plain.json()["segments"] == {"encoding": "gsm7", "segments": 1, "units": 160, "not_gsm": []}
    assert emoji.json()["segments"] == {"encoding": "ucs2", "segments": 3, "units": 162, "not_gsm": ["😀"]}
    assert plain.json()["window"] == "not_needed"


async def test_the_sender_is_one_that_reaches_the_recipient(texts: Shop) -> None:
    senders = {sender["address"]: sender["id"] for sender in (await texts.get("/v1/senders")).json()["data"]}
    checked = [(await texts.post("/v1/messages/check", a_text(to=to))).json()["sender"] for to in (ABROAD, AT_HOME)]
    named = await texts.post("/v1/messages", a_text(to=AT_HOME, **{"from": senders["Northwind"]}))

    assert checked == [senders["Northwind"], senders["+14155550142"]]
    assert [error["code"] for error in named.json()["errors"]] == ["sender_cannot_reach"]


async def test_everything_wrong_with_a_text_message_is_listed(texts: Shop) -> None:
    refused = await texts.post("/v1/messages", a_text("a" * 1601, to="ana@example.com"))
    mail = await texts.post("/v1/messages", a_text() | {"content": {"type": "email", "subject": "Hi", "text": "Hello"}})

    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [
        ("/to", "recipient_channel_mismatch"),
        ("/content/body", "value_too_long"),
    ]
    assert [(error["pointer"], error["code"]) for error in mail.json()["errors"]] == [
        ("/content/type", "content_not_carried")
    ]


# --- e-mail -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def mails(shop: Shop) -> Shop:
    """A shop that also has a mailbox to send from."""
    account = await _made(shop, "/v1/provider-accounts", MAIL_ACCOUNT)
    sender = {"account_id": account["id"], "channel": "email", "external_id": "orders@shop.example", "name": "Mail"}
    made = await _made(shop, "/v1/senders", sender | {"address": '"Northwind" <orders@Shop.example>'})
    assert made["address"] == "Northwind <orders@shop.example>"
    return shop


def a_mail(to: str = "ana.silva@example.com", **content: object) -> Json:
    return {
        "to": to,
        "channel": "email",
        "content": {"type": "email", "subject": "Invoice", "text": "Hello", **content},
    }


async def test_a_mail_is_found_by_any_spelling_of_its_address_and_shown_without_the_bytes_of_its_files(
    mails: Shop,
) -> None:
    file = {"filename": "a.pdf", "content_type": "application/pdf", "content": b64encode(b"%PDF-1.7").decode()}

    sent = await mails.post("/v1/messages", a_mail("Ana+x@B\u00fccher.example", attachments=[file]))
    listed = await mails.get("/v1/messages?to=ana+x@xn--bcher-kva.example")

    assert sent.status_code == 202, sent.text
    assert sent.json()["to"] == "Ana+x@xn--bcher-kva.example"
    [message] = listed.json()["data"]
    assert message["id"] == sent.json()["id"]
    assert message["content"]["attachments"] == [{"filename": "a.pdf", "content_type": "application/pdf", "bytes": 8}]


async def test_everything_wrong_with_a_mail_is_listed(mails: Shop) -> None:
    refused = await mails.post(
        "/v1/messages",
        a_mail(
            "+14155550100",
            subject="Hello\r\nBcc: eve@example.com",
            html="<p onclick=x>Hello</p>",
            attachments=[{"filename": "../a", "content_type": "a/b", "content": "AA=="}],
        ),
    )

    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [
        ("/to", "recipient_channel_mismatch"),
        ("/content/subject", "header_injection"),
        ("/content/html", "html_unsafe"),
        ("/content/attachments/0/filename", "filename_invalid"),
    ]
