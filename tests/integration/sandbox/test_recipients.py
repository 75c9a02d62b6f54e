"""Does every magic recipient meet its fate?"""

from pathlib import Path

import httpx
import pytest

from messaging.entrypoints.sandbox.whatsapp_cloud.recipients import OUTCOMES, READ, REPLY_TEXT, Outcome
from tests.integration.sandbox.business import Business

SCRIPTED = {d: o for d, o in OUTCOMES.items() if o.refuse is None and o.mode is None}
REFUSED = {d: o for d, o in OUTCOMES.items() if o.refuse is not None and o.refusals is None}
PASSING = {d: o for d, o in OUTCOMES.items() if o.refusals is not None}


def number(digits: int) -> str:
    return f"+141555501{digits:02d}"


async def writes_to(business: Business, digits: int) -> str:
    await business.user_writes(**{"from": number(digits)})
    return number(digits)


@pytest.mark.parametrize("digits", SCRIPTED)
async def test_an_accepted_message_reports_its_script(business: Business, digits: int) -> None:
    outcome = SCRIPTED[digits]
    to = await writes_to(business, digits)

    message_id = await business.send_id(to, biz_opaque_callback_data="v1.abc")

    copies = 2 if outcome.duplicated else 1
    statuses = await business.inbox.statuses_of(message_id, copies * len(outcome.script))
    reported = sorted((s["status"], s.get("errors", [{}])[0].get("code")) for s in statuses)
    assert reported == sorted([(step.status, step.code) for step in outcome.script] * copies, key=str)
    assert all(("biz_opaque_callback_data" in status) == outcome.echo for status in statuses)


@pytest.mark.parametrize("digits", REFUSED)
async def test_a_refused_message_gets_its_code_and_no_ledger_entry(business: Business, digits: int) -> None:
    to = await writes_to(business, digits)

    answer = await business.send(to)

    assert answer.status_code >= 400
    assert answer.json()["error"]["code"] == REFUSED[digits].refuse
    assert await business.ledger() == []


@pytest.mark.parametrize("digits", PASSING)
async def test_a_passing_refusal_ends_in_acceptance(business: Business, digits: int) -> None:
    outcome: Outcome = PASSING[digits]
    assert outcome.refusals is not None
    to = await writes_to(business, digits)

    refused = [await business.send(to) for _ in range(outcome.refusals)]
    accepted = await business.send(to)

    assert [answer.json()["error"]["code"] for answer in refused] == [outcome.refuse] * outcome.refusals
    assert accepted.status_code == 200
    assert len(await business.ledger()) == 1


@pytest.mark.parametrize("code, status", [(42, 503), (43, 503), (40, 500), (30, 401), (24, 429), (31, 403)])
async def test_refusals_come_with_their_http_status(business: Business, code: int, status: int) -> None:
    to = await writes_to(business, code)

    answer = await business.send(to)

    assert answer.status_code == status


async def test_a_failed_status_explains_itself_and_names_no_contact(business: Business) -> None:
    to = await writes_to(business, 10)

    message_id = await business.send_id(to)

    (failed,) = await business.inbox.statuses_of(message_id, 1)
    assert failed["errors"][0]["code"] == 131026
    assert failed["errors"][0]["error_data"]["details"]
    assert "recipient_user_id" not in failed
    values = [value for value in business.inbox.values("messages") if "statuses" in value]
    assert all("contacts" not in value for value in values)


async def test_the_echo_on_failed_can_be_switched_off(business: Business) -> None:
    await business.control("settings", {"echo_on_failed": False})
    to = await writes_to(business, 10)

    message_id = await business.send_id(to, biz_opaque_callback_data="v1.abc")

    (failed,) = await business.inbox.statuses_of(message_id, 1)
    assert "biz_opaque_callback_data" not in failed


async def test_the_replying_user_quotes_our_message(business: Business) -> None:
    to = await writes_to(business, 5)

    message_id = await business.send_id(to)

    await business.inbox.until(lambda: len(business.inbox.messages()) == 2)
    reply = business.inbox.messages()[1]
    assert reply["text"]["body"] == REPLY_TEXT
    assert reply["context"]["id"] == message_id
    assert reply["from"] == to.removeprefix("+")


async def test_a_paced_template_is_held(business: Business) -> None:
    await business.approved_template(
        components=[{"type": "BODY", "text": "Sale today, come in."}], category="MARKETING"
    )
    message = {
        "messaging_product": "whatsapp",
        "to": number(8),
        "type": "template",
        "template": {"name": "order_update", "language": {"code": "en_US"}},
    }

    answer = await business.post_message(message)

    accepted = answer.json()["messages"][0]
    assert accepted["message_status"] == "held_for_quality_assessment"
    (failed,) = await business.inbox.statuses_of(accepted["id"], 1)
    assert failed["errors"][0]["code"] == 132015


async def test_the_canonical_id_may_differ_from_the_number(business: Business) -> None:
    to = await writes_to(business, 9)

    answer = await business.send(to)

    contact = answer.json()["contacts"][0]
    assert contact == {"input": "+14155550109", "wa_id": "1415550109"}
    (first, *_) = await business.inbox.statuses_of(answer.json()["messages"][0]["id"], 3)
    assert first["recipient_id"] == "1415550109"


async def test_the_first_status_can_beat_the_answer(business: Business) -> None:
    to = await writes_to(business, 62)

    message_id = await business.send_id(to)

    assert [status["status"] for status in business.inbox.statuses(message_id)][:1] == ["sent"]


async def test_reversed_webhooks_carry_reversed_times(business: Business) -> None:
    await business.control("settings", {"webhook_concurrency": 1})
    to = await writes_to(business, 61)

    message_id = await business.send_id(to)

    statuses = await business.inbox.statuses_of(message_id, 3)
    assert [status["status"] for status in statuses] == ["read", "delivered", "sent"]


async def test_a_scoped_user_id_can_be_magic_too(business: Business) -> None:
    user = "US.1345550111"
    await business.user_writes(from_user_id=user)
    message = {"messaging_product": "whatsapp", "recipient": user, "type": "text", "text": {"body": "x"}}

    answer = await business.post_message(message)

    (failed,) = await business.inbox.statuses_of(answer.json()["messages"][0]["id"], 1)
    assert failed["errors"][0]["code"] == 131049
    assert failed["recipient_user_id"] == user


async def test_the_sandbox_and_its_page_list_every_magic_recipient(http: httpx.AsyncClient) -> None:
    page = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text()

    listed = (await http.get("/_control/recipients")).json()["data"]

    assert len(listed) == len(OUTCOMES)
    for line in listed:
        assert f"| `…{line['ends_with']}` | {line['outcome']} |" in page


def test_no_script_is_longer_than_its_marks_allow() -> None:
    longest = max(len(outcome.script) + outcome.replies for outcome in OUTCOMES.values())

    assert longest <= 8
    assert READ in OUTCOMES[0].script
