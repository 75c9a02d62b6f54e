"""Messages under lock: locks rows, returns each message's state, and writes decided changes as sets."""

from collections.abc import Mapping, Sequence

from messaging.adapters.postgres.messages.apply_changes import apply_changes
from messaging.adapters.postgres.messages.locks import LOCK
from messaging.adapters.postgres.messages.message_states import MessageStates
from messaging.adapters.postgres.schema.weeks import bounds
from messaging.adapters.postgres.session.transactions import Driver
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey, MessageState


class PostgresLifecycles:
    """Messages, locked and changed in one open transaction; a tenant's transaction sees that tenant's messages only."""

    def __init__(self, driver: Driver, states: MessageStates) -> None:
        self._driver = driver
        self._states = states

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
            await apply_changes(self._driver, changes, week)
