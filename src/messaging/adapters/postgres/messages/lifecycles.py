"""Messages under lock: locks rows, returns each message's state, and writes decided changes as sets.

Locks are taken on the message (and its dispatch) first. Attempts change only under their message's lock, so they are
read afterwards, in a second statement, which sees what was committed while the lock was waited for.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar
from uuid import UUID

from asyncpg import Record
from msgspec.structs import astuple

from messaging.adapters.postgres.messages.apply_changes import WITHDRAW, apply_changes
from messaging.adapters.postgres.messages.due import FLOWS_DUE, LANES_DUE, PICK_DUE
from messaging.adapters.postgres.schema.weeks import ALL_WEEKS, Weeks
from messaging.adapters.postgres.session.bounds import bounds, within
from messaging.adapters.postgres.session.locks import (
    LAST_ATTEMPTS,
    LOCK,
    LOCK_EXPIRED,
    LOCK_EXPIRED_OF,
    LOCK_LOST,
    LOCK_OTHERS,
    LOCK_PICKED,
    NEXT_DUE,
)
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.jobs import DeliverLane
from messaging.application.ports.lifecycles import AttemptRef, Due, ExpiredPage, Place, View
from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import Category, Priority
from messaging.domain.messages.message_state import DispatchKind, LastAttempt, MessageKey, MessageState, Outcome, Phase
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions.negative_evidence import Evidence
from messaging.domain.shared.ids import AccountId, MessageId, SenderId, TenantId
from messaging.domain.shared.unclear import OnUnknown

E = TypeVar("E", bound=StrEnum)

# Index: dispatches_pkey.
POSTPONE: Final = """
UPDATE dispatches d SET due_at = clock_timestamp() + k.wait
FROM unnest($1::uuid[], $2::uuid[], $3::interval[]) AS k(tenant_id, subject_id, wait)
WHERE d.tenant_id = k.tenant_id AND d.subject_id = k.subject_id AND d.kind = $4
"""

# Indexes: messages_pkey, newest first and no further back than the attempt or than the limit; attempts_pkey and
# events_pkey of those; raw_callbacks_pkey since the first attempt; parked_receipts_provider_message_idx; and the
# configuration's primary keys. Only receipts that were posted to us witness that receipts are. A minute is allowed
# for what the clocks of the processes that make ids may differ from the database's. Under load some webhook is always
# on its way through the inbox, so only those that were not read within seconds count as unread.
WITNESSES: Final = """
SELECT w.sender_id, heard.witnesses, heard.heard_until,
    EXISTS (
        SELECT FROM raw_callbacks r
        WHERE r.tenant_id = w.tenant_id AND r.id >= uuid_floor(w.first_start - interval '1 minute')
          AND r.account_id = w.account_id AND r.status <> 'processed'
          AND (r.status = 'set_aside' OR r.received_at < statement_timestamp() - interval '5 seconds')
    ) AS unread,
    EXISTS (
        SELECT FROM parked_receipts p WHERE p.account_id = w.account_id AND p.parked_at >= w.first_start
    ) AS unmatched,
    NOT EXISTS (
        SELECT FROM senders s JOIN provider_accounts c ON c.tenant_id = s.tenant_id AND c.id = s.account_id
        WHERE s.tenant_id = w.tenant_id AND s.id = w.sender_id AND s.status = 'active' AND c.status = 'active'
    ) AS paused
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[])
    AS w(tenant_id, account_id, sender_id, first_start, last_start)
