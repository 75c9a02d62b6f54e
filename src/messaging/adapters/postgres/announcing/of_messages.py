"""The step that announces public events of messages, in the statements that write them.

The step is there only if a tenant of the batch listens. It writes a row of `pending_events` for each event; `app
callbacks` turns those into callbacks. A message's mode is not known where changes are decided, so the step is given a
row for each mode in which the tenant listens, and keeps those of the message's own mode.
"""

from collections.abc import Sequence
from typing import Any, Final

from messaging.application.ports.callbacks.listening import Listening
from messaging.domain.messages.change import Change
from messaging.domain.messages.transitions.announced import announced
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode

# The numbers of pending events follow the order of the rows given: that of each message's timeline. OFFSET 0 makes the
# planner look keys up in a hash of the moved messages, instead of comparing each with each.
_ANNOUNCE: Final = """
INSERT INTO pending_events (tenant_id, mode, subject_kind, subject_id, sequence, type)
SELECT a.tenant_id, a.mode, 'message', a.message_id, a.sequence, a.type
FROM unnest(${0}::uuid[], ${1}::text[], ${2}::uuid[], ${3}::bigint[], ${4}::text[])
    WITH ORDINALITY AS a(tenant_id, mode, message_id, sequence, type, number)
WHERE (a.tenant_id, a.message_id, a.mode) IN (SELECT m.tenant_id, m.id, m.mode FROM moved m OFFSET 0)
ORDER BY a.number
"""
_COLUMNS: Final = 5


class Nobody:
    """No tenant listens: for tools and tests that announce nothing."""

    def listening(self, tenant_id: TenantId, mode: Mode) -> bool:
        return False


NOBODY: Final[Listening] = Nobody()


def step(first: int) -> str:
    """The step; `first` is the number of the first of its five parameters."""
    return _ANNOUNCE.format(*range(first, first + _COLUMNS))


def rows(changes: Sequence[Change], listening: Listening) -> list[tuple[Any, ...]]:
    """The step's rows for the public events of changes of listening tenants; none if no tenant listens."""
    tenants = {change.key.tenant_id for change in changes}
    modes = {id: listened for id in tenants if (listened := [mode for mode in Mode if listening.listening(id, mode)])}
    if not modes:
        return []
    return [
        (key.tenant_id, mode.value, key.message_id, event.sequence, event.type)
        for change in changes
        if (key := change.key).tenant_id in modes
        for event in announced(change)
        for mode in modes[key.tenant_id]
    ]
