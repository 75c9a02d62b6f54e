"""What does a customer's system, and an auditor, see of a running platform? Real processes, real webhooks."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, TypeVar

import asyncpg
import httpx

from messaging.domain.messages.reference import parse
from messaging.domain.messages.state import LEGAL_MOVES, State
from messaging.domain.shared.ids import Prefix, parse_typeid, typeid
from messaging.entrypoints.lab.dev.onboarding import Business, Number, Plan
from messaging.entrypoints.lab.dev.processes.ports import free_ports
from messaging.entrypoints.lab.dev.seeding import seeded
from messaging.entrypoints.lab.dev.stack import Adjust, Stack

T = TypeVar("T")
# Seconds, on the platform whose processes die: short enough to see recovery.
MORTAL_LEASE = 1.5
_PLAN = Plan(tenant="Journeys", numbers=(Number(address="+15005550006", name="Journeys", per_second=1000),))
_UNAPPLIED = "SELECT count(*) FROM raw_webhooks WHERE status = 'stored'"
END = frozenset({"delivered", "read", "failed", "expired", "cancelled", "unconfirmed", "dead"})


class Platform:
    """One tenant's view of the platform, and the sandbox's ledger beside it."""

    def __init__(self, stack: Stack, business: Business, client: httpx.AsyncClient, sandbox: httpx.AsyncClient) -> None:
        self.stack = stack
        self.business = business
        self.client = client
        self.sandbox = sandbox

    def order(self, to: str, **changes: Any) -> dict[str, Any]:
        """A submission that is right in every respect."""
        content = {
            "type": "template",
            "name": "order_delivered",
            "language": "en_US",
            "variables": {"first_name": "Ana", "order_number": "A-1042"},
        }
        return {"to": to, "channel": "whatsapp", "content": content} | changes

    async def submit(self, body: dict[str, Any], *, key: str | None = None) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.client.post("/v1/messages", json=body, headers=headers)

    async def accepted(self, body: dict[str, Any]) -> str:
        """Submit and return the message id."""
        response = await self.submit(body)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    async def accepted_batch(self, bodies: Sequence[dict[str, Any]]) -> list[str]:
        response = await self.client.post("/v1/messages/batch", json={"messages": list(bodies)})
        assert response.status_code == 202, response.text
        return [item["message"]["id"] for item in response.json()["data"]]

    async def message(self, id: str) -> dict[str, Any]:
        response = await self.client.get(f"/v1/messages/{id}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def status(self, id: str) -> str:
        return str((await self.message(id))["status"])

    async def timeline(self, id: str) -> list[dict[str, Any]]:
        response = await self.client.get(f"/v1/messages/{id}/events", params={"limit": 100})
        assert response.status_code == 200, response.text
        return list(response.json()["data"])

    async def until(self, id: str, *wanted: str, within: float = 120) -> dict[str, Any]:
        """The message, once it has one of the wanted statuses."""

        async def arrived() -> dict[str, Any] | None:
            message = await self.message(id)
            return message if message["status"] in wanted else None

        return await eventually(arrived, within=within, what=f"{id} never was {' or '.join(wanted)}")

    async def until_all_end(self, ids: Iterable[str], *, within: float = 120) -> Counter[str]:
        """How many ended how; read from the database, because thousands of requests would be the slower look."""
        uuids = [parse_typeid(Prefix.MESSAGE, id) for id in ids]
        connection = await asyncpg.connect(self.stack.owner_url)
        try:

            async def ended() -> Counter[str] | None:
                rows = await connection.fetch(
                    "SELECT state, count(*) AS many FROM messages WHERE id = ANY($1::uuid[]) GROUP BY state", uuids
                )
                found = Counter({str(row["state"]): int(row["many"]) for row in rows})
                return found if sum(found.values()) == len(uuids) and set(found) <= END else None

            await connection.execute("SET ROLE messaging_system")
            return await eventually(ended, within=within, what="some messages came to no end")
        finally:
            await connection.close()

    async def until_all_is_told(self, ids: Iterable[str], *, within: float = 120) -> Counter[str]:
        """How many ended how, after the last webhook was applied: an echo may correct an end that was there before."""
        ids = list(ids)
        await self.until_all_end(ids, within=within)
        connection = await asyncpg.connect(self.stack.owner_url)
        try:
            await connection.execute("SET ROLE messaging_system")

            async def nothing_waits() -> bool | None:
                posts = await self.sandbox.get("/_webhooks", params={"limit": 1})
                # In this order: what was acknowledged is stored.
                untold = posts.json()["pending"] or await connection.fetchval(_UNAPPLIED)
                return None if untold else True

            await eventually(nothing_waits, within=within, what="some webhooks were never applied")
        finally:
            await connection.close()
        return await self.until_all_end(ids, within=within)

    async def ledger(self) -> Counter[str]:
        """How often the provider accepted each message of ours, by message id."""
        response = await self.sandbox.get("/_ledger")
        found: Counter[str] = Counter()
        for entry in response.json()["data"]:
            echoed = parse(entry["reference"] or "")
            assert echoed is not None, f"the provider accepted something that is not ours: {entry['message_id']}"
            found[typeid(Prefix.MESSAGE, echoed.message_id)] += 1
        return found

    async def illegal_histories(self) -> list[str]:
        """Messages whose events are no path of the transition table, have gaps, or end elsewhere than the message."""
        connection = await asyncpg.connect(self.stack.owner_url)
        try:
            await connection.execute("SET ROLE messaging_system")
            rows = await connection.fetch(
                """
                SELECT m.id, m.state, m.seq, array_agg(e.state ORDER BY e.seq) AS states, max(e.seq) AS last
                FROM messages m JOIN events e ON e.tenant_id = m.tenant_id AND e.message_id = m.id
                GROUP BY m.id, m.state, m.seq
                """
            )
        finally:
            await connection.close()
        return [str(row["id"]) for row in rows if not _is_path(row)]


def _is_path(row: Any) -> bool:
    states = [State(state) for state in row["states"]]
    steps = pairwise(states)
    legal = all(before == after or (before, after) in LEGAL_MOVES for before, after in steps)
    return legal and len(states) == row["seq"] == row["last"] and states[-1] == row["state"]


async def eventually(look: Callable[[], Awaitable[T | None]], *, within: float, what: str) -> T:
    """Wait for a condition of another process: look until it holds, fail with `what` when it does not in time."""
    give_up_at = time.monotonic() + within
    while (found := await look()) is None:
        assert time.monotonic() < give_up_at, what
        await asyncio.sleep(0.05)
    return found


@asynccontextmanager
async def running_platform(
    settings: Mapping[str, str], *, keep_connections: bool = True, adjust: Adjust | None = None
) -> AsyncIterator[Platform]:
    """Every process real, the provider the sandbox, one tenant with a fast sender, so that no journey waits for it.

    Without kept connections each request meets the process that runs then. `adjust` changes how ours are started.
    """
    said: list[str] = []
    async with Stack(ports=free_ports(), say=said.append, overrides=settings, adjust=adjust) as stack:
        business = await seeded(stack, plan=_PLAN, say=said.append)
        authorization = {"Authorization": f"Bearer {business.api_key}"}
        limits = httpx.Limits(max_keepalive_connections=None if keep_connections else 0)
        async with (
            httpx.AsyncClient(base_url=stack.api, headers=authorization, timeout=30, limits=limits) as client,
            httpx.AsyncClient(base_url=stack.sandbox, timeout=30) as sandbox,
        ):
            yield Platform(stack, business, client, sandbox)
