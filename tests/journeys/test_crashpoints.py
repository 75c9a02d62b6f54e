"""Wherever a process dies, whatever the provider does: is nothing lost, nothing sent twice, nothing misreported?

Every named crash point is tried with real processes; that each crash took place is proven by the exit code.
"""

import itertools
from collections.abc import Awaitable, Callable

import httpx
import pytest

from messaging.application.crashpoints import EXIT_CODE, POINTS
from messaging.entrypoints.lab.dev.processes.keeper import Keeper
from tests.journeys.at_rest import MODES, Accepted, found_at_rest
from tests.journeys.deaths import died, dies
from tests.journeys.platform import Platform, eventually

pytestmark = pytest.mark.slow

_API = [point for point in POINTS if point.startswith("accept.")]
_WEBHOOKS = [point for point in POINTS if point.startswith("webhook_store.")]
# Six hours of silence, a failover, jobs and callbacks do not come up in these few seconds, and this provider can be
# asked nothing: tests of their own bring them about.
_ASKING = ("resolve_unknown.after_repeat", "resolve_unknown.before_settling")
_ELSEWHERE = [
    point
    for point in POINTS
    if point.startswith(("poll_status.", "recover_failover.", "job", "fan_out.", "callback_", *_ASKING))
]

# Workers die one after the other over the same messages, the second over what the first has left behind.
_BEFORE_ANY_BYTE = {
    "telling the queue": ("relay.before_wakeup", "relay.after_wakeup"),
    "taking a claim back": ("claim.after_commit", "claim.before_commit"),
    "claiming a suspect": ("claim.after_commit", "claim.before_commit:2"),
    "holding a suspect": ("claim.after_commit", "claim.after_commit:3"),
    "getting ready": ("render.before_start", "mark_started.before_commit"),
    "having recorded a start": ("mark_started.after_commit",),
}
_LATER = {
    "giving a started send up": ("mark_started.after_commit", "claim.after_commit"),
    "amid a send": ("send.before_first_byte", "send.after_reply"),
    "giving up the wait for an echo": ("outcome.after_commit:2", "resolve_unknown.before_commit"),
    "having given up the wait": ("outcome.before_commit", "resolve_unknown.after_commit"),
    "amid webhooks": ("webhook_apply.after_commit", "webhook_apply.before_commit"),
}

# One of each kind of answer; all ways are among the messages of the tests above.
_ANSWERS = [
    MODES["ok"],
    MODES["error 500, not accepted"],
    MODES["hangs, accepted"],
    MODES["throttled first"],
    MODES["refused"],
]

_area_codes = itertools.count(201)


@pytest.fixture(autouse=True)
async def no_memories(mortal: Platform) -> None:
    """The cases before have taught the platform to be careful with their sender; it has forgotten with Redis."""
    assert mortal.stack.redis is not None
    await mortal.stack.redis.flush()


def test_every_point_is_tried() -> None:
    dying_twice = [*_BEFORE_ANY_BYTE.values(), *_LATER.values()]
    workers = {crash.partition(":")[0] for crashes in dying_twice for crash in crashes}

    assert workers | {*_API, *_WEBHOOKS, *_ELSEWHERE} == set(POINTS)


@pytest.mark.parametrize("crashes", _BEFORE_ANY_BYTE.values(), ids=_BEFORE_ANY_BYTE)
async def test_workers_may_die_before_any_byte_has_left(mortal: Platform, crashes: tuple[str, ...]) -> None:
    """The workers' notes tell that none has: such a crash delays, and puts nothing before a person."""
    accepted = await _crashing(mortal, *crashes)

    after = await found_at_rest(mortal, accepted)

    assert after.violations() == []
    assert after.unclear() == []


@pytest.mark.parametrize("crashes", _LATER.values(), ids=_LATER)
async def test_workers_may_die_anywhere(mortal: Platform, crashes: tuple[str, ...]) -> None:
    accepted = await _crashing(mortal, *crashes)

    after = await found_at_rest(mortal, accepted)

    assert after.violations() == []


async def test_a_worker_may_die_over_what_the_provider_answered(mortal: Platform) -> None:
    """Each kind of answer is met by the very send whose outcome is lost."""
    worker = mortal.stack.keepers["worker"]
    accepted = []
    for mode in _ANSWERS:
        worker.kill()
        one = Accepted(await mortal.accepted(mortal.order(_recipient(mode.digits))), mode)
        accepted.append(one)
        await dies(worker, f"send.after_reply@{one.id}")

    after = await found_at_rest(mortal, accepted)

    assert after.violations() == []
    # Refused for now, it is in nobody's hands; but who could know, once the refusal is lost?
    arrived = {one.id: int(one.mode.takes and one.mode is not MODES["throttled first"]) for one in accepted}
    assert {one.id: after.ledger[one.id] for one in accepted} == arrived
    assert {after.status[id] for id, times in arrived.items() if times == 0} == {"unconfirmed"}