CROSS JOIN LATERAL (
    SELECT count(*)::int AS witnesses, max(found.heard_at) AS heard_until
    FROM (
        SELECT receipts.heard_at
        FROM (
            SELECT n.id, n.sender_id, n.state FROM messages n
            WHERE n.tenant_id = w.tenant_id AND n.id >= uuid_floor(w.last_start)
            ORDER BY n.id DESC LIMIT 10000
        ) newest
        CROSS JOIN LATERAL (
            SELECT max(e.occurred_at) AS heard_at FROM events e
            WHERE e.tenant_id = w.tenant_id AND e.message_id = newest.id
              AND e.type LIKE 'receipt.%' AND e.detail ->> 'source' IS DISTINCT FROM 'history'
        ) receipts
        WHERE newest.sender_id = w.sender_id AND newest.state IN ('sent', 'delivered', 'read')
          AND receipts.heard_at IS NOT NULL
          AND EXISTS (
            SELECT FROM attempts a
            WHERE a.tenant_id = w.tenant_id AND a.message_id = newest.id AND a.started_at > w.last_start
          )
        LIMIT $6
    ) found
) heard
"""

# Index: attempts_provider_message_idx.
FIND_ATTEMPTS: Final = """
SELECT a.account_id, a.provider_message_id, a.tenant_id, a.message_id, a.epoch
FROM unnest($1::uuid[], $2::text[]) AS k(account_id, provider_message_id)
JOIN attempts a ON a.account_id = k.account_id AND a.provider_message_id = k.provider_message_id
ORDER BY a.message_id, a.epoch
"""

# Index: events_pkey. The bounds let Postgres skip the other weeks' partitions.
FAILED_ATTEMPTS: Final = f"""
SELECT e.tenant_id, e.message_id, max((e.detail ->> 'failed_attempt')::int) AS epoch
FROM events e
WHERE e.tenant_id = ANY($1::uuid[]) AND e.message_id = ANY($2::uuid[]) AND {within(3, "e.message_id")}
  AND e.type = 'message.requeued' AND e.detail ->> 'failed_attempt' IS NOT NULL
