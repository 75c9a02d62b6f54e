"""Messages under lock: locks rows, reads them and their newest attempts into states, and writes decided changes.

The states are what the domain decides on. Attempts change only under their message's lock, so they are read after it,
in a statement that sees what the lock waited for.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from asyncpg import Record

from messaging.adapters.postgres.announcing.of_messages import NOBODY
from messaging.adapters.postgres.messages.apply_changes import Noted, apply_changes, ignored
from messaging.adapters.postgres.messages.locks import LAST_ATTEMPTS, LOCK
from messaging.adapters.postgres.schema.weeks import ALL_WEEKS, Weeks, bounds
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.callbacks.listening import Listening
from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import Category, Priority
from messaging.domain.messages.message_state import LastAttempt, MessageKey, MessageState, Outcome, Phase
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId, MessageId, SenderId, TenantId
from messaging.domain.shared.unclear import OnUnknown

E = TypeVar("E", bound=StrEnum)


class MessageStates:
    """States of messages, read in one open transaction; without `weeks`, always from the tables of all weeks."""

    def __init__(self, driver: Driver, weeks: Weeks | None) -> None:
        self._driver = driver
        self._weeks = weeks

    async def week_of(self, ids: Collection[UUID]) -> str:
        """The suffix of the tables that a set of messages lives in."""
        return ALL_WEEKS if self._weeks is None else await self._weeks.of(self._driver, ids)

    async def read(self, rows: Sequence[Record]) -> Sequence[MessageState]:
        """Of rows that are locked, in their order."""
        tried = [row for row in rows if row["epoch"] > 0]
        attempts: dict[tuple[TenantId, MessageId, int], LastAttempt] = {}
        if tried:
            tenants, ids = {row["tenant_id"] for row in tried}, [row["id"] for row in tried]
            epochs = {row["epoch"] for row in tried}
            statement = LAST_ATTEMPTS.format(week=await self.week_of(ids))
            found = await self._driver.fetch(statement, tenants, ids, epochs, *bounds(ids))
            attempts = {(row["tenant_id"], row["message_id"], row["epoch"]): _attempt(row) for row in found}
        return [_message(row, attempts.get((row["tenant_id"], row["id"], row["epoch"]))) for row in rows]


class PostgresLifecycles:
    """Messages, locked and changed in one open transaction; a tenant's transaction sees that tenant's messages only."""

    def __init__(
        self, driver: Driver, states: MessageStates, listening: Listening = NOBODY, noted: Noted = ignored
    ) -> None:
        self._driver = driver
        self._states = states
        self._listening = listening
        self._noted = noted

    async def lock(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, MessageState]:
        if not keys:
            return {}
        tenants, ids = {key.tenant_id for key in keys}, [key.message_id for key in keys]
        rows = await self._driver.fetch(LOCK.format(week=await self._states.week_of(ids)), tenants, ids, *bounds(ids))
        if len(tenants) > 1:
            wanted = set(keys)
            rows = [row for row in rows if (row["tenant_id"], row["id"]) in wanted]
        return {message.key: message for message in await self._states.read(rows)}

    async def apply(self, changes: Sequence[Change]) -> None:
        if changes:
            week = await self._states.week_of([change.key.message_id for change in changes])
            await apply_changes(self._driver, changes, week, self._listening)
            self._noted(changes)


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
        trace_id=row["trace_id"],
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
