"""Stores accepted messages: many requests in one commit, each request of the batch whole or not at all."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.announcing.of_messages import NOBODY
from messaging.adapters.postgres.messages.idempotency import judge, stored_key
from messaging.adapters.postgres.session.transactions import (
    LOCK_NOT_AVAILABLE,
    Driver,
    autocommit,
    transaction,
)
from messaging.application import crashpoints
from messaging.application.ports.callbacks.listening import Listening
from messaging.application.ports.submissions import (
    Acceptance,
    AcceptOutcome,
    Fingerprint,
    IdempotencyClaim,
    KeyInFlight,
    KeyReused,
    NewMessage,
    Replayed,
    Stored,
)
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.channels.address import mask
from messaging.domain.content.content import TemplateMessage, summary
from messaging.domain.messages.transitions.announced import ACCEPTED, SCHEDULED
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode, TenantScope

# Index: idempotency_keys_pkey.
KNOWN_KEYS: Final = """
SELECT k.key, k.fingerprint, k.status, k.body
FROM idempotency_keys k WHERE k.scope = $1 AND k.key = ANY($2::text[])
"""
STILL_KNOWN: Final = f"{KNOWN_KEYS} AND k.expires_at > clock_timestamp()"

# Index: messages_pkey.
KNOWN_MESSAGES: Final = "SELECT m.id FROM messages m WHERE m.tenant_id = $1 AND m.id = ANY($2::uuid[])"

# Stores all rows of a batch in one statement: that saves a round trip, and values sent once are used in four tables.
# The statement takes over an idempotency key that has expired, or whose reservation's lease ran out; it leaves out
# messages whose key another request holds. Index: idempotency_keys_pkey.
#
# The parameters are arrays of rows. asyncpg checks each value of any other array for being an array itself, which took
# twice the time of all its other work for twenty arrays, one per column.
#
# The statement sets tenant and mode itself, for its transaction only, so that it can be a transaction of its own. All
# inserted rows are read from the CTE `tenant`, so row-level security is evaluated only after tenant and mode are set.
ACCEPT: Final = """
WITH tenant AS MATERIALIZED (
    SELECT set_config('app.tenant_id', $1::uuid::text, true)::uuid AS id, set_config('app.mode', $4, true) AS mode
), claimed AS (
    INSERT INTO idempotency_keys AS k (scope, key, fingerprint, status, body, expires_at)
    SELECT tenant.id, g.* FROM tenant, unnest($2::claimed_key[]) AS g
    ON CONFLICT (scope, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body,
        expires_at = excluded.expires_at, created_at = clock_timestamp(), lease_until = NULL
    WHERE k.expires_at <= clock_timestamp() OR (k.status IS NULL AND k.lease_until <= clock_timestamp())
    RETURNING key
), given AS (
    SELECT tenant.id AS tenant_id, g.* FROM tenant, unnest($3::submitted_message[]) AS g
    WHERE g.key IS NULL OR g.key IN (SELECT key FROM claimed)
), added AS (
    INSERT INTO messages (
        tenant_id, id, account_id, sender_id, template_id, own_template_id, created_at, send_at, expires_at,
        updated_at, seq, epoch, attempts, checks, claim_failures, possible_duplicate, state, mode, channel, category,
        priority, on_unknown, policy, recipient_index, recipient_hint, summary, template_name, reference, trace_id)
    SELECT tenant_id, id, account_id, sender_id, template_id, own_template_id, created_at, send_at, expires_at,
           created_at, 1, 0, 0, 0, 0, false, state, mode, channel, category,
           priority, on_unknown, policy, recipient_index, recipient_hint, summary, template_name, reference, trace_id
    FROM given
), sealed AS (
    INSERT INTO contents (tenant_id, message_id, sealed) SELECT tenant_id, id, sealed FROM given
), told AS (
    INSERT INTO events (tenant_id, message_id, seq, type, state, detail)
    SELECT tenant_id, id, 1, 'message.accepted', state, '{}' FROM given
), due AS (
    INSERT INTO dispatches (tenant_id, subject_id, sender_id, flow_id, due_at, kind, channel, priority)
    SELECT tenant_id, id, sender_id, COALESCE(template_id, own_template_id, '00000000-0000-0000-0000-000000000000'),
           COALESCE(send_at, statement_timestamp()), 'deliver', channel, priority FROM given
)
SELECT key FROM claimed
"""

# The same for a tenant that listens in this mode: a step more, which announces the messages.
ACCEPT_ANNOUNCED: Final = ACCEPT.replace(
    ")\nSELECT key FROM claimed",
    f"""), announced AS (
    INSERT INTO pending_events (tenant_id, mode, subject_kind, subject_id, sequence, type)
    SELECT tenant_id, mode, 'message', id, 1, CASE state WHEN 'scheduled' THEN '{SCHEDULED}' ELSE '{ACCEPTED}' END
    FROM given
)
SELECT key FROM claimed""",
)


class PostgresSubmissions:
    """Stores messages through the `app` engine: row-level security applies to each tenant's part of a batch in turn."""

    def __init__(self, engine: AsyncEngine, listening: Listening = NOBODY) -> None:
        self._engine = engine
        self._listening = listening

    async def accept_many(self, batch: Sequence[Acceptance]) -> Sequence[AcceptOutcome]:
        try:
            return await self._accept(batch)
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name is None or not error.constraint_name.endswith("_pkey"):
                raise
            # These message ids are stored already: an earlier try of this call committed, and its reply was lost.
            return [await self._accept_again(member) for member in batch]
        except StoreUnavailable as error:
            if not _waited_too_long(error):
                raise
            # Another request holds one of the keys. Storing each message alone shows which.
            return [await self._accept_alone(member) for member in batch]

    async def known(
        self, tenant_id: TenantId, mode: Mode, key: str, fingerprint: Fingerprint
    ) -> Replayed | KeyReused | KeyInFlight | None:
        async with transaction(self._engine, scope=TenantScope(tenant_id, mode)) as opened:
            rows = await opened.driver.fetch(STILL_KNOWN, tenant_id, [stored_key(mode, key)])
        return judge(rows[0]["fingerprint"], rows[0]["status"], rows[0]["body"], fingerprint) if rows else None

    async def _accept(self, batch: Sequence[Acceptance]) -> Sequence[AcceptOutcome]:
        scopes = {_scope(member) for member in batch}
        if len(scopes) == 1:
            outcomes = await self._accept_at_once(scopes.pop(), batch)
        else:
            outcomes = await self._accept_together(batch)
        crashpoints.reach("accept.after_commit")
        return outcomes

    async def _accept_at_once(self, scope: TenantScope, batch: Sequence[Acceptance]) -> Sequence[AcceptOutcome]:
        """Store a batch in one round trip instead of three, since the statement is the whole transaction.

        Members whose key was taken are answered from a second transaction, which reads what is stored under the key.
        """
        order = sorted(batch, key=_key)
        async with autocommit(self._engine) as driver:
            fresh = {id(member) for member in await self._stored(driver, scope, order)}
        late = [member for member in batch if id(member) not in fresh]
        told = iter(await self._accept_together(late) if late else ())
        return [Stored() if id(member) in fresh else next(told) for member in batch]

    async def _accept_together(self, batch: Sequence[Acceptance]) -> Sequence[AcceptOutcome]:
        # Sorted by tenant, mode and key, so that two batches with the same keys cannot deadlock.
        order = sorted(range(len(batch)), key=lambda index: (_scope(batch[index]), _key(batch[index])))
        outcomes: list[AcceptOutcome] = [Stored()] * len(batch)
        async with transaction(self._engine) as opened:
            for scope, group in groupby(order, key=lambda index: _scope(batch[index])):
                indexes = list(group)
                found = await self._accept_slice(opened.driver, scope, [batch[index] for index in indexes])
                for index, outcome in zip(indexes, found, strict=True):
                    outcomes[index] = outcome
            await opened.commit()
        return outcomes

    async def _accept_alone(self, member: Acceptance) -> AcceptOutcome:
        try:
            return (await self._accept([member]))[0]
        except StoreUnavailable as error:
            if member.idempotency is not None and _waited_too_long(error):
                return KeyInFlight()
            raise

    async def _accept_again(self, member: Acceptance) -> AcceptOutcome:
        async with transaction(self._engine, scope=_scope(member)) as opened:
            if await _is_known(opened.driver, member):
                return Stored()
        return (await self._accept([member]))[0]

    async def _accept_slice(
        self, driver: Driver, scope: TenantScope, members: Sequence[Acceptance]
    ) -> Sequence[AcceptOutcome]:
        """Store the members of one tenant in one mode, given in key order."""
        fresh = await self._stored(driver, scope, members)
        if len(fresh) == len(members):
            return [Stored()] * len(members)
        return await _judged(driver, scope.tenant_id, members, {id(member) for member in fresh})

    async def _stored(self, driver: Driver, scope: TenantScope, members: Sequence[Acceptance]) -> list[Acceptance]:
        """Store members of one tenant in one mode, given in key order; return those whose key was free or not given."""
        asking = _one_for_each_key(members)
        claims = [_claim_row(member.idempotency, key) for key, member in asking if member.idempotency is not None]
        rows = [_row(new, key or None) for key, member in asking for new in member.messages]
        text = ACCEPT_ANNOUNCED if self._listening.listening(scope.tenant_id, Mode(scope.mode)) else ACCEPT
        crashpoints.reach("accept.before_commit")
        claimed = {row["key"] for row in await driver.fetch(text, scope.tenant_id, claims, rows, scope.mode)}
        return [member for key, member in asking if not key or key in claimed]


