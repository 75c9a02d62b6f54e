"""No operation fails because of a body it does not read, or of an instant at an end of the calendar.

Found by a prober: `{` sent to the revocation of a key was answered 500, and the key stayed valid. Both tests are made
from the table of operations, so that an operation that comes is asked the same.
"""

import re
from uuid import uuid4

import httpx
import pytest

from messaging.entrypoints.api.decoding.instants import instants_in
from messaging.entrypoints.api.reference.openapi import Route, routes
from tests.integration.api.callers import Caller, Json, Platform, Shop

PREFIXES = {
    **{"message_id": "msg", "template_id": "tpl", "sender_id": "snd", "account_id": "acc", "tenant_id": "ten"},
    **{"own_template_id": "own", "key_id": "key", "event_id": "evt", "job_id": "job", "incident_id": "inc"},
    **{"endpoint_id": "cbe"},
}
ODD_BODIES = (b"{", b"[]", b"null", b'"\\ud800"', b"\xff\xfe", b"\x00", b"1e400", b"[" * 5_000, b'{"reason": 1}')
EDGES = (
    "9999-12-31T23:59:59-23:59",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59+23:59",
    "0001-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00Z",
)
MALFORMED = (
    "2026-11-29T09:30:00",
    "2026-12-31T23:59:60Z",
    "2026-02-29T00:00:00Z",
    "2026-11-29T24:00:00Z",
    "2026-11-29T09:30:00+24:00",
    "10000-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
    "yesterday",
    "",
)


def address(route: Route) -> str:
    """About nothing that exists."""
    path = route.path.replace("{version}", "1")
    return re.sub(r"\{(\w+)\}", lambda name: f"{PREFIXES[name[1]]}_01kaf8v3e5f8k9m2n4p6q8r0st", path)


def named(found: list[Route]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", found, ids=[route.operation.id for route in found])


async def ask(caller: Caller, route: Route, body: bytes = b"", path: str | None = None) -> httpx.Response:
    headers = {"Content-Type": "application/json"} if body else {}
    if route.method != "get":
        headers["Idempotency-Key"] = str(uuid4())
    return await caller.request(route.method.upper(), path or address(route), content=body, headers=headers)


def caller_of(route: Route, platform: Platform, shop: Shop) -> Caller:
    return platform if route.admin else shop


@named([route for route in routes() if route.operation.body is None])
async def test_a_body_that_is_not_read_makes_no_difference(platform: Platform, quiet_shop: Shop, route: Route) -> None:
    caller = caller_of(route, platform, quiet_shop)
    without = await ask(caller, route)

    answers = [await ask(caller, route, body) for body in ODD_BODIES]

    assert [answer.status_code for answer in answers] == [without.status_code] * len(ODD_BODIES)


@named([route for route in routes() if route.operation.body is not None])
async def test_a_body_that_is_read_is_refused_with_a_reason(platform: Platform, quiet_shop: Shop, route: Route) -> None:
    caller = caller_of(route, platform, quiet_shop)

    answers = [await ask(caller, route, body) for body in ODD_BODIES]

    assert {answer.status_code for answer in answers} <= {400, 404, 422}
    assert all(answer.json()["code"] for answer in answers)


async def test_a_batch_with_an_unreadable_item_and_a_key_is_answered_item_by_item(shop: Shop) -> None:
    body = b'{"messages": [{"to": 1e400}, {"to": 1}]}'
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}

    answers = [await shop.request("POST", "/v1/messages/batch", content=body, headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["refused"] == 2
    assert answers[1].headers["Idempotent-Replayed"] == "true"


async def test_a_key_is_revoked_whatever_is_sent_along(platform: Platform, shop: Shop) -> None:
    issued = await platform.issue_key(shop.tenant)
    path = f"/admin/v1/tenants/{shop.tenant}/keys/{issued['id']}/revoke"
    [route] = [route for route in routes() if route.operation.id == "revoke_key"]

    answer = await ask(platform, route, b"{", path)

    assert (answer.status_code, answer.json()["revoked_at"] is not None) == (200, True)


def with_instant(example: Json, path: tuple[str, ...], value: str) -> Json:
    """The operation's example, with an instant at this place."""
    first, *rest = path
    inner = with_instant(example.get(first) or {}, tuple(rest), value) if rest else value
    return example | {first: inner}


def fields() -> list[tuple[Route, tuple[str, ...]]]:
    return [
        (route, tuple(name for _, name in path))
        for route in routes()
        if route.operation.body is not None
        for path in instants_in(route.operation.body)
    ]


@pytest.mark.parametrize(("route", "path"), fields(), ids=[f"{r.operation.id}/{'/'.join(p)}" for r, p in fields()])
async def test_every_instant_of_a_body_has_plain_words_for_what_it_cannot_be(
    platform: Platform, shop: Shop, route: Route, path: tuple[str, ...]
) -> None:
    caller = caller_of(route, platform, shop)
    # One that exists, so that nothing but the instant is wrong.
    where = address(route).replace("ten_01kaf8v3e5f8k9m2n4p6q8r0st", shop.tenant)
    for value in (*EDGES, *MALFORMED):
        body = with_instant(route.operation.example, path, value)
        answer = await caller.request(route.method.upper(), where, json=body)

        assert answer.status_code == 422, (value, answer.text)
        told = {it["pointer"]: it["detail"] for it in answer.json()["errors"]}
        assert "nstant" in told[f"/{'/'.join(path)}"], (value, told)
        assert "`" not in told[f"/{'/'.join(path)}"]


def parameters() -> list[tuple[Route, str]]:
    return [
        (route, name)
        for route in routes()
        if route.operation.query is not None
        for ((_, name),) in instants_in(route.operation.query)
    ]


@pytest.mark.parametrize(("route", "name"), parameters(), ids=[f"{r.operation.id}/{n}" for r, n in parameters()])
async def test_every_instant_of_a_query_is_taken_or_refused_in_plain_words(
    platform: Platform, quiet_shop: Shop, route: Route, name: str
) -> None:
    caller = caller_of(route, platform, quiet_shop)
    for value in EDGES:
        # All of time is asked for, or none of it: both are answered, but where a range may only be so long.
        taken = await caller.request("GET", address(route), params={name: value})
        if route.operation.id == "summarize_messages" and taken.status_code == 422:
            assert [error["pointer"] for error in taken.json()["errors"]] == ["/created_after"]
            continue
        assert taken.status_code == 200, (value, taken.text)
    for value in MALFORMED:
        refused = await caller.request("GET", address(route), params={name: value})
        assert refused.status_code == 422, (value, refused.text)
        assert "`" not in refused.json()["errors"][0]["detail"]
