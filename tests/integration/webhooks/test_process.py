"""What do stored webhooks change in a real database?"""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from msgspec.structs import replace

from messaging.application.messages.reading import payload
from messaging.application.messages.reading.queries import Wanted
from messaging.application.ports.provider_events import ProviderEventFilter
from messaging.application.webhooks.queries import ProviderEventView
from messaging.domain.content.parameters import TemplateParameters
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.reference import write
from messaging.domain.messages.retry import Sent
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.outcome import conclude
from messaging.domain.shared.ids import EventId, Prefix, SenderId, parse_typeid, typeid
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.validation import send_violations
from tests.builders import ACCOUNT, ANA, SENDER, TENANT, a_principal, a_sender
from tests.integration.webhooks import meta
from tests.integration.webhooks.platform import PATH, Platform
from tests.seeding import a_new_message, an_acceptance

SETTLED = "SELECT status, problem FROM raw_webhooks ORDER BY id"


async def post(client: httpx.AsyncClient, *changes: dict[str, Any]) -> None:
    body = meta.webhook(*changes)
    assert (await client.post(PATH, content=body, headers=meta.signed(body))).status_code == 200


async def submitted(platform: Platform, wamid: str) -> MessageKey:
    """A message that a provider took as `wamid`."""
    adapters = platform.application.adapters
    new = a_new_message()
    packed = payload.encode(payload.Payload(to=ANA, content=new.message.content, metadata={}))
    new = replace(new, sealed=platform.cipher.seal(payload.context(new.message.id), packed))
    await adapters.submissions().accept_many([an_acceptance(new)])
    key = MessageKey(TENANT, new.message.id)
    steps: tuple[Callable[[MessageState], Change | None], ...] = (
        lambda at: lifecycle.take_up(at, worker="w1", lease=timedelta(seconds=30)),
        lambda at: lifecycle.start(at, epoch=1, worker="w1", lease=timedelta(seconds=60)),
        lambda at: conclude(at, epoch=1, result=Sent(provider_message_id=wamid), latency_ms=5),
    )
    for step in steps:
        async with adapters.open_system_uow()() as uow:
            change = step((await uow.lifecycles.lock([key]))[key])
            assert change is not None
            await uow.lifecycles.apply([change])
            await uow.commit()
    return key


async def state(platform: Platform, key: MessageKey) -> str:
    return str(await platform.value("SELECT state FROM messages WHERE id = $1", key.message_id))