def _one_for_each_key(members: Sequence[Acceptance]) -> list[tuple[str, Acceptance]]:
    """The members without a key, and the first of those with the same key, each with its key as stored."""
    seen = {""}
    asking = []
    for member in members:
        key = _key(member)
        if key in seen and key:
            continue
        seen.add(key)
        asking.append((key, member))
    return asking


async def _judged(
    driver: Driver, tenant_id: TenantId, members: Sequence[Acceptance], fresh: set[int]
) -> Sequence[AcceptOutcome]:
    """The answers to members whose key was taken, from the record of the key, which may be of the same batch."""
    keys = [_key(member) for member in members if member.idempotency is not None]
    known = {row["key"]: row for row in await driver.fetch(KNOWN_KEYS, tenant_id, keys)}
    outcomes: list[AcceptOutcome] = []
    for member in members:
        if id(member) in fresh or member.idempotency is None:
            outcomes.append(Stored())
            continue
        row = known[_key(member)]
        outcome: AcceptOutcome = judge(row["fingerprint"], row["status"], row["body"], member.idempotency.fingerprint)
        # The same message ids under the same key: this call itself has committed before, and its reply was lost.
        if isinstance(outcome, Replayed) and await _is_known(driver, member):
            outcome = Stored()
        outcomes.append(outcome)
    return outcomes


