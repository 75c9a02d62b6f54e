"""Idempotency keys of requests: reserved while a request runs, then kept with its answer, in Postgres."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.submissions import Fingerprint, KeyInFlight, KeyReused, Replayed
from messaging.domain.shared.mode import Mode, Reach, TenantScope

# The scope of keys used on the administrators' API, which belongs to no tenant.
PLATFORM: Final = UUID(int=0)

# Index: idempotency_keys_pkey.
RESERVE: Final = """
INSERT INTO idempotency_keys AS k (scope, key, fingerprint, expires_at, lease_until)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (scope, key) DO UPDATE
SET fingerprint = excluded.fingerprint, status = NULL, body = NULL, expires_at = excluded.expires_at,
    created_at = clock_timestamp(), lease_until = excluded.lease_until
WHERE k.expires_at <= clock_timestamp() OR (k.status IS NULL AND k.lease_until <= clock_timestamp())
RETURNING true
"""
KNOWN: Final = "SELECT fingerprint, status, body FROM idempotency_keys WHERE scope = $1 AND key = $2"
FINISH: Final = """
UPDATE idempotency_keys SET status = $3, body = $4, lease_until = NULL
WHERE scope = $1 AND key = $2 AND status IS NULL
"""
ABANDON: Final = "DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND status IS NULL"


class PostgresIdempotency:
    """Idempotency keys, kept through the `system` engine, because the administrators' API belongs to no tenant."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(
        self,
        scope: TenantScope | None,
        key: str,
        fingerprint: Fingerprint,
        *,
        expires_at: datetime,
        lease_until: datetime,
    ) -> Replayed | KeyReused | KeyInFlight | None:
        where = _place(scope, key)
        async with transaction(self._engine) as opened:
            while True:
                if await opened.driver.fetchval(RESERVE, *where, fingerprint.keyed, expires_at, lease_until):
                    await opened.commit()
                    return None
                # No row is found if the first request has just abandoned its reservation; then reserving is tried
                # again.
                if (row := await opened.driver.fetchrow(KNOWN, *where)) is not None:
                    return judge(row["fingerprint"], row["status"], row["body"], fingerprint)

    async def finish(self, scope: TenantScope | None, key: str, *, status: int, body: bytes) -> None:
        async with transaction(self._engine) as opened:
            await opened.driver.execute(FINISH, *_place(scope, key), status, body)
            await opened.commit()

    async def abandon(self, scope: TenantScope | None, key: str) -> None:
        async with transaction(self._engine) as opened:
            await opened.driver.execute(ABANDON, *_place(scope, key))
            await opened.commit()


def stored_key(mode: Reach, key: str) -> str:
    """The key as stored. A test request's key is prefixed with `test` and a space, which no client's key contains.

    So the same key is independent in the two modes. The database function `mode_of_key` reads the prefix.
    """
    return f"test {key}" if mode is Mode.TEST else key


def _place(scope: TenantScope | None, key: str) -> tuple[UUID, str]:
    return (PLATFORM, key) if scope is None else (scope.tenant_id, stored_key(scope.mode, key))


def judge(
    known: bytes, status: int | None, body: bytes | None, fingerprint: Fingerprint
) -> Replayed | KeyReused | KeyInFlight:
    """The answer to a second request with a key, from the first one's fingerprint and its answer, if it has one yet."""
    if not fingerprint.is_of(known):
        return KeyReused()
    return KeyInFlight() if status is None or body is None else Replayed(status=status, body=body)
