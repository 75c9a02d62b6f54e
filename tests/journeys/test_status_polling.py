"""What becomes of messages about which the provider keeps silent, and of those whose fate only the others tell?"""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.journeys.platform import Platform, eventually, running_platform

# Seven days in fourteen seconds.
_SETTINGS = {
    "APP_ECHO_GRACE_SECONDS": "2",
    "APP_CHECK_EVERY_SECONDS": "0.5",
    "APP_WHATSAPP_MESSAGE_HISTORY": "true",
    "APP_HISTORY_REQUESTS_PER_HOUR": "10000",
    "APP_RESEND_MIN_LATER_RECEIPTS": "3",
    "APP_RESEND_CLOCK_MARGIN_SECONDS": "0.001",
}


@pytest.fixture(scope="module")
async def impatient() -> AsyncIterator[Platform]:
    """A platform of its own: where every silence is asked after, no other journey could see a lost webhook."""
    async with running_platform(_SETTINGS) as platform:
        yield platform


@pytest.fixture(scope="module", autouse=True)
async def forgotten(impatient: Platform) -> str:
    """A message whose 28 checks go on while the other tests run."""
    return await impatient.accepted(impatient.order("+14155550103"))


@asynccontextmanager
async def provider_set(platform: Platform, **settings: Any) -> AsyncIterator[None]:
    """The sandbox behaves otherwise for a while."""
    before = (await platform.sandbox.get("/_control/settings")).json()
    answer = await platform.sandbox.post("/_control/settings", json=settings)
    assert answer.is_success, answer.text
    try:
        yield
    finally:
        await platform.sandbox.post("/_control/settings", json={name: before[name] for name in settings})


async def once(platform: Platform, mode: str, to: str) -> None:
    """The provider fails in this way at the next send to this recipient."""
    fault = {"mode": mode, "times": 1, "match": {"to": to}}
    answer = await platform.sandbox.post("/_control/faults", json=fault)
    assert answer.is_success, answer.text


async def entry(platform: Platform, id: str, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
    """The first line of the timeline of this kind, once it is there."""

    async def look() -> dict[str, Any] | None:
        return next(filter(wanted, await platform.timeline(id)), None)

    return await eventually(look, within=120, what=f"{what} never stood in the timeline of {id}")


async def test_when_every_webhook_is_lost_the_history_still_tells_the_end(impatient: Platform) -> None:
    async with provider_set(impatient, drop_probability=1.0):
        id = await impatient.accepted(impatient.order("+14155561001"))
        await impatient.until(id, "read")

    timeline = await impatient.timeline(id)
    receipts = [entry for entry in timeline if entry["type"].startswith("receipt.")]
    assert receipts
    assert all(entry["detail"]["source"] == "history" for entry in receipts)
    assert timeline[-1]["detail"]["news"] == "yes"
    assert await impatient.illegal_histories() == []


async def test_a_lost_send_is_repeated_once_when_the_others_prove_that_it_never_arrived(impatient: Platform) -> None:
    to = "+14155561002"
    await once(impatient, "500_before", to)
    id = await impatient.accepted(impatient.order(to, on_unknown="resend"))

    # There is no later receipt yet, so it waits on.
    waiting = await entry(impatient, id, lambda entry: entry["type"] == "message.waiting", "the wait")
    await impatient.accepted_batch([impatient.order(f"+1415556110{n}") for n in range(5)])
    await impatient.until(id, "read")

    assert waiting["detail"]["no_resend"] == "too_few_later_receipts"
    assert (await impatient.message(id))["possible_duplicate"] is True
    assert (await impatient.ledger())[id] == 1
    assert await impatient.illegal_histories() == []


async def test_a_lost_send_that_is_to_be_held_is_never_repeated(impatient: Platform) -> None:
    to = "+14155561003"
    await once(impatient, "500_before", to)
    id = await impatient.accepted(impatient.order(to))
    await impatient.accepted_batch([impatient.order(f"+1415556120{n}") for n in range(5)])

    await impatient.until(id, "unconfirmed")

    assert (await impatient.ledger())[id] == 0


async def test_an_echo_that_comes_after_the_message_was_given_up_corrects_it(impatient: Platform) -> None:
    to = "+14155561004"
    await once(impatient, "reset_after", to)
    webhooks = impatient.stack.keepers["webhooks"].child
    webhooks.send(signal.SIGSTOP)
    try:
        id = await impatient.accepted(impatient.order(to))
        await impatient.until(id, "unconfirmed")
    finally:
        webhooks.send(signal.SIGCONT)

    await impatient.until(id, "read")

    assert (await impatient.ledger())[id] == 1
    assert await impatient.illegal_histories() == []


async def test_a_message_the_provider_forgets_is_asked_after_28_times_and_stays_what_it_is(
    impatient: Platform, forgotten: str
) -> None:
    id = forgotten

    await entry(impatient, id, lambda entry: entry["type"] == "message.silent", "its end")

    timeline = await impatient.timeline(id)
    checks = [entry["detail"] for entry in timeline if entry["type"] == "message.checked"]
    assert checks == [{"check": n, "of": 28, "news": "no", "asked": "yes"} for n in range(1, 29)]
    assert await impatient.status(id) == "submitted"
    assert (await impatient.ledger())[id] == 1


async def a_twilio_number(platform: Platform) -> str:
    """The id of a sender of a provider that can be asked for a message."""
    sid, number = "AC00000000000000000000000000000077", "+15017250677"
    known = {"sid": sid, "auth_token": "tryingtoask", "numbers": [{"phone_number": number}]}
    (await platform.sandbox.post("/_control/twilio/accounts", json=known)).raise_for_status()
    account = {"provider": "twilio", "name": "Journeys", "external_id": sid, "auth_tokens": ["tryingtoask"]}
    connected = await platform.client.post("/v1/provider-accounts", json=account)
    assert connected.is_success, connected.text
    sender = {"account_id": connected.json()["id"], "channel": "sms", "external_id": number, "address": number}
    added = await platform.client.post("/v1/senders", json=sender | {"name": "Journeys"})
    assert added.is_success, added.text
    # Nobody said how fast it is.
    assert added.json()["per_second"] == 1
    return str(added.json()["id"])


async def test_a_text_whose_answer_was_lost_is_asked_for_where_the_provider_can_be_asked(impatient: Platform) -> None:
    sender = await a_twilio_number(impatient)

    def text(to: str) -> dict[str, Any]:
        return {"to": to, "channel": "sms", "from": sender, "content": {"type": "text", "body": f"Your order, {to}"}}

    found = await impatient.accepted(text("+14155550158"))
    without_record = await impatient.accepted(text("+14155550159"))
    await impatient.until(found, "submitted", "sent", "delivered")
    await impatient.until(without_record, "unconfirmed")

    told = [entry for entry in await impatient.timeline(found) if entry["detail"].get("source") == "history"]
    assert told
    asked = next(entry for entry in await impatient.timeline(without_record) if entry["type"] == "message.asked")
    assert asked["detail"]["asked"] == "yes"
    ledger = await impatient.ledger()
    assert (ledger[found], ledger[without_record]) == (1, 1)
    assert await impatient.illegal_histories() == []
