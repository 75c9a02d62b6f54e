"""Every statement is hot, with a name, a purpose and a plan that is tested, or is listed here as one that is not."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from messaging.adapters import postgres
from messaging.adapters.postgres.hot_statements import BY_NAME, HOT_STATEMENTS
from messaging.adapters.postgres.schema.weeks import ALL_WEEKS
from tests.integration.postgres.plans.statements import SOME, Facts, statements

SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s")
# These run seldom, or look at tables that stay small.
NOT_HOT = {
    "callbacks.pending": {"LOCK"},
    "callbacks.stored_events": {"ONE"},
    "callbacks.subjects": {"PAYLOAD", "INBOUND"},
    "callbacks.delivering.callback_log": {"FAILURES"},
    "callbacks.delivering.deliveries": {"ATTEMPTS", "OF_EVENT", "HEALTH", "SWITCH", "WAKE", "CLOSE_BREAKER"},
    "callbacks.delivering.depths": {"LANES", "DUE", "HELD", "PENDING"},
    "callbacks.delivering.targets": {"DISABLE", "ENDPOINTS"},
    "callbacks.delivering.held_statements": {"HOLD", "RELEASE", "DUE_NOW", "DROP", "DROP_OLD"},
    "callbacks.delivering.lane_statements": {"ADD_LANES", "MARK_REPEATS"},
    "configuration.snapshots": {"LISTENING"},
    "dispatches.awaited_messages": {"SEALED"},
    "configuration.template_work": {"CARRY_OVER", "UNSCHEDULED"},
    "messages.apply_changes": {"ADD_DEAD_LETTERS"},
    "messages.failovers": {"NOTICE", "UNSETTLED", "TAKE_TURN", "DOUBTFUL", "SETTLE"},
    "messages.idempotency": {"ABANDON"},
    "messages.locks": {"NEXT_DUE", "LOCK_EXPIRED_OF"},
    "outbox.job_records": {"COUNTS", "DEAD", "FIND", "REVIVE", "DISCARD"},
    "outbox.statements": {"LOCK_KEYS"},
    "operations.health": {"LANE_DEPTHS", "WEEKS_AHEAD", "ONLY_READS", "IDENTITY"},
    "operations.survey": {"LAST_WEBHOOKS", "SET_ASIDE", "OPEN_DEAD_LETTERS"},
    "operations.tenant_totals": {"LEAD", "COUNT", "COUNTED", "TOTALS"},
    "operations.upkeep": {"ADOPT", "DROP_WEEK", "PURGE_SECRETS"},
    "operations.vitals": {"HEARD"},
    "operations.workers": {"TELL", "SEEN"},
    "reading.selections": {"UNDER_WAY"},
    "webhooks.provider_events": {"ONE"},
    "webhooks.raw_webhooks": {"PUT_BACK", "PUT_BACK_CONNECTED"},
}


def constants() -> Iterator[tuple[str, str, str]]:
    """Module, name and text of every statement that is sent as it stands; parts of others begin with an underscore."""
    for found in pkgutil.walk_packages(postgres.__path__, f"{postgres.__name__}."):
        module = importlib.import_module(found.name)
        for name in re.findall(
            r"^([A-Z][A-Z_]*)(?:: Final)? = ", Path(module.__file__ or "").read_text(), re.MULTILINE
        ):
            value = getattr(module, name)
            if isinstance(value, str) and SQL.match(value):
                yield found.name.removeprefix(f"{postgres.__name__}."), name, value


def test_every_hot_statement_has_a_name_and_one_line_that_says_its_purpose() -> None:
    assert len(BY_NAME) == len(HOT_STATEMENTS) > 60
    assert [it.name for it in HOT_STATEMENTS if not re.fullmatch(r"[a-z]+(-[a-z]+)*", it.name)] == []
    assert [it.name for it in HOT_STATEMENTS if not re.fullmatch(r"[A-Z].{10,90}\.", it.purpose)] == []


def test_every_statement_is_hot_or_listed_as_not() -> None:
    hot = {statement.text for statement in HOT_STATEMENTS}
    cold = {(module, name) for module, name, text in constants() if text.replace("{week}", ALL_WEEKS) not in hot}

    assert cold == {(module, name) for module, names in NOT_HOT.items() for name in names}


def test_every_hot_statement_is_explained_among_many_rows() -> None:
    rows = [(UUID(int=1), UUID(int=number)) for number in range(1, SOME + 1)]

    explained = {statement.hot for statement in statements(Facts(rows, {"": ALL_WEEKS})).values()}

    assert explained == set(BY_NAME)