GROUP BY e.tenant_id, e.message_id
"""

# Indexes: dispatches_other_idx, parked_receipts_next_look_idx.
KINDS_DUE: Final = """
SELECT wanted.kind
FROM unnest($1::text[]) AS wanted(kind)
WHERE EXISTS (
    SELECT FROM dispatches d
    WHERE d.kind <> 'deliver' AND d.kind = wanted.kind AND d.due_at <= statement_timestamp()
    -- Keeps it a look for each kind: the planner might gather the kinds of all that is due instead, and hash them.
    OFFSET 0
) OR (wanted.kind = 'rematch' AND EXISTS (
    SELECT FROM parked_receipts p WHERE p.next_look_at <= statement_timestamp()
))
"""

_NIL: Final = UUID(int=0)
_LANES: Final = tuple((channel.value, priority.value) for channel in Channel for priority in Priority)


def _place(row: Record) -> Place:
    return Place(
        tenant_id=row["tenant_id"],
        sender_id=row["sender_id"],
        flow_id=row["flow_id"],
        due_at=row["due_at"],
        message_id=row["subject_id"],
    )


class PostgresLifecycles:
    """Bound to one open transaction; in a tenant's transaction it sees that tenant's messages only, and has no `weeks`
    to enter by their names.
    """

    def __init__(self, driver: Driver, weeks: Weeks | None = None) -> None:
        self._driver = driver
        self._weeks = weeks

    async def flows_due(
        self, lane: DeliverLane, view: View, *, concurrency: int, throttled: Collection[UUID]
    ) -> Mapping[Flow, int]:
        rows = await self._driver.fetch(
            FLOWS_DUE,
            lane.channel,
            lane.priority,
            view.behind or _NIL,
            view.tenants,
            view.flows,
            *_transposed(view.left_off.values(), 3),
            concurrency,
            list(throttled),
        )
        return {_flow(row): row["count"] for row in rows}

    async def lock_due(self, lane: DeliverLane, quotas: Mapping[Flow, int]) -> Sequence[Due]:
        wanted = _transposed([(*flow, quota) for flow, quota in quotas.items()], 4)
        picked = await self._driver.fetch(PICK_DUE, lane.channel, lane.priority, *wanted)
        if not picked:
            return ()
        tenants, ids = [row["tenant_id"] for row in picked], [row["subject_id"] for row in picked]
        locked = await self._driver.fetch(LOCK_PICKED.format(week=await self._week(ids)), tenants, ids)
        by_id = {row["id"]: row for row in locked}
        rows = [by_id[id] for id in ids if id in by_id]
        flows = {row["subject_id"]: row["flow_id"] for row in picked}
        return tuple(
            Due(
                message=message,
                sealed=row["sealed"],
                flow_id=flows[row["id"]],
                recipient_index=row["canonical_index"] or row["recipient_index"],
            )
            for row, message in zip(rows, await self._messages(rows), strict=True)
        )

    async def lock_expired(self, held: Mapping[SenderId, TenantId], limit: int) -> Sequence[MessageState]:
        channels, priorities = zip(*_LANES, strict=True)
        rows = await self._driver.fetch(
            *(LOCK_EXPIRED, list(held.values()), list(held.keys()), channels, priorities, limit)
        )
        return await self._messages(rows)

    async def lock_expired_in(self, lane: DeliverLane, *, after: Place, limit: int) -> ExpiredPage:
        rows = await self._driver.fetch(NEXT_DUE, lane.channel, lane.priority, *astuple(after), limit)
        tenants, ids = [row["tenant_id"] for row in rows], [row["subject_id"] for row in rows]
        expired = await self._driver.fetch(LOCK_EXPIRED_OF, tenants, ids) if rows else ()
        further = _place(rows[-1]) if len(rows) == limit else None
        return ExpiredPage(messages=await self._messages(expired), next=further)

    async def lock_lost(self, held: Mapping[SenderId, TenantId], limit: int) -> Sequence[MessageState]:
        rows = await self._driver.fetch(LOCK_LOST, list(held.values()), list(held.keys()), limit)
        return await self._messages(rows)

    async def lock_waits_over(self, limit: int) -> Sequence[MessageState]:
        return await self._messages(await self._driver.fetch(LOCK_OTHERS, DispatchKind.STOP_WAITING, limit))

    async def lock_for_polling(self, limit: int) -> Sequence[MessageState]:
        return await self._messages(await self._driver.fetch(LOCK_OTHERS, DispatchKind.CHECK_SILENT, limit))

    async def later_receipts(self, waiting: Sequence[MessageState], *, enough: int) -> Mapping[SenderId, Evidence]:
        starts: dict[tuple[TenantId, AccountId, SenderId], list[datetime]] = defaultdict(list)
        for message in waiting:
            if message.attempt is not None and message.attempt.started_at is not None:
                sender = (message.key.tenant_id, message.account_id, message.sender_id)
                starts[sender].append(message.attempt.started_at)
        if not starts:
            return {}
        rows = [(*sender, min(times), max(times)) for sender, times in starts.items()]
        found = await self._driver.fetch(WITNESSES, *zip(*rows, strict=True), enough)
        return {SenderId(row["sender_id"]): _evidence(row) for row in found}

    async def lock(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, MessageState]:
        if not keys:
            return {}
        tenants, ids = {key.tenant_id for key in keys}, [key.message_id for key in keys]
        rows = await self._driver.fetch(LOCK.format(week=await self._week(ids)), tenants, ids, *bounds(ids))
        if len(tenants) > 1:
            wanted = set(keys)
            rows = [row for row in rows if (row["tenant_id"], row["id"]) in wanted]
        return {message.key: message for message in await self._messages(rows)}

    async def _messages(self, rows: Sequence[Record]) -> Sequence[MessageState]:
        tried = [row for row in rows if row["epoch"] > 0]
        attempts: dict[tuple[TenantId, MessageId, int], LastAttempt] = {}
        if tried:
            tenants, ids = {row["tenant_id"] for row in tried}, [row["id"] for row in tried]
            epochs = {row["epoch"] for row in tried}
            statement = LAST_ATTEMPTS.format(week=await self._week(ids))
            found = await self._driver.fetch(statement, tenants, ids, epochs, *bounds(ids))
            attempts = {(row["tenant_id"], row["message_id"], row["epoch"]): _attempt(row) for row in found}
        return [_message(row, attempts.get((row["tenant_id"], row["id"], row["epoch"]))) for row in rows]

    async def apply(self, changes: Sequence[Change]) -> None:
        if changes:
            week = await self._week([change.key.message_id for change in changes])
            await apply_changes(self._driver, changes, week)

    async def _week(self, ids: Collection[UUID]) -> str:
        return ALL_WEEKS if self._weeks is None else await self._weeks.of(self._driver, ids)

    async def unschedule(self, keys: Sequence[MessageKey]) -> None:
        if keys:
            await self._driver.execute(WITHDRAW, *_columns(keys))

    async def postpone(
        self, waits: Mapping[MessageKey, timedelta], *, kind: DispatchKind = DispatchKind.DELIVER
    ) -> None:
        if waits:
            tenants, ids = _columns(list(waits))
            await self._driver.execute(POSTPONE, tenants, ids, list(waits.values()), kind)

    async def find_attempts(
        self, provider_ids: Sequence[tuple[AccountId, str]]
    ) -> Mapping[tuple[AccountId, str], AttemptRef]:
        accounts, texts = [account for account, _ in provider_ids], [text for _, text in provider_ids]
        # A provider that hands out one id twice is answered with the newest attempt that has it.
        return {
            (AccountId(row["account_id"]), row["provider_message_id"]): AttemptRef(
                key=MessageKey(TenantId(row["tenant_id"]), MessageId(row["message_id"])), epoch=row["epoch"]
            )
            for row in await self._driver.fetch(FIND_ATTEMPTS, accounts, texts)
        }

    async def failed_attempts(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, int]:
        if not keys:
            return {}
        ids = [key.message_id for key in keys]
        rows = await self._driver.fetch(FAILED_ATTEMPTS, {key.tenant_id for key in keys}, ids, *bounds(ids))
        return {MessageKey(TenantId(row["tenant_id"]), MessageId(row["message_id"])): row["epoch"] for row in rows}

    async def lanes_with_work(
        self, kinds: Sequence[DispatchKind], *, throttled: Collection[tuple[DeliverLane, UUID]] = ()
    ) -> Sequence[DispatchKind | DeliverLane]:
        found: list[DispatchKind | DeliverLane] = []
        if DispatchKind.DELIVER in kinds:
            rests = _transposed([(lane.channel, lane.priority, id) for lane, id in throttled], 3)
            found.extend(
                DeliverLane(channel=Channel(row["channel"]), priority=Priority(row["priority"]))
                for row in await self._driver.fetch(LANES_DUE, *zip(*_LANES, strict=True), *rests)
            )
        if others := [kind for kind in kinds if kind is not DispatchKind.DELIVER]:
            found.extend(DispatchKind(row["kind"]) for row in await self._driver.fetch(KINDS_DUE, others))
        return found


def _flow(row: Record) -> Flow:
    return Flow(TenantId(row["tenant_id"]), SenderId(row["sender_id"]), row["flow_id"])


def _transposed(rows: Collection[tuple[Any, ...]], width: int) -> Sequence[Sequence[Any]]:
    """Rows as one array per column, also when there are none."""
    return list(zip(*rows, strict=True)) or [()] * width


def _columns(keys: Sequence[tuple[TenantId, MessageId]]) -> tuple[list[TenantId], list[MessageId]]:
    return [tenant for tenant, _ in keys], [id for _, id in keys]


def _by_value(members: type[E]) -> dict[str, E]:
    """Calling an enumeration takes ten times as long, and every message locked does so eight times."""
    return {member.value: member for member in members}


_STATES, _CHANNELS, _PRIORITIES = _by_value(State), _by_value(Channel), _by_value(Priority)
_CATEGORIES, _ON_UNKNOWN = _by_value(Category), _by_value(OnUnknown)
_PHASES, _OUTCOMES = _by_value(Phase), _by_value(Outcome)


def _message(row: Record, attempt: LastAttempt | None) -> MessageState:
    return MessageState(
        key=MessageKey(TenantId(row["tenant_id"]), MessageId(row["id"])),
        state=_STATES[row["state"]],
        seq=row["seq"],
        epoch=row["epoch"],
        attempts=row["attempts"],
        checks=row["checks"],
        claim_failures=row["claim_failures"],
        channel=_CHANNELS[row["channel"]],
        priority=_PRIORITIES[row["priority"]],
        category=_CATEGORIES[row["category"]],
        policy=row["policy"],
        on_unknown=_ON_UNKNOWN[row["on_unknown"]],
        account_id=AccountId(row["account_id"]),
        sender_id=SenderId(row["sender_id"]),
        expires_at=row["expires_at"],
        attempt=attempt,
        now=row["now"],
        possible_duplicate=row["possible_duplicate"],
    )


def _attempt(row: Record) -> LastAttempt:
    return LastAttempt(
        epoch=row["epoch"],
        phase=_PHASES[row["phase"]],
        outcome=None if row["outcome"] is None else _OUTCOMES[row["outcome"]],
        lease_owner=row["lease_owner"],
        lease_live=row["lease_live"],
        provider_message_id=row["provider_message_id"],
        started_at=row["started_at"],
        http_status=row["http_status"],
    )


def _evidence(row: Record) -> Evidence:
    return Evidence(
        later_receipts=row["witnesses"],
        heard_until=row["heard_until"],
        unread=row["unread"],
        unmatched=row["unmatched"],
        paused=row["paused"],
    )
