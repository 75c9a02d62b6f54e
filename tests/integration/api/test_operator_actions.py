"""What happens to messages that wait for a person when the person decides?"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messaging.entrypoints.composition.containers import Application
from tests.integration.api.answers import problem, violations
from tests.integration.api.callers import Json, Platform, Shop
from tests.integration.api.workers import Fate, work_through

REASON = "The outage is over."
UNKNOWN = "msg_01kaf8v3e5f8k9m2n4p6q8r0st"


async def act(shop: Shop, action: str, *ids: str, headers: dict[str, str] | None = None, **more: Any) -> Json:
    body = {"action": action, "reason": REASON} | ({"message_ids": list(ids)} if ids else {}) | more
    response = await shop.post("/v1/operator-actions", body, headers=headers or {})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def of_fate(shop: Shop, application: Application, fate: Fate, count: int = 1, **changes: Any) -> list[str]:
    """Messages of this shop that have met their fate, oldest first."""
    ids = [await shop.sent(**changes) for _ in range(count)]
    await work_through(application, shop.sender_id, fate)
    return ids


async def status_of(shop: Shop, id: str) -> str:
    return str((await shop.get(f"/v1/messages/{id}")).json()["status"])


async def timeline(shop: Shop, id: str) -> list[Json]:
    return list((await shop.get(f"/v1/messages/{id}/events")).json()["data"])


def outcomes(answer: Json) -> list[tuple[str, str, str | None, str | None]]:
    return [(item["message_id"], item["result"], item["code"], item["status"]) for item in answer["data"]]


async def test_many_are_sent_again_and_each_gets_its_own_answer(shop: Shop, application: Application) -> None:
    dead = await of_fate(shop, application, Fate.DIES, 3)
    (unclear,) = await of_fate(shop, application, Fate.GOES_UNCONFIRMED)
    waiting = await shop.sent(send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())

    answer = await act(shop, "requeue", *dead, unclear, waiting, UNKNOWN, "nonsense", dead[0])

    assert outcomes(answer) == [
        *((id, "done", None, "queued") for id in dead),
        (unclear, "refused", "duplicate_risk", "unconfirmed"),
        (waiting, "refused", "state_conflict", "scheduled"),
        (UNKNOWN, "refused", "not_found", None),
        ("nonsense", "refused", "not_found", None),
    ]
    assert (answer["action"], answer["dry_run"], answer["done"], answer["refused"]) == ("requeue", False, 3, 4)
    assert [await status_of(shop, id) for id in (*dead, unclear, waiting)] == ["queued"] * 3 + [
        "unconfirmed",
        "scheduled",
    ]
    assert (await shop.get("/v1/dead-letters")).json()["data"] == []


async def test_the_timeline_says_who_decided_and_why(platform: Platform, shop: Shop, application: Application) -> None:
    dead, discarded = await of_fate(shop, application, Fate.DIES, 2)
    unclear, settled = await of_fate(shop, application, Fate.GOES_UNCONFIRMED, 2)
    issued = await platform.issue_key(shop.tenant, role="operator")
    operator = Shop(platform.client, issued["key"], shop.tenant)

    await act(operator, "requeue", dead)
    await act(operator, "requeue", unclear, possible_duplicate=True)
    await act(operator, "resolve", settled, outcome="failed")
    await act(operator, "discard", discarded)

    last = [(await timeline(shop, id))[-1] for id in (dead, unclear, settled, discarded)]
    assert [event["type"] for event in last] == [
        "message.requeued",
        "message.requeued",
        "message.resolved",
        "dead_letter.discarded",
    ]
    assert {(event["detail"]["by"], event["detail"]["reason"]) for event in last} == {(issued["id"], REASON)}
    assert [event["detail"].get("possible_duplicate") for event in last] == ["false", "true", None, None]


async def test_what_may_have_arrived_is_sent_again_only_if_the_risk_is_accepted(
    shop: Shop, application: Application
) -> None:
    (unclear,) = await of_fate(shop, application, Fate.GOES_UNCONFIRMED)

    refused = await act(shop, "requeue", unclear)
    done = await act(shop, "requeue", unclear, possible_duplicate=True)

    assert outcomes(refused) == [(unclear, "refused", "duplicate_risk", "unconfirmed")]
    assert outcomes(done) == [(unclear, "done", None, "queued")]
    assert (await shop.get(f"/v1/messages/{unclear}")).json()["possible_duplicate"] is True


async def test_unconfirmed_messages_are_settled_as_failed(shop: Shop, application: Application) -> None:
    (unclear,) = await of_fate(shop, application, Fate.GOES_UNCONFIRMED)
    (dead,) = await of_fate(shop, application, Fate.DIES)

    answer = await act(shop, "resolve", unclear, dead)

    assert outcomes(answer) == [(unclear, "done", None, "failed"), (dead, "refused", "state_conflict", "dead")]
    message = (await shop.get(f"/v1/messages/{unclear}")).json()
    assert message["error"] == {"code": "resolved_by_operator", "reason": REASON}


async def test_dead_letters_are_discarded_and_stay_dead(shop: Shop, application: Application) -> None:
    dead = await of_fate(shop, application, Fate.DIES, 2)
    (unclear,) = await of_fate(shop, application, Fate.GOES_UNCONFIRMED)

    answer = await act(shop, "discard", *dead, unclear)
    again = await act(shop, "discard", *dead)

    assert outcomes(answer) == [
        *((id, "done", None, "dead") for id in dead),
        (unclear, "refused", "state_conflict", "unconfirmed"),
    ]
    assert outcomes(again) == [(id, "refused", "state_conflict", "dead") for id in dead]
    letters = (await shop.get("/v1/dead-letters?include_settled=true")).json()["data"]
    assert {letter["resolution"] for letter in letters} == {"discarded"}


@pytest.mark.parametrize(
    ("action", "fate"),
    [("requeue", Fate.DIES), ("discard", Fate.DIES), ("resolve", Fate.GOES_UNCONFIRMED)],
)
async def test_a_dry_run_foretells_and_changes_nothing(
    shop: Shop, application: Application, action: str, fate: Fate
) -> None:
    ids = await of_fate(shop, application, fate, 2)
    before = [await timeline(shop, id) for id in ids]

    foretold = await act(shop, action, *ids, UNKNOWN, dry_run=True)
    untouched = [await timeline(shop, id) for id in ids]
    done = await act(shop, action, *ids, UNKNOWN)

    assert untouched == before
    assert foretold == done | {"dry_run": True}
    assert foretold["done"] == 2


async def test_clicks_at_once_requeue_once(shop: Shop, application: Application) -> None:
    ids = await of_fate(shop, application, Fate.DIES, 5)

    answers = await asyncio.gather(*(act(shop, "requeue", *order) for order in (ids, ids[::-1], ids, ids[::-1])))

    assert sorted(answer["done"] for answer in answers) == [0, 0, 0, 5]
    refused = [item for answer in answers for item in answer["data"] if item["result"] == "refused"]
    assert {(item["code"], item["status"]) for item in refused} == {("state_conflict", "queued")}
    for id in ids:
        assert [event["type"] for event in await timeline(shop, id)].count("message.requeued") == 1


async def test_a_repeated_key_gets_the_first_answer_and_has_no_second_effect(
    shop: Shop, application: Application
) -> None:
    (dead,) = await of_fate(shop, application, Fate.DIES)
    headers = {"Idempotency-Key": "click-1"}

    first = await act(shop, "requeue", dead, headers=headers)
    # It dies again: only the key tells the second click from a second decision.
    await work_through(application, shop.sender_id, Fate.DIES, epoch=2)
    second = await act(shop, "requeue", dead, headers=headers)
    other = await shop.post(
        "/v1/operator-actions", {"action": "discard", "reason": REASON, "message_ids": [dead]}, headers=headers
    )

    assert second == first
    assert await status_of(shop, dead) == "dead"
    problem(other, 422, "idempotency_key_reused")


async def test_a_filter_finds_what_waits_for_a_person(shop: Shop, application: Application) -> None:
    (first,) = await of_fate(shop, application, Fate.DIES, reference="order-1")
    (second,) = await of_fate(shop, application, Fate.DIES, reference="order-2")
    (unclear,) = await of_fate(shop, application, Fate.GOES_UNCONFIRMED, reference="order-2")

    async def found(action: str = "requeue", **conditions: Any) -> list[str]:
        answer = await act(shop, action, filter=conditions, dry_run=True)
        return [item["message_id"] for item in answer["data"]]

    assert await found() == [unclear, second, first]
    assert await found("discard") == [second, first]
    assert await found("resolve") == [unclear]
    assert await found(status="dead") == [second, first]
    assert await found(status="unconfirmed") == [unclear]
    assert await found(status=["unconfirmed", "dead"]) == [unclear, second, first]
    assert await found(updated_after="2999-01-01T00:00:00Z") == []
    assert await found(updated_before="2999-01-01T00:00:00Z", status="dead") == [second, first]
    assert await found(reference="order-2") == [unclear, second]
    assert await found(reference="order-2", status="dead") == [second]
    assert await found(error_code="unreadable") == [second, first]
    assert await found(error_code="other") == []
    assert await found(template="order_update") == [unclear, second, first]
    assert await found(template="other") == []
    assert await found(created_after="2999-01-01T00:00:00Z") == []
    assert await found(created_before="2999-01-01T00:00:00Z", limit=1) == [unclear]


async def test_failed_messages_are_sent_again_where_that_is_said(shop: Shop, application: Application) -> None:
    (refused,) = await of_fate(shop, application, Fate.IS_REFUSED)
    (reported,) = await of_fate(shop, application, Fate.FAILS_LATER)
    (settled,) = await of_fate(shop, application, Fate.GOES_UNCONFIRMED)
    await act(shop, "resolve", settled)

    unsaid = await act(shop, "requeue", filter={})
    with_care = await act(shop, "requeue", filter={"status": ["dead", "failed"]})
    with_risk = await act(shop, "requeue", filter={"status": "failed"}, possible_duplicate=True)

    assert unsaid["data"] == []
    assert outcomes(with_care) == [
        (reported, "refused", "duplicate_risk", "failed"),
        (refused, "done", None, "queued"),
    ]
    assert outcomes(with_risk) == [(reported, "done", None, "queued")]
    assert (await timeline(shop, reported))[-1]["detail"]["failed_attempt"] == 1
    assert await status_of(shop, settled) == "failed"


async def test_one_failed_message_is_sent_again_and_its_error_is_gone(shop: Shop, application: Application) -> None:
    (refused,) = await of_fate(shop, application, Fate.IS_REFUSED)
    (reported,) = await of_fate(shop, application, Fate.FAILS_LATER)

    again = await shop.post(f"/v1/messages/{refused}/retry")
    held = await shop.post(f"/v1/messages/{reported}/retry")
    risked = await shop.post(f"/v1/messages/{reported}/retry", {"possible_duplicate": True})

    assert (again.status_code, risked.status_code) == (200, 200)
    problem(held, 409, "duplicate_risk")
    shown = [(await shop.get(f"/v1/messages/{id}")).json() for id in (refused, reported)]
    assert [(it["status"], it["error"], it["possible_duplicate"]) for it in shown] == [
        ("queued", None, False),
        ("queued", None, True),
    ]


async def test_a_filter_says_when_there_is_more_than_its_limit(shop: Shop, application: Application) -> None:
    ids = await of_fate(shop, application, Fate.DIES, 3)

    part = await act(shop, "requeue", filter={"limit": 2})
    rest = await act(shop, "requeue", filter={"limit": 2})
    nothing = await act(shop, "requeue", filter={"limit": 2})

    assert [item["message_id"] for item in part["data"]] == [ids[2], ids[1]]
    assert [item["message_id"] for item in rest["data"]] == [ids[0]]
    assert (part["has_more"], rest["has_more"], nothing["has_more"]) == (True, False, False)
    assert (part["done"], rest["done"], nothing["done"]) == (2, 1, 0)


async def test_a_filter_leaves_alone_what_was_discarded_and_a_name_does_not(
    shop: Shop, application: Application
) -> None:
    discarded, dead = await of_fate(shop, application, Fate.DIES, 2)
    await act(shop, "discard", discarded)

    by_filter = await act(shop, "requeue", filter={})
    by_name = await act(shop, "requeue", discarded)

    assert outcomes(by_filter) == [(dead, "done", None, "queued")]
    assert outcomes(by_name) == [(discarded, "done", None, "queued")]


async def test_a_thousand_are_decided_in_one_call(shop: Shop, application: Application) -> None:
    for _ in range(10):
        batch = await shop.post("/v1/messages/batch", {"messages": [shop.message()] * 100})
        assert batch.json()["accepted"] == 100
        await work_through(application, shop.sender_id, Fate.DIES)

    answer = await act(shop, "requeue", filter={"status": "dead"})

    assert (answer["done"], answer["refused"], answer["has_more"]) == (1_000, 0, False)
    assert (await shop.get("/v1/dead-letters")).json()["data"] == []


async def test_nobody_elses_messages_and_none_of_the_other_mode_are_touched(
    platform: Platform, shop: Shop, application: Application
) -> None:
    (dead,) = await of_fate(shop, application, Fate.DIES)
    stranger = await platform.bare_shop()
    live = await platform.bare_shop(tenant=shop.tenant, mode="live")

    for caller in (stranger, live):
        assert outcomes(await act(caller, "requeue", dead)) == [(dead, "refused", "not_found", None)]
        assert outcomes(await act(caller, "requeue", filter={})) == []
    assert await status_of(shop, dead) == "dead"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"action": "requeue", "message_ids": [UNKNOWN]}, {"/reason": "missing_field"}),
        ({"action": "requeue", "message_ids": [UNKNOWN], "reason": " "}, {"/reason": "value_empty"}),
        ({"action": "requeue", "message_ids": [UNKNOWN], "reason": "x" * 501}, {"/reason": "invalid_value"}),
        ({"action": "requeue", "reason": "x"}, {"/message_ids": "missing_field"}),
        ({"action": "requeue", "reason": "x", "message_ids": []}, {"/message_ids": "invalid_value"}),
        ({"action": "requeue", "reason": "x", "message_ids": [UNKNOWN] * 1001}, {"/message_ids": "invalid_value"}),
        ({"action": "requeue", "reason": "x", "message_ids": [UNKNOWN], "filter": {}}, {"/filter": "invalid_value"}),
        ({"action": "requeue", "reason": "x", "filter": {"limit": 1001}}, {"/filter/limit": "invalid_value"}),
        ({"action": "requeue", "reason": "x", "filter": {"status": "sent"}}, {"/filter/status": "invalid_value"}),
        ({"action": "requeue", "reason": "x", "filter": {"status": ["sent"]}}, {"/filter/status": "invalid_value"}),
        ({"action": "requeue", "reason": "x", "filter": {"to": "+1"}}, {"/filter/to": "unknown_field"}),
        ({"action": "explode", "reason": "x", "filter": {}}, {"/action": "invalid_value"}),
        (
            {"action": "discard", "reason": "x", "filter": {}, "possible_duplicate": True, "outcome": "failed"},
            {"/possible_duplicate": "invalid_value", "/outcome": "invalid_value"},
        ),
        ({"action": "resolve", "reason": "x", "filter": {}, "outcome": "delivered"}, {"/outcome": "invalid_value"}),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_as_a_whole(
    quiet_shop: Shop, body: Json, wrong: dict[str, str]
) -> None:
    assert violations(await quiet_shop.post("/v1/operator-actions", body)) == wrong
