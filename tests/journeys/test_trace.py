"""One trace runs from the request to the last receipt, over all processes; nothing private is in it."""

import gzip
from collections.abc import Mapping
from typing import Any

from tests.collector import Collector
from tests.journeys.platform import Platform, eventually

# The last 16 digits decide: the one is sampled at any ratio, the other at none below 1.
SAMPLED, PASSED_OVER = f"4bf92f3577b34da6{1:016x}", f"4bf92f3577b34da6{'f' * 16}"
CALLER = "00f067aa0ba902b7"


async def test_a_sampled_message_and_a_failed_one_are_each_one_tree_at_the_collector(
    platform: Platform, collector: Collector
) -> None:
    sampled = await submitted(platform, "+14155552051", SAMPLED)
    failed = await submitted(platform, "+14155550120", PASSED_OVER)
    await platform.until(sampled, "read")
    await platform.until(failed, "failed")

    async def exported() -> dict[str, Any] | None:
        live, later = tree(collector, SAMPLED), tree(collector, PASSED_OVER)
        # The three processes export by themselves; the chain of the failed message comes as a whole.
        whole = {"POST /v1/messages", "process deliver", "receipt read"} <= live.keys() and len(later) >= 4
        return live if whole and all(it in spans(collector) for it in linked(live["receipt read"])) else None

    live = await eventually(exported, within=120, what="the spans never came")

    assert_connected(live, root="POST /v1/messages", parent=CALLER)
    assert live["send whatsapp_cloud"].parent_span_id == live["process deliver"].span_id
    assert live["process deliver"].parent_span_id == live["create deliver"].span_id
    assert {"receipt sent", "receipt delivered", "receipt read"} <= live.keys()
    later = tree(collector, PASSED_OVER)
    assert_connected(later, root="POST /v1/messages", parent="")
    assert later["send whatsapp_cloud"].status.code == 2
    await assert_agrees(platform, sampled, live)
    assert_nothing_private(platform, collector)


async def submitted(platform: Platform, to: str, trace_id: str) -> str:
    headers = {"traceparent": f"00-{trace_id}-{CALLER}-00"}
    answer = await platform.client.post("/v1/messages", json=platform.order(to), headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.json()["trace_id"] == trace_id
    return str(answer.json()["id"])


def spans(collector: Collector) -> dict[str, Any]:
    return {span.span_id.hex(): span for span in collector.spans}


def tree(collector: Collector, trace_id: str) -> dict[str, Any]:
    """The spans of a trace by name; receipts by their kind."""
    found = [span for span in collector.spans if span.trace_id.hex() == trace_id]
    return {name_of(span): span for span in found if not span.name.startswith("GET ")}


def name_of(span: Any) -> str:
    told = {it.key: it.value.string_value for it in span.attributes}
    return f"receipt {told['receipt.kind']}" if span.name == "process receipt" else str(span.name)


def linked(span: Any) -> list[str]:
    return [link.span_id.hex() for link in span.links]


def assert_connected(found: Mapping[str, Any], *, root: str, parent: str) -> None:
    ids = {span.span_id for span in found.values()}
    roots = {name for name, span in found.items() if span.parent_span_id not in ids}
    assert roots == {root}
    assert found[root].parent_span_id.hex() == parent


async def assert_agrees(platform: Platform, id: str, live: Mapping[str, Any]) -> None:
    """What is told from the timeline later has the ids of what was exported as it came about."""
    told = (await platform.client.get(f"/v1/messages/{id}/trace")).json()
    assert (told["trace_id"], told["sampled"]) == (SAMPLED, True)
    assert {span["span_id"] for span in told["spans"]} == {span.span_id.hex() for span in live.values()}
    assert {line["trace_id"] for line in await platform.timeline(id)} == {SAMPLED}


def assert_nothing_private(platform: Platform, collector: Collector) -> None:
    exported = b"".join(gzip.decompress(body) for body in collector.bodies)
    assert b"messaging.message.id" in exported
    for private in (
        "4155552051",
        "4155550120",
        "Ana",
        "A-1042",
        platform.business.api_key,
        "/webhooks/whatsapp_cloud/",
    ):
        assert private.encode() not in exported, private