@pytest.mark.parametrize("point", _API)
async def test_the_api_may_die_over_a_request(mortal: Platform, point: str) -> None:
    key = f"crash-{point}"
    body = mortal.order(_recipient("00"), reference=key)
    api = mortal.stack.keepers["api"]
    deaths = len(api.exits)
    await _armed(api, f"{mortal.stack.api}/readyz", point)

    with pytest.raises(httpx.TransportError):
        await mortal.submit(body, key=key)
    await died(api, deaths)
    answer = await _once_it_is_back(lambda: mortal.submit(body, key=key))

    assert answer.status_code == 202
    assert ("idempotent-replayed" in answer.headers) == (point != "accept.before_commit")
    after = await found_at_rest(mortal, [Accepted(answer.json()["id"], MODES["ok"])])
    assert after.violations() == []
    assert after.unclear() == []
    assert await _count_of_reference(mortal, key) == 1


@pytest.mark.parametrize("point", _WEBHOOKS)
async def test_the_webhooks_process_may_die_over_a_webhook(mortal: Platform, point: str) -> None:
    webhooks = mortal.stack.keepers["webhooks"]
    deaths = len(webhooks.exits)
    await _armed(webhooks, f"{mortal.stack.webhooks}/readyz", point)

    accepted = await _submitted(mortal)
    await died(webhooks, deaths)

    after = await found_at_rest(mortal, accepted)
    assert after.violations() == []
    assert after.unclear() == []


async def test_poison_is_found_out_and_its_neighbours_go_out(mortal: Platform) -> None:
    worker = mortal.stack.keepers["worker"]
    worker.kill()
    ids = await mortal.accepted_batch([mortal.order(_recipient("00")) for _ in range(21)])
    poison, deaths = ids[10], len(worker.exits)
    # Whoever takes this one up dies, again and again.
    await worker.restart({"APP_CRASHPOINT": f"render.before_start@{poison}"}, for_ever=True)
    neighbours = [Accepted(id, MODES["ok"]) for id in ids if id != poison]

    dead = await mortal.until(poison, "dead", within=120)
    after = await found_at_rest(mortal, neighbours)
    died = await _recorded(mortal, poison, "message.dead")

    assert worker.exits[deaths:] == [EXIT_CODE] * 3
    assert dead["error"]["code"] == "poison"
    letters = (await mortal.client.get("/v1/dead-letters")).json()["data"]
    assert [letter["code"] for letter in letters if letter["message_id"] == poison] == ["poison"]
    assert after.violations() == []
    assert after.unclear() == []
    assert all(after.events[one.id].count("attempt.lease_ended") <= 1 for one in neighbours)
    # Nobody waits for its end. Who is left to the next worker may see it all the same, if that one takes as long to
    # start as a lease lasts: on a busy machine it does.
    started = [await _recorded(mortal, one.id, "attempt.started") for one in neighbours]
    assert sum(at < died for at in started) > len(neighbours) / 3
    await worker.restart({})


# --- making them die ------------------------------------------------------------------------------------------------


async def _crashing(mortal: Platform, *crashes: str) -> list[Accepted]:
    """Two messages for each way of the provider, and workers that die over them one after the other."""
    worker = mortal.stack.keepers["worker"]
    worker.kill()
    accepted = await _submitted(mortal)
    for nth, crash in enumerate(crashes):
        if nth and crash.startswith("webhook_apply."):
            # The webhooks of the first may all have come, and been applied in one go, before the worker died.
            accepted += await _submitted(mortal)
        await dies(worker, crash)
    return accepted


async def _submitted(mortal: Platform) -> list[Accepted]:
    modes = [mode for mode in MODES.values() for _ in range(2)]
    ids = await mortal.accepted_batch([mortal.order(_recipient(mode.digits)) for mode in modes])
    return [Accepted(id, mode) for id, mode in zip(ids, modes, strict=True)]


def _recipient(digits: str) -> str:
    """A new one each time: some magic recipients remember what they did before."""
    area_code = next(_area_codes)
    assert area_code <= 999
    return f"+1{area_code}55501{digits}"


async def _armed(keeper: Keeper, ready_url: str, crash: str) -> None:
    await keeper.restart({"APP_CRASHPOINT": crash})
    await keeper.child.answers(ready_url)


async def _once_it_is_back(call: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    async def tried() -> httpx.Response | None:
        try:
            return await call()
        except httpx.TransportError:
            return None

    return await eventually(tried, within=120, what="the process did not come back")


# --- looking --------------------------------------------------------------------------------------------------------


async def _count_of_reference(mortal: Platform, reference: str) -> int:
    listed = await mortal.client.get("/v1/messages", params={"reference": reference})
    return len(listed.json()["data"])


async def _recorded(mortal: Platform, id: str, type_: str) -> str:
    """When the first line of that type was written, as comparable text."""
    return str(next(line["recorded_at"] for line in await mortal.timeline(id) if line["type"] == type_))