async def test_receipts_move_their_message_in_whatever_order_they_come(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    key = await submitted(platform, "wamid.1")

    await post(client, meta.statuses(meta.status("wamid.1", "read"), meta.status("wamid.1", "sent")))
    await post(client, meta.statuses(meta.status("wamid.1", "delivered")))
    assert await platform.process() == 2

    assert await state(platform, key) == "read"
    assert await platform.rows(SETTLED) == [{"status": "processed", "problem": None}] * 2
    assert await platform.rows("SELECT * FROM dispatches WHERE kind = 'process_webhook'") == []
    assert await platform.process() == 0


async def test_an_echo_finds_its_message_even_without_our_knowing_its_id(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    key = await submitted(platform, "wamid.1")
    echo = write(key.message_id, 1, platform.cipher.tag)

    await post(client, meta.statuses(meta.status("wamid.of-another-spelling", biz_opaque_callback_data=echo)))
    await platform.process()

    assert await state(platform, key) == "delivered"


async def test_a_receipt_of_nobody_is_parked_and_matched_when_its_message_is_known(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    await post(client, meta.statuses(meta.status("wamid.early")))
    assert await platform.process() == 1
    assert await platform.value("SELECT count(*) FROM parked_receipts") == 1
    assert await platform.application.webhooks.rematch()() == 0

    key = await submitted(platform, "wamid.early")
    await _fall_due(platform)

    assert await platform.application.webhooks.rematch()() == 1
    assert await state(platform, key) == "delivered"
    assert await platform.value("SELECT count(*) FROM parked_receipts") == 0


async def _fall_due(platform: Platform) -> None:
    await platform.rows("UPDATE parked_receipts SET next_look_at = clock_timestamp()")


async def test_a_message_from_a_person_is_kept_and_opens_their_window(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    await post(client, meta.texts("Where is my order?", "Hello?"))
    await post(client, meta.texts("Where is my order?", "Hello?"), meta.statuses())
    assert await platform.process() == 2

    assert await platform.value("SELECT count(*) FROM inbound_messages") == 2
    contact = (SENDER, platform.cipher.blind_index(ANA.value))
    async with platform.application.adapters.open_uow()(TENANT, Mode.LIVE) as uow:
        opened = await uow.conversations.last_inbound(TENANT, [contact])
    assert opened == {contact: datetime.fromtimestamp(int(meta.AT), UTC)}


async def test_a_person_without_a_number_is_found_by_user_id(client: httpx.AsyncClient, platform: Platform) -> None:
    change = meta.texts("hi")
    (message,) = change["value"]["messages"]
    del message["from"]
    message["from_user_id"] = "US.13491208655302741918"
    change["value"]["contacts"] = [{"profile": {"name": "Ana"}, "user_id": "US.13491208655302741918"}]

    await post(client, change)
    await platform.process()

    contact = (SENDER, platform.cipher.blind_index("US.13491208655302741918"))
    async with platform.application.adapters.open_uow()(TENANT, Mode.LIVE) as uow:
        assert contact in await uow.conversations.last_inbound(TENANT, [contact])


KNOWN = {"external_id": "1407680676729941", "name": "order_update", "language": "en_US"}
T = 1_777_896_000


async def test_news_about_a_template_reach_it(client: httpx.AsyncClient, platform: Platform) -> None:
    await post(client, meta.template_news("PAUSED", **KNOWN))
    await post(client, meta.template_news("APPROVED", external_id="9", name="never_heard_of", language="de"))
    assert await platform.process() == 2

    assert await platform.value("SELECT status FROM templates") == "paused"
    assert await platform.value("SELECT unique_key FROM jobs WHERE kind = 'sync_templates'") == str(ACCOUNT)


@pytest.mark.parametrize("bodies", [1, 2])
async def test_paused_and_then_an_approval_of_ten_minutes_before_is_paused(
    client: httpx.AsyncClient, platform: Platform, bodies: int
) -> None:
    paused = meta.told_at(T, meta.template_news("PAUSED", **KNOWN))
    approved = meta.told_at(T - 600, meta.template_news("APPROVED", **KNOWN))

    for body in [meta.entries(paused, approved)] if bodies == 1 else [meta.entries(paused), meta.entries(approved)]:
        assert (await client.post(PATH, content=body, headers=meta.signed(body))).status_code == 200
        await platform.process()

    assert await platform.value("SELECT status FROM templates") == "paused"


async def test_a_template_that_was_rewritten_is_not_sent_until_it_has_been_read(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    body = meta.entries(meta.told_at(T, meta.template_rewritten(**KNOWN)))
    assert (await client.post(PATH, content=body, headers=meta.signed(body))).status_code == 200
    await platform.process()

    adapters = platform.application.adapters
    await adapters.snapshots().look()
    facts = await adapters.snapshots().tenant(TENANT)
    template = facts.templates_of(ACCOUNT)["order_update", "en_US"]
    (refusal,) = send_violations(template, TemplateParameters(variables={"1": "Ana", "2": "A-1042"}))
    assert refusal.code == "template_changed"


async def events_of(platform: Platform, **wanted: Any) -> list[ProviderEventView]:
    listed = platform.application.webhooks.list_events()
    return list((await listed(a_principal(), ProviderEventFilter(**wanted), before=None, limit=50)).items)


async def test_a_message_to_a_number_that_is_not_connected_waits_as_an_event_until_it_is(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    key = await submitted(platform, "wamid.1")
    await post(
        client,
        meta.texts("to the other number", phone_number_id="999", wamid="wamid.other"),
        meta.statuses(meta.status("wamid.1")),
        meta.texts("to ours"),
    )
    assert await platform.process() == 1
    assert await platform.rows(SETTLED) == [{"status": "processed", "problem": None}]
    assert await state(platform, key) == "delivered"
    assert await platform.value("SELECT count(*) FROM inbound_messages") == 1
    [event] = await events_of(platform, kind="sender_unknown")
    assert (event.sender_external_id, event.content["text"]) == ("999", {"body": "to the other number"})
    assert await platform.application.webhooks.take_in_connected()() == 0

    async with platform.application.adapters.open_uow()(TENANT, Mode.LIVE) as uow:
        await uow.senders.add_sender(a_sender(id=SenderId(UUID(int=9)), external_id="999", address="+15550000999"))
        await uow.commit()
    assert await platform.application.webhooks.take_in_connected()() == 1
    assert await platform.process() == 1

    shown = await platform.application.conversations.list()(a_principal(), before=None, limit=10)
    assert {view.text for view in shown.items} == {"to the other number", "to ours"}
    assert await events_of(platform) == []
    assert await platform.application.webhooks.replay()(10) == 0


async def test_everything_else_a_provider_tells_is_listed_with_its_content_and_told_again_is_kept_once(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    restriction = {"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"expiration": 1641330498}]}
    history = {"history": [{"threads": [{"messages": [{"text": {"body": "x" * 40_000}}]}]}]}
    entry = {"id": "1", "time": 1777896000, "changes": [{"field": "account_update", "value": restriction}]}
    for padding in ("", " "):
        body = json.dumps({"entry": [entry]}).encode() + padding.encode()
        await client.post(PATH, content=body, headers=meta.signed(body))
    await post(client, {"field": "history", "value": history}, meta.statuses({"status": "sent"}))
    assert await platform.process() == 3

    malformed, large, update = await events_of(platform)

    assert (update.kind, update.content, update.occurred_at) == (
        "account_update",
        restriction,
        datetime.fromtimestamp(1777896000, UTC),
    )
    assert (malformed.kind, malformed.content) == ("malformed", {"status": "sent"})
    assert (large.kind, large.content, large.content_left_out) == ("history", None, True)
    found = await platform.application.webhooks.find_event()(a_principal(), EventId(parsed(large.id)))
    assert found.content == history
    assert {row["status"] for row in await platform.rows(SETTLED)} == {"processed"}


async def test_what_is_processed_once_more_is_kept_once(client: httpx.AsyncClient, platform: Platform) -> None:
    await post(client, {"field": "security", "value": {"event": "PIN_CHANGED"}})
    await platform.process()
    await platform.rows("UPDATE raw_webhooks SET status = 'set_aside', problem = 'x'")

    assert await platform.application.webhooks.replay()(10) == 1
    assert await platform.process() == 1

    assert [event.kind for event in await events_of(platform)] == ["security"]


def parsed(id: str) -> UUID:
    found = parse_typeid(Prefix.EVENT, id)
    assert found is not None
    return found


async def test_a_webhook_that_postgres_refuses_does_not_hold_up_the_others(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    key = await submitted(platform, "wamid.1")
    await platform.rows("ALTER TABLE inbound_messages ADD CHECK (provider_message_id <> 'wamid.poison.0')")
    await post(client, meta.texts("before", wamid="wamid.before"))
    await post(client, meta.texts("poison", wamid="wamid.poison"))
    await post(client, meta.statuses(meta.status("wamid.1")))
    assert await platform.process() == 3

    outcomes = [row["status"] for row in await platform.rows(SETTLED)]
    assert outcomes == ["processed", "set_aside", "processed"]
    assert await state(platform, key) == "delivered"


async def test_unreadable_bytes_are_kept_with_the_reason(client: httpx.AsyncClient, platform: Platform) -> None:
    for body in (b"not json", b"[" * 100_000, b"[]"):
        await client.post(PATH, content=body, headers=meta.signed(body))
    assert await platform.process() == 3

    assert [row["status"] for row in await platform.rows(SETTLED)] == ["set_aside"] * 3
    assert all(row["problem"].startswith("malformed: ") for row in await platform.rows(SETTLED))


async def test_thousands_of_statuses_in_one_webhook_are_processed(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    key = await submitted(platform, "wamid.7")
    await post(client, meta.statuses(*(meta.status(f"wamid.{n}") for n in range(3_000))))
    assert await platform.process() == 1

    assert await state(platform, key) == "delivered"
    assert await platform.value("SELECT count(*) FROM parked_receipts") == 2_999


async def test_two_workers_share_the_webhooks_between_them(client: httpx.AsyncClient, platform: Platform) -> None:
    for n in range(60):
        await post(client, meta.texts("hi", wamid=f"wamid.{n}"))
    handled = await asyncio.gather(*(platform.process() for _ in range(3)))

    assert sum(handled) == 60
    assert await platform.value("SELECT count(*) FROM inbound_messages") == 60
    assert {row["status"] for row in await platform.rows(SETTLED)} == {"processed"}


async def test_what_was_set_aside_can_be_replayed_when_its_cause_is_mended(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    key = await submitted(platform, "wamid.1")
    await post(client, meta.statuses(meta.status("wamid.1", "delivered")))
    await platform.value("UPDATE raw_webhooks SET provider = 'telegraph' RETURNING id")
    await platform.process()
    assert await platform.rows(SETTLED) == [{"status": "set_aside", "problem": "provider_unknown"}]

    await platform.value("UPDATE raw_webhooks SET provider = 'whatsapp_cloud' RETURNING id")
    assert await platform.application.webhooks.replay()(10) == 1
    await platform.process()

    assert await state(platform, key) == "delivered"
    assert await platform.rows(SETTLED) == [{"status": "processed", "problem": None}]


async def test_an_odd_message_is_kept_and_costs_its_neighbours_nothing(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    key = await submitted(platform, "wamid.1")
    change = meta.texts("nobody", "no number", "no time", "long id", wamid="wamid.odd")
    nobody, no_number, no_time, long_id = change["value"]["messages"]
    change["value"]["contacts"] = []
    del nobody["from"]
    no_number["from"], no_time["timestamp"] = "bla", "yesterday"
    long_id["id"] = random.Random(1).randbytes(8_000).hex()
    await post(client, change, meta.statuses(meta.status("wamid.1", "PLAYED", errors=None)))
    assert await platform.process() == 1

    shown = await platform.application.conversations.list()(a_principal(), before=None, limit=10)
    assert {view.text: list(view.oddities) for view in shown.items} == {
        "nobody": ["author_missing"],
        "no number": ["author_unreadable"],
        "no time": ["time_unreadable"],
        "long id": ["id_too_long"],
    }
    assert await platform.rows(SETTLED) == [{"status": "processed", "problem": None}]
    assert await state(platform, key) == "read"


async def test_an_answer_names_the_message_of_ours_that_it_answers(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    key = await submitted(platform, "wamid.1")
    change = meta.texts("Yes!", "Who is this?")
    ours, others = change["value"]["messages"]
    ours["context"], others["context"] = {"id": "wamid.1"}, {"id": "wamid.of-another-app"}
    await post(client, change)
    await platform.process()

    shown = await platform.application.conversations.list()(a_principal(), before=None, limit=10)

    assert {view.text: (view.in_reply_to, view.in_reply_to_message_id) for view in shown.items} == {
        "Yes!": ("wamid.1", typeid(Prefix.MESSAGE, key.message_id)),
        "Who is this?": ("wamid.of-another-app", None),
    }


async def test_a_message_shows_and_is_found_by_the_id_that_its_provider_knows_it_by(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    key = await submitted(platform, "wamid.1")
    await submitted(platform, "wamid.2")

    async def ids(mode: Mode = Mode.LIVE, **wanted: Any) -> list[tuple[str, str | None]]:
        page = await platform.application.messages.list()(
            a_principal(mode=mode), Wanted(**wanted), before=None, limit=10
        )
        return [(view.id, view.provider_message_id) for view in page.items]

    mine = (typeid(Prefix.MESSAGE, key.message_id), "wamid.1")
    assert await ids(provider_message_id="wamid.1") == [mine]
    assert await ids(provider_message_id="wamid.1", statuses=frozenset({"submitted"})) == [mine]
    assert await ids(provider_message_id="wamid.1", statuses=frozenset({"failed"})) == []
    assert await ids(provider_message_id="wamid.of-nobody") == []
    assert await ids(mode=Mode.TEST, provider_message_id="wamid.1") == []
    assert {known for _, known in await ids()} == {"wamid.1", "wamid.2"}
    found = await platform.application.messages.find()(a_principal(), key.message_id)
    assert found.provider_message_id == "wamid.1"


async def test_what_a_status_tells_besides_is_in_the_timeline_and_people_are_sealed(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    key = await submitted(platform, "wamid.1")
    pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}
    in_group = meta.status("wamid.1", "read", recipient_participant_id="16505551234", recipient_id="120363")
    await post(client, meta.statuses(meta.status("wamid.1", "sent", pricing=pricing), in_group))
    await platform.process()

    events = await platform.application.messages.list_events()(a_principal(), key.message_id, after=0, limit=50)

    sent, read = (event.detail for event in events.items if event.type.startswith("receipt."))
    assert (sent["pricing_category"], sent["billable"], sent["recipient_ids"]) == ("utility", "true", "14155552671")
    assert (read["status"], read["participant_id"]) == ("read", "16505551234")
    assert await state(platform, key) == "sent"
    assert await platform.value("SELECT count(*) FROM events WHERE detail::text ~ '(4155552671|6505551234)'") == 0


async def test_receipts_parked_by_another_version_are_unparked_when_they_match(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    await post(client, meta.statuses(meta.status("wamid.early")))
    await platform.process()
    await platform.rows("UPDATE parked_receipts SET digest = sha256('of another version')")

    await submitted(platform, "wamid.early")
    await _fall_due(platform)
    assert await platform.application.webhooks.rematch()() == 1

    assert await platform.value("SELECT count(*) FROM parked_receipts") == 0