async def _is_known(driver: Driver, member: Acceptance) -> bool:
    ids = [new.message.id for new in member.messages]
    return bool(ids) and len(await driver.fetch(KNOWN_MESSAGES, member.tenant_id, ids)) == len(ids)


def _claim_row(claim: IdempotencyClaim, key: str) -> tuple[Any, ...]:
    """The values in the order of the row type `claimed_key`."""
    return key, claim.fingerprint.keyed, claim.status, claim.body, claim.expires_at


def _row(new: NewMessage, key: str | None) -> tuple[Any, ...]:
    """The values in the order of the row type `submitted_message`."""
    message = new.message
    content = message.content
    return (
        message.id,
        message.account_id,
        message.sender_id,
        message.template_id,
        None if message.pin is None else message.pin.template_id,
        message.created_at,
        message.send_at,
        message.expires_at,
        message.state,
        message.mode,
        message.channel,
        message.category,
        message.priority,
        message.on_unknown,
        message.policy,
        new.recipient_index,
        mask(message.recipient),
        summary(content),
        content.name if isinstance(content, TemplateMessage) else None,
        message.reference,
        message.trace_id,
        new.sealed,
        key,
    )


def _scope(member: Acceptance) -> TenantScope:
    return TenantScope(member.tenant_id, member.mode)


def _key(member: Acceptance) -> str:
    """The idempotency key as stored; empty for a member without one."""
    return "" if member.idempotency is None else stored_key(member.mode, member.idempotency.key)


def _waited_too_long(error: StoreUnavailable) -> bool:
    cause = error.__cause__
    return isinstance(cause, asyncpg.PostgresError) and cause.sqlstate == LOCK_NOT_AVAILABLE
