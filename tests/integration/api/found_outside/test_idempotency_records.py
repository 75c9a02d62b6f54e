"""What is kept of a request under its Idempotency-Key gives nothing away and takes little room."""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from messaging.entrypoints.api.decoding.bodies import canonical
from tests.integration.api.callers import Json, Platform, Shop, account_body

Stored = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def stored(stored_in: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(stored_in)
    yield connection
    await connection.close()


def plain_digest(path: str, body: Json) -> bytes:
    """What the version before stored; anyone who reads the table can work it out for a guessed body."""
    return hashlib.sha256(f"POST\n{path}\n".encode() + canonical(json.dumps(body).encode())).digest()


async def repeated(caller: Shop, path: str, body: Json, key: str) -> tuple[Any, Any]:
    headers = {"Idempotency-Key": key}
    return await caller.post(path, body, headers=headers), await caller.post(path, body, headers=headers)


async def test_a_short_code_cannot_be_guessed_from_the_fingerprint(
    platform: Platform, shop: Shop, stored: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    code = shop.message(content=shop.message()["content"] | {"variables": {"1": "493 127", "2": "A"}})
    bare = await platform.bare_shop()
    requests = (
        (shop, "/v1/messages", code),
        (shop, "/v1/messages/batch", {"messages": [code]}),
        (bare, "/v1/provider-accounts", account_body()),
    )

    for number, (caller, path, body) in enumerate(requests):
        key = f"guess-{shop.number}-{number}"
        first, again = await repeated(caller, path, body, key)
        fingerprint = await stored.fetchval("SELECT fingerprint FROM idempotency_keys WHERE key = $1", f"test {key}")

        assert again.content == first.content
        assert again.headers["idempotent-replayed"] == "true"
        assert plain_digest(path, body) not in fingerprint


async def test_the_same_request_of_two_tenants_has_two_fingerprints(
    platform: Platform, stored: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    for _ in range(2):
        shop = await platform.bare_shop()
        await repeated(shop, "/v1/provider-accounts", account_body(), "same-of-two")

    found = await stored.fetch("SELECT fingerprint FROM idempotency_keys WHERE key = 'test same-of-two'")

    assert len({row["fingerprint"] for row in found}) == 2


async def test_a_request_made_before_the_upgrade_is_still_answered_as_then(
    platform: Platform, stored: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    shop = await platform.bare_shop("live")
    first, _ = await repeated(shop, "/v1/provider-accounts", account_body(), "before-the-upgrade")
    digest = plain_digest("/v1/provider-accounts", account_body())
    await stored.execute("UPDATE idempotency_keys SET fingerprint = $1 WHERE key = 'before-the-upgrade'", digest)

    _, again = await repeated(shop, "/v1/provider-accounts", account_body(), "before-the-upgrade")
    other, _ = await repeated(shop, "/v1/provider-accounts", account_body(name="Other"), "before-the-upgrade")

    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert other.json()["code"] == "idempotency_key_reused"


async def test_a_batch_of_nonsense_is_remembered_in_little_room(
    platform: Platform, stored: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    shop = await platform.bare_shop()
    nonsense = {f"unknown_{number}": number for number in range(60)}
    batch = {"messages": [nonsense | {"to": f"+{item}"} for item in range(1_000)]}

    first, again = await repeated(shop, "/v1/messages/batch", batch, "nonsense")
    kept = await stored.fetchval("SELECT octet_length(body) FROM idempotency_keys WHERE key = 'test nonsense'")

    assert (first.status_code, first.json()["accepted"]) == (202, 0)
    assert again.content == first.content
    assert kept < 256 * 1024
