"""Does every announced event reach those who want it, once and in order, whatever dies in between?"""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from messaging.adapters.postgres.callbacks.delivering.lanes import PostgresLanes
from messaging.adapters.postgres.callbacks.fan_out_unit import PostgresFanOutFactory
from messaging.application import crashpoints
from messaging.application.callbacks.announcing.fan_out import FanOut
from messaging.application.ports.callbacks.announcements import Announcement, SubjectKind
from messaging.application.ports.callbacks.events import EventFilter
from messaging.domain.callbacks.endpoint import EndpointStatus, Include, Ordering
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import MessageId, Prefix, typeid
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.composition.clock import SystemClock
from tests.builders import ANA, OTHER_TENANT, TEMPLATE, TENANT, an_endpoint
from tests.fakes.telemetry import Counts
from tests.integration.callbacks.telling import RING, WINDOWS, Telling
from tests.seeding import OTHER_ACCOUNT, OTHER_SENDER, a_new_message, an_acceptance, seed_other_tenant

STEPS = ["message.accepted", "message.submitted", "message.delivered"]
ALL = (Include.RECIPIENT, Include.CONTENT)


def told(stored: bytes) -> Any:
    return json.loads(stored)


async def test_what_happened_is_told_with_the_callers_own_words_and_nothing_private(telling: Telling) -> None:
    await telling.add_endpoint()
    (key,) = await telling.accept(reference="A-1042", metadata={"order": "1042"})
    await telling.deliver(key)

    await telling.until_nothing_waits()

    bodies = [told(it.thin) for it in await telling.bodies()]
    assert [it["type"] for it in bodies] == STEPS
    last = bodies[-1]["data"]
    assert {name: last["message"][name] for name in ("id", "status", "reference", "metadata", "attempt", "error")} == {
        "id": typeid(Prefix.MESSAGE, key.message_id),
        "status": "delivered",
        "reference": "A-1042",
        "metadata": {"order": "1042"},
        "attempt": 1,
        "error": None,
    }
    assert last["message"]["provider_message_id"]
    assert last["message"]["provider"] == "whatsapp_cloud"
    assert last["mode"] == "live"
    assert last["sequence"] > bodies[0]["data"]["sequence"]
    assert not {"to", "content"} & last["message"].keys()
    assert ANA.value.encode() not in b"".join(it.thin for it in await telling.bodies())


async def test_recipient_and_content_go_to_endpoints_that_include_them_alone(telling: Telling) -> None:
    await telling.add_endpoint()
    await telling.add_endpoint(include=ALL)
    await telling.add_endpoint(include=(Include.RECIPIENT,), event_types=("message.delivered",))
    await telling.accept()

    await telling.until_nothing_waits()

    (accepted,) = await telling.bodies()
    full = told(accepted.of(ALL))["data"]["message"]
    assert full["to"] == ANA.value
    assert full["content"]["type"] == "template"
    assert set(accepted.further) == {"content+recipient"}, "rendered only for whom the event goes to"


async def test_an_event_waits_for_every_endpoint_that_matches(telling: Telling) -> None:
    every, some = await telling.add_endpoint(), await telling.add_endpoint(event_types=("message.delivered",))
    await telling.add_endpoint(filters={"channel": "sms"})
    ours = await telling.add_endpoint(filters={"metadata.order": "1042", "channel": "whatsapp"})
    await telling.add_endpoint(mode=Mode.TEST)
    await telling.add_endpoint(url_encrypted=None, url_host=None)
    (key,) = await telling.accept(metadata={"order": "1042"})
    await telling.deliver(key)

    await telling.until_nothing_waits()

    queued = [(row["endpoint_id"], row["sequence"]) for row in await telling.queued()]
    sequences = sorted({sequence for _, sequence in queued})
    assert sorted(queued) == sorted(
        [(endpoint.id, it) for endpoint in (every, ours) for it in sequences] + [(some.id, sequences[-1])]
    )


async def test_events_of_a_paused_endpoint_are_held(telling: Telling) -> None:
    paused = await telling.add_endpoint(status=EndpointStatus.PAUSED)
    await telling.accept()

    await telling.until_nothing_waits()

    assert [(row["endpoint_id"], row["held"]) for row in await telling.queued()] == [(paused.id, True)]


async def test_events_about_one_message_share_a_key_unless_the_endpoint_wants_no_order(telling: Telling) -> None:
    in_order, in_none = await telling.add_endpoint(), await telling.add_endpoint(ordering=Ordering.NONE)
    (key,) = await telling.accept()
    await telling.deliver(key)

    await telling.until_nothing_waits()

    keys = {(row["endpoint_id"], row["key"]) for row in await telling.queued()}
    assert len([it for it in keys if it[0] == in_order.id]) == 1
    assert len([it for it in keys if it[0] == in_none.id]) == len(STEPS)


async def test_what_was_announced_for_nobody_is_dropped(telling: Telling) -> None:
    await telling.accept()

    await telling.until_nothing_waits()

    assert await telling.pending() == []
    assert await telling.bodies() == []


class Killed(BaseException):
    """The end of a process, as the fan-out sees it: not an error that it could handle."""


@pytest.mark.parametrize(("point", "still_pending"), [("fan_out.before_commit", 3), ("fan_out.after_commit", 0)])
async def test_a_process_that_dies_loses_nothing_and_repeats_nothing(
    telling: Telling, monkeypatch: pytest.MonkeyPatch, point: str, still_pending: int
) -> None:
    await telling.add_endpoint()
    (key,) = await telling.accept()
    await telling.deliver(key)

    def dies(at: str) -> None:
        if at == point:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(crashpoints, "reach", dies)
        with pytest.raises(Killed):
            await telling.fan_out()

    assert len(await telling.pending()) == still_pending
    await telling.until_nothing_waits()
    await telling.until_nothing_waits()
    assert [told(it.thin)["type"] for it in await telling.bodies()] == STEPS
    assert len(await telling.queued()) == len(STEPS)


