"""E-mail by SMTP, from the request to the last that is heard of it, with every process real."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from messaging.entrypoints.lab.dev.processes.ports import free_ports
from tests.journeys.platform import Platform, eventually, running_platform

_SENDER = "orders@shop.example"


@pytest.fixture(scope="module")
async def mailing() -> AsyncIterator[Platform]:
    """A platform that takes returned mail, and a sandbox that knows where."""
    inbound = free_ports().worker
    settings = {"APP_SMTP_RETURN_DOMAIN": "bounces.example", "APP_SMTP_INBOUND_PORT": str(inbound)}
    async with running_platform(settings) as platform:
        exchangers = {"exchangers": {"bounces.example": f"127.0.0.1:{inbound}"}}
        told = await platform.sandbox.post("/_control/smtp", json=exchangers)
        assert told.status_code == 200, told.text
        account = await _made(
            platform, "/v1/provider-accounts", provider="smtp", name="Mail", external_id="smtp.shop.example",
            username="shop", password="s3cret-of-the-mailbox",
        )  # fmt: skip
        await _made(
            platform, "/v1/senders", account_id=account["id"], channel="email", external_id=_SENDER, address=_SENDER,
            name="The Shop", per_second=100,
        )  # fmt: skip
        yield platform


async def _made(platform: Platform, path: str, **body: Any) -> dict[str, Any]:
    answer = await platform.client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _mail(to: str) -> dict[str, Any]:
    text, html = "It has shipped.", "<p>It has shipped.</p>"
    content = {"type": "email", "subject": "Your order A-1042", "text": text, "html": html}
    return {"to": to, "channel": "email", "content": content}


async def test_a_mail_is_taken_by_the_mail_server(mailing: Platform) -> None:
    id = await mailing.accepted(_mail("ana@mail.example"))

    # Nothing more will be heard of it, unless it comes back.
    await mailing.until(id, "sent")

    (entry,) = await _ledger(mailing, "ana@mail.example")
    assert (await mailing.ledger())[id] == 1
    assert entry["provider"] == "smtp"
    assert entry["sender"] == _SENDER
    assert entry["login"] == "shop"
    assert entry["return_path"].endswith("@bounces.example")
    assert entry["body"]["subject"] == "Your order A-1042"


async def test_a_mail_that_comes_back_has_failed(mailing: Platform) -> None:
    id = await mailing.accepted(_mail("bounce@mail.example"))

    message = await mailing.until(id, "failed")

    assert message["error"]["code"] == "5.1.1"
    assert "No such user" in message["error"]["reason"]


async def test_a_mail_whose_fate_was_unclear_has_failed_if_it_comes_back(mailing: Platform) -> None:
    id = await mailing.accepted(_mail("lost-bounce@mail.example"))

    await mailing.until(id, "failed")

    assert len(await _ledger(mailing, "lost-bounce@mail.example")) == 1


async def test_a_mail_whose_fate_stays_unclear_is_left_to_a_person_at_once_and_not_sent_again(
    mailing: Platform,
) -> None:
    """A mail server can be asked nothing, so waiting out the grace, an hour, would teach nothing."""
    id = await mailing.accepted(_mail("lost-after@mail.example"))

    await mailing.until(id, "unconfirmed")

    assert (await mailing.ledger())[id] == 1
    types = [entry["type"] for entry in await mailing.timeline(id)]
    assert types[-2:] == ["message.unknown", "message.unconfirmed"]


async def test_complaints_and_automatic_answers_are_kept_as_events(mailing: Platform) -> None:
    ids = [await mailing.accepted(_mail(f"{name}@mail.example")) for name in ("complaint", "auto-reply")]

    async def heard() -> set[str] | None:
        answer = await mailing.client.get("/v1/provider-events", params={"limit": 100})
        kinds = {event["kind"] for event in answer.json()["data"]}
        return kinds if {"complaint", "auto_reply"} <= kinds else None

    await eventually(heard, within=120, what="the mail never came back")
    assert {await mailing.status(id) for id in ids} <= {"submitted", "sent"}


async def _ledger(platform: Platform, to: str) -> list[dict[str, Any]]:
    page = (await platform.sandbox.get("/_ledger")).json()
    return [entry for entry in page["data"] if entry["to"] == to]
