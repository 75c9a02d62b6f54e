"""A statement as it is explained: its text, its arguments, and the indexes that it must live on."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from messaging.adapters.postgres.hot_statements import BY_NAME
from messaging.adapters.postgres.schema.weeks import ALL_WEEKS
from messaging.adapters.postgres.session.engine import APP_ROLE
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode, TenantScope

TENANT = TenantId(UUID(int=1))
SCOPE = TenantScope(TENANT, Mode.LIVE)


class Statement(NamedTuple):
    """`hot` is its name in the registry, `role` the pool; `indexes` must all be in the plan, by the name of the whole
    table's index.

    A list must come out of its index in order: whatever reads and sorts, or joins, all there is would grow with it.
    """

    hot: str
    role: str
    sql: str
    arguments: Sequence[Any]
    indexes: Sequence[str]
    is_list: bool = False


def named(name: str, arguments: Sequence[Any], indexes: Sequence[str], *, week: str = ALL_WEEKS) -> Statement:
    hot = BY_NAME[name]
    return Statement(name, "app" if hot.role == APP_ROLE else "system", hot.of_week(week), arguments, indexes)