async def test_two_at_once_tell_every_event_once_and_each_subjects_in_order(telling: Telling) -> None:
    await telling.add_endpoint()
    keys = await telling.accept(20)
    for key in keys:
        await telling.deliver(key)
    both = [telling.fan_out, telling.another_fan_out()]

    while await telling.pending():
        await asyncio.gather(*(fan_out() for fan_out in both))

    rows = await telling.fetch("SELECT subject_id, sequence, type FROM callback_events ORDER BY id")
    assert len(rows) == len(keys) * len(STEPS)
    for key in keys:
        own = [(row["sequence"], row["type"]) for row in rows if row["subject_id"] == key.message_id]
        assert own == sorted(own)
        assert [type for _, type in own] == STEPS


async def test_what_cannot_be_encrypted_for_one_tenant_stays_and_holds_up_no_other(telling: Telling) -> None:
    """The data key of the other tenant opens under no master key."""
    await seed_other_tenant(telling.engines)
    telling.listening.all.add((OTHER_TENANT, Mode.LIVE))
    await telling.add_endpoint()
    async with telling.open(OTHER_TENANT, Mode.LIVE) as uow:
        await uow.callback_endpoints.add(an_endpoint(tenant_id=OTHER_TENANT))
        await uow.commit()
    theirs = a_new_message(tenant_id=OTHER_TENANT, sender_id=OTHER_SENDER, account_id=OTHER_ACCOUNT, template_id=None)
    await telling.submissions.accept_many([an_acceptance(theirs, tenant_id=OTHER_TENANT)])
    await telling.accept()

    await telling.until_nothing_waits()

    assert [subject for subject, _, _ in await telling.pending()] == [theirs.message.id]
    assert len(await telling.bodies()) == 1


async def test_ids_ascend_also_where_the_last_process_had_a_clock_ahead(telling: Telling) -> None:
    await telling.add_endpoint()
    ahead = UUID(int=(1 << 127) | (7 << 76) | (2 << 62))
    early = FanOut(
        open_fan_out=PostgresFanOutFactory(telling.engines.system, lanes=PostgresLanes),
        snapshots=telling.snapshots,
        key_ring=RING,
        new_id=lambda: ahead,
        clock=SystemClock(),
        telemetry=Counts(),
        windows=WINDOWS,
    )
    await telling.accept()
    await early()
    await telling.accept()

    await telling.until_nothing_waits()

    first, second = [row["id"] for row in await telling.fetch("SELECT id FROM callback_events ORDER BY created_at")]
    assert first == ahead
    assert second > first


async def test_an_event_without_a_readable_payload_is_told_all_the_same(telling: Telling) -> None:
    await telling.add_endpoint()
    await telling.accept()
    await telling.fetch("ALTER TABLE contents DISABLE TRIGGER ALL")
    await telling.fetch("UPDATE contents SET sealed = 'damaged'")

    await telling.until_nothing_waits()

    (accepted,) = await telling.bodies()
    assert told(accepted.thin)["data"]["message"]["metadata"] is None


async def test_other_subjects_are_told_with_what_was_announced(telling: Telling) -> None:
    await telling.add_endpoint()
    async with telling.open(TENANT, Mode.LIVE) as uow:
        news = Announcement(
            tenant_id=TENANT,
            mode=Mode.LIVE,
            kind=SubjectKind.TEMPLATE,
            subject_id=TEMPLATE,
            type="template.approved",
            data={"id": typeid(Prefix.TEMPLATE, TEMPLATE), "name": "order_update\0"},
        )
        await uow.announcements.announce([news])
        await uow.commit()

    await telling.until_nothing_waits()

    (body,) = await telling.bodies()
    assert told(body.thin)["type"] == "template.approved"
    assert told(body.thin)["data"]["template"] == {
        "id": typeid(Prefix.TEMPLATE, TEMPLATE),
        "name": "order_update\ufffd",
    }


async def test_who_lost_its_endpoint_catches_up_without_a_gap_or_a_repetition(telling: Telling) -> None:
    await telling.add_endpoint()
    first, second = await telling.accept(2)
    await telling.until_nothing_waits()
    page = await telling.events()
    await telling.deliver(first)
    await telling.deliver(second)
    await telling.until_nothing_waits()

    later = await telling.events(after=page.next_cursor)
    none = await telling.events(after=later.next_cursor)

    assert [event.type for event in page.data] == ["message.accepted"] * 2
    assert [event.type for event in later.data] == STEPS[1:] * 2
    assert (none.data, none.next_cursor, none.has_more) == ((), later.next_cursor, False)


async def test_events_are_found_by_type_and_by_subject(telling: Telling) -> None:
    await telling.add_endpoint()
    first, second = await telling.accept(2)
    await telling.deliver(first)
    await cancel(telling, second.message_id)
    await telling.until_nothing_waits()

    async def found(**wanted: Any) -> list[str]:
        return [event.type for event in (await telling.events(EventFilter(**wanted))).data]

    assert await found(type="message.cancelled") == ["message.cancelled"]
    assert await found(type="message.") == []
    assert len(await found(type="message.*")) == 5
    assert await found(subject_id=first.message_id) == STEPS
    assert await found(subject_id=first.message_id, type="message.s*") == ["message.submitted"]


async def cancel(telling: Telling, id: MessageId) -> None:
    async with telling.system() as uow:
        (message,) = (await uow.lifecycles.lock([MessageKey(TENANT, id)])).values()
        await uow.lifecycles.apply([lifecycle.cancel(message, by="key_1")])
        await uow.commit()
