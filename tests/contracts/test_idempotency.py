"""Are answers remembered the same by the fake and by Postgres?"""

from datetime import UTC, datetime, timedelta

import pytest

from messaging.adapters.postgres.messages.idempotency import PostgresIdempotency
from messaging.adapters.postgres.session.engine import Engines
from messaging.application.ports.idempotency import Idempotency
from messaging.application.ports.submissions import Fingerprint, KeyInFlight, KeyReused, Replayed
from messaging.domain.shared.mode import Mode, TenantScope
from tests.builders import TENANT
from tests.fakes.idempotency import InMemoryIdempotency

MINE, OTHER = Fingerprint(b"mine, keyed", b"mine"), Fingerprint(b"another, keyed", b"another")
LIVE, TEST = TenantScope(TENANT, Mode.LIVE), TenantScope(TENANT, Mode.TEST)


@pytest.fixture(params=["in_memory", "postgres"])
async def idempotency(request: pytest.FixtureRequest, engines: Engines) -> Idempotency:
    if request.param == "in_memory":
        return InMemoryIdempotency()
    return PostgresIdempotency(engines.system)


async def begin(
    idempotency: Idempotency,
    fingerprint: Fingerprint = MINE,
    *,
    scope: TenantScope | None = LIVE,
    lease: timedelta = timedelta(minutes=1),
) -> Replayed | KeyReused | KeyInFlight | None:
    now = datetime.now(UTC)
    return await idempotency.begin(
        scope, "key", fingerprint, expires_at=now + timedelta(days=7), lease_until=now + lease
    )


async def test_an_unused_key_is_ours(idempotency: Idempotency) -> None:
    assert await begin(idempotency) is None


async def test_a_key_whose_request_has_not_finished_is_in_flight(idempotency: Idempotency) -> None:
    await begin(idempotency)

    assert await begin(idempotency) == KeyInFlight()
    assert await begin(idempotency, OTHER) == KeyReused()


async def test_a_finished_request_is_replayed_and_another_refused(idempotency: Idempotency) -> None:
    await begin(idempotency)
    await idempotency.finish(LIVE, "key", status=201, body=b"{}")

    assert await begin(idempotency) == Replayed(status=201, body=b"{}")
    assert await begin(idempotency, OTHER) == KeyReused()


async def test_an_abandoned_key_may_be_used_again(idempotency: Idempotency) -> None:
    await begin(idempotency)
    await idempotency.abandon(LIVE, "key")

    assert await begin(idempotency, OTHER) is None


async def test_abandoning_late_does_not_forget_the_answer(idempotency: Idempotency) -> None:
    await begin(idempotency)
    await idempotency.finish(LIVE, "key", status=201, body=b"{}")

    await idempotency.abandon(LIVE, "key")

    assert await begin(idempotency) == Replayed(status=201, body=b"{}")


async def test_a_reservation_whose_lease_ran_out_is_taken_over(idempotency: Idempotency) -> None:
    await begin(idempotency, lease=timedelta(0))

    assert await begin(idempotency) is None


async def test_tenants_and_the_platform_do_not_share_keys(idempotency: Idempotency) -> None:
    await begin(idempotency)

    assert await begin(idempotency, scope=None) is None
    assert await begin(idempotency, scope=None) == KeyInFlight()


async def test_a_key_used_live_and_in_test_is_two_keys(idempotency: Idempotency) -> None:
    await begin(idempotency)
    await idempotency.finish(LIVE, "key", status=201, body=b"live")

    assert await begin(idempotency, OTHER, scope=TEST) is None
    await idempotency.finish(TEST, "key", status=201, body=b"test")
    assert await begin(idempotency) == Replayed(status=201, body=b"live")
    assert await begin(idempotency, OTHER, scope=TEST) == Replayed(status=201, body=b"test")


async def test_a_record_of_the_version_before_is_recognised_by_its_plain_digest(idempotency: Idempotency) -> None:
    await begin(idempotency, Fingerprint(MINE.plain, MINE.plain))
    await idempotency.finish(LIVE, "key", status=201, body=b"{}")

    assert await begin(idempotency, MINE) == Replayed(status=201, body=b"{}")
    assert await begin(idempotency, OTHER) == KeyReused()
