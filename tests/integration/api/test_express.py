"""Are submissions, which are answered without the framework, answered as the framework would have answered them?

A trailing slash is the same address to the framework and not to the express lane, so every case can be put to both.
"""

from typing import Any

import httpx
import pytest

from tests.integration.api.callers import Platform, Shop

JSON = {"Content-Type": "application/json"}
# What differs between any two answers: ids, instants and lengths that follow from them.
OWN = ("x-request-id", "traceparent")

CASES: dict[str, dict[str, Any]] = {
    "accepted": {},
    "without a key": {"headers": {"Authorization": ""}},
    "with a wrong key": {"headers": {"Authorization": "Bearer mpk_live_x"}},
    "not JSON": {"content": b"{", "headers": JSON},
    "not a JSON media type": {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
    "empty": {"content": b"", "headers": JSON},
    "of a wrong shape": {"json": {"to": 1}},
    "too large": {"content": b'"' + b"x" * (1024 * 1024) + b'"', "headers": JSON},
    "with a bad idempotency key": {"headers": {"Idempotency-Key": "a b"}},
}


def told(response: httpx.Response) -> tuple[int, set[str], Any]:
    body = response.json()
    body.pop("request_id", None)
    return response.status_code, set(response.headers), body if response.is_error else sorted(body)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batch"])
async def test_both_ways_tell_the_same(shop: Shop, path: str, case: str) -> None:
    good = shop.message() if path == "/v1/messages" else {"messages": [shop.message()]}
    options = CASES[case]
    if not {"content", "json"} & options.keys():
        options = options | {"json": good}

    express = await shop.request("POST", path, **options)
    framework = await shop.request("POST", f"{path}/", **options)

    assert told(express) == told(framework)
    assert express.is_success == (case == "accepted")
    assert all(express.headers[name] != framework.headers[name] for name in OWN)


async def test_both_ways_keep_to_the_roles(platform: Platform, shop: Shop) -> None:
    reader = Shop(platform.client, (await platform.issue_key(shop.tenant, role="reader"))["key"], shop.tenant)

    express = await reader.post("/v1/messages", shop.message())
    framework = await reader.post("/v1/messages/", shop.message())

    assert express.status_code == 403
    assert told(express) == told(framework)


async def test_an_idempotency_key_holds_across_both_ways(shop: Shop) -> None:
    key = {"headers": {"Idempotency-Key": "order-1042"}}

    first = await shop.post("/v1/messages", shop.message(), **key)
    second = await shop.post("/v1/messages/", shop.message(), **key)
    third = await shop.post("/v1/messages", shop.message(), **key)

    assert first.content == second.content == third.content
    assert second.headers["idempotent-replayed"] == third.headers["idempotent-replayed"] == "true"


async def test_other_methods_of_the_address_stay_with_the_framework(shop: Shop) -> None:
    options = await shop.request("OPTIONS", "/v1/messages")
    listed = await shop.get("/v1/messages")

    assert set(options.headers["allow"].split(", ")) == {"GET", "OPTIONS", "POST"}
    assert listed.status_code == 200
