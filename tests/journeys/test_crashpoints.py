"""Wherever a process dies, whatever the provider does: is nothing lost, nothing sent twice, nothing misreported?

Every named crash point is tried with real processes; that each crash took place is proven by the exit code.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from messaging.application.crashpoints import EXIT_CODE, POINTS
from messaging.entrypoints.lab.dev.keeper import Keeper
from tests.journeys.aftermath import MODES, Accepted, aftermath
from tests.journeys.platform import Platform, eventually, running_platform

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

# Short leases and waits, so that recovery is seen in seconds; a hanging provider is cut off within the sending lease.
_SETTINGS = {
    "APP_CLAIM_LEASE_SECONDS": "1.5",
    "APP_SENDING_LEASE_SECONDS": "1.5",
    "APP_ECHO_GRACE_SECONDS": "1",
}
_SANDBOX = {"hang_max_ms": 500, "callback_late_ms": 2_000, "pair_limit": False}

_API = [point for point in POINTS if point.startswith("accept.")]
_WEBHOOKS = [point for point in POINTS if point.startswith("webhook_store.")]
# Six hours of silence and a failover do not come up in these few seconds: tests of their own bring them about.
_ELSEWHERE = [point for point in POINTS if point.startswith(("poll_status.", "recover_failover."))]
_WORKER = [point for point in POINTS if point not in (*_API, *_WEBHOOKS, *_ELSEWHERE)]

# At their first passage no byte has left, and the worker's notes tell: such a crash delays, and puts nothing before a
# person.
_BEFORE_ANY_BYTE = {
    "relay.before_wakeup",
    "claim.before_commit",
    "claim.after_commit",
    "render.before_start",
    "stamp.before_commit",
    "stamp.after_commit",
}

_MAIN_MODES = [
    MODES["ok"],
    MODES["late webhooks"],
    MODES["error 500, accepted"],
    MODES["error 500, not accepted"],
    MODES["hangs, accepted"],
    MODES["resets, accepted"],
    MODES["throttled first"],
    MODES["refused"],
]

_area_codes = itertools.count(201)


@pytest.fixture(scope="session")
async def ground() -> AsyncIterator[Platform]:
    """A platform of its own: its processes die all the time."""
    async with running_platform(_SETTINGS, keep_connections=False) as platform:
        await platform.sandbox.post("/_control/settings", json=_SANDBOX)
        yield platform


@pytest.fixture(autouse=True)
async def no_memories(ground: Platform) -> None:
    """The cases before have taught the platform to be careful with their sender; it has forgotten with Redis."""
    assert ground.stack.redis is not None
    await ground.stack.redis.flush()


@pytest.mark.parametrize("crashes", [(point,) for point in _WORKER], ids=lambda crashes: crashes[0])
async def test_a_worker_may_die_anywhere(ground: Platform, crashes: tuple[str, ...]) -> None:
    accepted = await _crashing(ground, *crashes)

    after = await aftermath(ground, accepted)

    assert after.violations() == []
    if _BEFORE_ANY_BYTE.issuperset(crashes):
        assert after.unclear() == []


@pytest.mark.parametrize(
    "crashes",
    [
        pytest.param(("claim.after_commit", "claim.before_commit"), id="taking a claim back"),
        pytest.param(("claim.after_commit", "claim.before_commit:2"), id="claiming a suspect"),
        pytest.param(("claim.after_commit", "claim.after_commit:3"), id="holding a suspect"),
        pytest.param(("stamp.after_commit", "claim.after_commit"), id="giving a started send up"),
        pytest.param(("outcome.after_commit:2", "resolve_unknown.before_commit"), id="giving up the wait for an echo"),
        pytest.param(("webhook_apply.after_commit", "webhook_apply.before_commit"), id="amid webhooks, twice"),
    ],
)
async def test_the_next_worker_may_die_over_the_same_messages(ground: Platform, crashes: tuple[str, ...]) -> None:
    accepted = await _crashing(ground, *crashes)

    after = await aftermath(ground, accepted)

    assert after.violations() == []
    if all(crash.startswith("claim.") for crash in crashes):
        assert after.unclear() == []


async def test_a_worker_may_die_over_what_the_provider_answered(ground: Platform) -> None:
    """Each way of the provider is met by the very send whose outcome is lost."""
    worker = ground.stack.keepers["worker"]
    accepted = []
    for mode in _MAIN_MODES:
        worker.kill()
        one = Accepted(await ground.accepted(ground.order(_recipient(mode.digits))), mode)
        accepted.append(one)
        await _dies(worker, f"send.after_reply@{one.id}")

    after = await aftermath(ground, accepted)

    assert after.violations() == []
    # Refused for now, it is in nobody's hands; but who could know, once the refusal is lost?
    arrived = {one.id: int(one.mode.takes and one.mode is not MODES["throttled first"]) for one in accepted}
    assert {one.id: after.ledger[one.id] for one in accepted} == arrived
    assert {after.status[id] for id, times in arrived.items() if times == 0} == {"unconfirmed"}


@pytest.mark.parametrize("point", _API)
async def test_the_api_may_die_over_a_request(ground: Platform, point: str) -> None:
    key = f"crash-{point}"
    body = ground.order(_recipient("00"), reference=key)
    api = ground.stack.keepers["api"]
    deaths = len(api.exits)
    await _armed(api, f"{ground.stack.api}/readyz", point)

    with pytest.raises(httpx.TransportError):
        await ground.submit(body, key=key)
    await _died(api, deaths)
    answer = await _once_it_is_back(lambda: ground.submit(body, key=key))

    assert answer.status_code == 202
    assert ("idempotent-replayed" in answer.headers) == (point != "accept.before_commit")
    after = await aftermath(ground, [Accepted(answer.json()["id"], MODES["ok"])])
    assert after.violations() == []
    assert after.unclear() == []
    assert await _count_of_reference(ground, key) == 1


@pytest.mark.parametrize("point", _WEBHOOKS)
async def test_the_webhooks_process_may_die_over_a_callback(ground: Platform, point: str) -> None:
    webhooks = ground.stack.keepers["webhooks"]
    deaths = len(webhooks.exits)
    await _armed(webhooks, f"{ground.stack.webhooks}/readyz", point)

    accepted = await _submitted(ground)
    await _died(webhooks, deaths)

    after = await aftermath(ground, accepted)
    assert after.violations() == []
    assert after.unclear() == []


async def test_poison_is_found_out_and_its_neighbours_go_out(ground: Platform) -> None:
    worker = ground.stack.keepers["worker"]
    worker.kill()
    ids = await ground.accepted_batch([ground.order(_recipient("00")) for _ in range(21)])
    poison, deaths = ids[10], len(worker.exits)
    # Whoever takes this one up dies, again and again.
    await worker.restart({"APP_CRASHPOINT": f"render.before_start@{poison}"}, for_ever=True)
    neighbours = [Accepted(id, MODES["ok"]) for id in ids if id != poison]

    dead = await ground.until(poison, "dead", within=60)
    after = await aftermath(ground, neighbours)
    died = await _recorded(ground, poison, "message.dead")

    assert worker.exits[deaths:] == [EXIT_CODE] * 3
    assert dead["error"]["code"] == "poison"
    letters = (await ground.client.get("/v1/dead-letters")).json()["data"]
    assert [letter["code"] for letter in letters if letter["message_id"] == poison] == ["poison"]
    assert after.violations() == []
    assert after.unclear() == []
    assert all(after.events[one.id].count("attempt.lease_ended") <= 1 for one in neighbours)
    # Nobody waits for its end. Who is left to the next worker may see it all the same, if that one takes as long to
    # start as a lease lasts: on a busy machine it does.
    started = [await _recorded(ground, one.id, "attempt.started") for one in neighbours]
    assert sum(at < died for at in started) > len(neighbours) / 3
    await worker.restart({})


# --- making them die ------------------------------------------------------------------------------------------------


async def _crashing(ground: Platform, *crashes: str) -> list[Accepted]:
    """Two messages for each way of the provider, and workers that die over them one after the other."""
    worker = ground.stack.keepers["worker"]
    worker.kill()
    accepted = await _submitted(ground)
    for nth, crash in enumerate(crashes):
        if nth and crash.startswith("webhook_apply."):
            # The webhooks of the first may all have come, and been applied in one go, before the worker died.
            accepted += await _submitted(ground)
        await _dies(worker, crash)
    return accepted


async def _submitted(ground: Platform) -> list[Accepted]:
    modes = [mode for mode in MODES.values() for _ in range(2)]
    ids = await ground.accepted_batch([ground.order(_recipient(mode.digits)) for mode in modes])
    return [Accepted(id, mode) for id, mode in zip(ids, modes, strict=True)]


def _recipient(digits: str) -> str:
    """A new one each time: some magic recipients remember what they did before."""
    area_code = next(_area_codes)
    assert area_code <= 999
    return f"+1{area_code}55501{digits}"


async def _dies(keeper: Keeper, crash: str) -> None:
    deaths = len(keeper.exits)
    await keeper.restart({"APP_CRASHPOINT": crash})
    await _died(keeper, deaths)


async def _died(keeper: Keeper, before: int) -> None:
    """It ended by itself, as if killed; its keeper starts it again without a crash point."""

    async def ended() -> bool | None:
        return True if len(keeper.exits) > before else None

    await eventually(ended, within=60, what=f"{keeper.child.name} did not die\n{keeper.child.log_tail()}")
    assert keeper.exits[before:] == [EXIT_CODE], keeper.child.log_tail()


async def _armed(keeper: Keeper, ready_url: str, crash: str) -> None:
    await keeper.restart({"APP_CRASHPOINT": crash})
    await keeper.child.answers(ready_url)


async def _once_it_is_back(call: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    async def tried() -> httpx.Response | None:
        try:
            return await call()
        except httpx.TransportError:
            return None

    return await eventually(tried, within=60, what="the process did not come back")


# --- looking --------------------------------------------------------------------------------------------------------


async def _count_of_reference(ground: Platform, reference: str) -> int:
    listed = await ground.client.get("/v1/messages", params={"reference": reference})
    return len(listed.json()["data"])


async def _recorded(ground: Platform, id: str, type_: str) -> str:
    """When the first line of that type was written, as comparable text."""
    return str(next(line["recorded_at"] for line in await ground.timeline(id) if line["type"] == type_))
