"""Writes the log of callbacks: attempts before and after their requests, and ends."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from messaging.adapters.postgres.session.columns import transposed
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.callbacks.delivering.lanes import EndpointKey
from messaging.application.ports.callbacks.delivering.log import EndedCallback, FinishedAttempt, StartedAttempt
from messaging.domain.callbacks.disabling import FailureRecord

START: Final = """
INSERT INTO callback_attempts (tenant_id, endpoint_id, event_id, id, n, url_host, probe, started_at)
SELECT a.*, clock_timestamp()
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::boolean[]) AS a
"""

# Index: callback_attempts_pkey, of the week of each. Arrays of one make it a look for each attempt: with plain equality
# the planner may read all of a week's index, which costs nothing while that week is empty.
FINISH: Final = """
UPDATE callback_attempts a
SET finished_at = clock_timestamp(), outcome = f.outcome, http_status = f.http_status, failure = f.failure,
    peer_ip = f.peer, response_excerpt_encrypted = f.excerpt, ms = f.ms
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::text[], $7::bytea[], $8::int[])
    AS f(tenant_id, id, outcome, http_status, failure, peer, excerpt, ms)
WHERE a.tenant_id = ANY (ARRAY[f.tenant_id]) AND a.id = ANY (ARRAY[f.id])
"""

# Index: callback_ends_pkey. A callback that is replayed ends once more.
END: Final = """
INSERT INTO callback_ends AS c (tenant_id, endpoint_id, event_id, state, attempts, last_failure, ended_at)
SELECT DISTINCT ON (1, 2, 3) e.*, clock_timestamp()
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::text[])
    AS e(tenant_id, endpoint_id, event_id, state, attempts, last_failure)
ON CONFLICT (tenant_id, endpoint_id, event_id) DO UPDATE
SET state = excluded.state, attempts = excluded.attempts, last_failure = excluded.last_failure,
    ended_at = excluded.ended_at
"""

# Indexes: callback_attempts_endpoint_idx, callback_ends_rare_idx. Asked for an endpoint that has failed for days, of
# which the log holds little.
FAILURES: Final = """
SELECT count(*) AS failed_attempts, min(a.started_at) AS first_failed_at, max(a.started_at) AS last_failed_at,
       (SELECT count(*) FROM callback_ends e
        WHERE e.tenant_id = $1 AND e.endpoint_id = $2 AND e.state = 'exhausted' AND e.ended_at >= $3) AS exhausted
FROM callback_attempts a
WHERE a.tenant_id = $1 AND a.endpoint_id = $2 AND a.started_at >= $3 AND a.outcome = 'failed'
"""


class PostgresCallbackLog:
    """The log, in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def start(self, attempts: Sequence[StartedAttempt]) -> None:
        rows = [(*it.endpoint, it.event_id, it.id, it.n, it.url_host, it.probe) for it in attempts]
        if rows:
            await self._driver.execute(START, *transposed(rows, 7))

    async def finish(self, attempts: Sequence[FinishedAttempt]) -> None:
        rows = [
            (it.tenant_id, it.id, it.outcome, it.http_status, it.failure, it.peer, it.excerpt, it.ms) for it in attempts
        ]
        if rows:
            await self._driver.execute(FINISH, *transposed(rows, 8))

    async def end(self, callbacks: Sequence[EndedCallback]) -> None:
        rows = [(*it.endpoint, it.event_id, it.state, it.attempts, it.last_failure) for it in callbacks]
        if rows:
            await self._driver.execute(END, *transposed(rows, 6))

    async def failures(self, endpoint: EndpointKey, *, since: datetime) -> FailureRecord:
        row = await self._driver.fetchrow(FAILURES, *endpoint, since)
        assert row is not None
        return FailureRecord(**dict(row))
