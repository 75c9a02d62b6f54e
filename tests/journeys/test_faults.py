"""Is every accepted message accounted for, and none sent twice, when processes die and the provider misbehaves?"""

import signal

import pytest

from tests.journeys.platform import Platform, eventually

ORDERS = 400


async def test_killing_the_worker_and_flushing_redis_loses_and_repeats_nothing(platform: Platform) -> None:
    ids = await platform.accepted_batch([platform.order(f"+1415556{n:04d}") for n in range(ORDERS)])
    await _until_some_left(platform, ids)

    assert platform.stack.redis is not None
    await platform.stack.redis.flush()
    platform.stack.keepers["worker"].child.kill()
    # The lease of a lost send has to end, and the grace of its echo.
    ends = await platform.until_all_is_told(ids, within=120)

    ledger = await platform.ledger()
    assert all(ledger[id] <= 1 for id in ids)
    # Whatever the provider has, the database knows as sent; only what it does not have may be unconfirmed.
    assert ends["read"] + ends["delivered"] == sum(ledger[id] for id in ids)
    assert ends["unconfirmed"] == sum(ledger[id] == 0 for id in ids)
    assert set(ends) <= {"read", "delivered", "unconfirmed"}
    assert await platform.illegal_histories() == []


async def test_a_worker_that_is_told_to_stop_leaves_nothing_unclear(platform: Platform) -> None:
    ids = await platform.accepted_batch([platform.order(f"+1415557{n:04d}") for n in range(ORDERS)])
    await _until_some_left(platform, ids)

    platform.stack.keepers["worker"].child.send(signal.SIGTERM)
    ends = await platform.until_all_end(ids)

    assert set(ends) <= {"read", "delivered"}
    ledger = await platform.ledger()
    assert all(ledger[id] == 1 for id in ids)


async def test_without_redis_messages_are_accepted_and_delivered_all_the_same(platform: Platform) -> None:
    redis = platform.stack.redis
    assert redis is not None
    await redis.kill()
    try:
        ids = await platform.accepted_batch([platform.order(f"+1415558{n:04d}") for n in range(50)])
        ends = await platform.until_all_end(ids)
    finally:
        await redis.restart()

    assert set(ends) <= {"read", "delivered"}
    ledger = await platform.ledger()
    assert all(ledger[id] == 1 for id in ids)


# Magic recipients of the sandbox, by their last two digits: docs/sandbox.md.
@pytest.mark.parametrize(
    ("to", "ends", "accepted"),
    [
        pytest.param("+14155550101", "delivered", 1, id="delivered, never read"),
        pytest.param("+14155550104", "read", 1, id="read without delivered"),
        pytest.param("+14155550106", "delivered", 1, id="failed, and delivered after all"),
        pytest.param("+14155550110", "failed", 1, id="accepted, then failed"),
        pytest.param("+14155550120", "failed", 0, id="refused for good"),
        pytest.param("+14155550141", "unconfirmed", 0, id="error 500, not accepted, never heard of again"),
        pytest.param("+14155550146", "read", 1, id="error 500, accepted all the same"),
        pytest.param("+14155550152", "read", 1, id="accepted, then the connection is reset"),
        pytest.param("+14155550154", "read", 1, id="accepted, the answer is cut off"),
        pytest.param("+14155550155", "read", 1, id="accepted, the answer is no JSON"),
        pytest.param("+14155550160", "read", 1, id="every webhook twice"),
        pytest.param("+14155550161", "read", 1, id="webhooks in reverse"),
        pytest.param("+14155550162", "read", 1, id="the webhook overtakes the answer"),
        pytest.param("+14155550165", "failed", 1, id="failed, without our reference"),
        pytest.param("+14155550170", "read", 1, id="throttled the first time"),
        pytest.param("+14155550174", "read", 1, id="token refused the first time"),
    ],
)
async def test_each_outcome_of_the_provider_comes_to_its_end(
    platform: Platform, to: str, ends: str, accepted: int
) -> None:
    id = await platform.accepted(platform.order(to))

    await platform.until(id, ends)

    assert (await platform.ledger())[id] == accepted


async def _until_some_left(platform: Platform, ids: list[str]) -> None:
    """Somewhere in the middle: some are with the provider, others are not."""
    wanted = set(ids)

    async def under_way() -> bool | None:
        return True if wanted & set(await platform.ledger()) else None

    await eventually(under_way, within=120, what="nothing was sent")
