"""The hot statements and every list, with the indexes that each must live on."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from messaging.adapters.postgres.configuration import snapshots, template_work
from messaging.adapters.postgres.conversations import contact_aliases, conversations
from messaging.adapters.postgres.dispatches import awaited_messages, dispatches, due
from messaging.adapters.postgres.messages import apply_changes, attempts, idempotency, locks, submissions
from messaging.adapters.postgres.operations import health, upkeep, vitals
from messaging.adapters.postgres.reading import dead_letters, message_counts, message_lists, records, selections
from messaging.adapters.postgres.schema.weeks import ALL_WEEKS, Weeks
from messaging.adapters.postgres.session.transactions import Driver
from messaging.adapters.postgres.webhooks import parked_receipts, provider_events, raw_webhooks
from messaging.application.ports.provider_events import ProviderEventFilter
from messaging.application.ports.records import CountedRange, MessageFilter
from messaging.domain.messages.message import Priority
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId, MessageId, TenantId
from messaging.domain.shared.mode import Mode, TenantScope
from tests.integration.postgres.adding_weeks import week_of
from tests.integration.postgres.plans.populating import NEW_WEEK_AT


class Statement(NamedTuple):
    """`role` names the pool; `indexes` must all be in the plan, by the name of the whole table's index.

    A list must come out of its index in order: whatever reads and sorts, or joins, all there is would grow with it.
    """

    role: str
    sql: str
    arguments: Sequence[Any]
    indexes: Sequence[str]
    is_list: bool = False


TENANT = TenantId(UUID(int=1))
SCOPE = TenantScope(TENANT, Mode.LIVE)
SOME = 50


def _filters(last: MessageId) -> Mapping[str, tuple[MessageFilter, str, str]]:
    """Each list: its filter, its form, and the index it lives on."""
    day = datetime.now(UTC) - timedelta(days=1)
    return {
        "everything": (MessageFilter(), "newest", "messages_pkey"),
        "to a recipient": (MessageFilter(recipient_indexes=(b"\0" * 32,)), "newest", "messages_recipient_idx"),
        "to a recipient of several names": (
            MessageFilter(recipient_indexes=(b"\0" * 32, b"\1" * 32)),
            "newest",
            "messages_recipient_idx",
        ),
        "in a state, to a recipient of several names": (
            MessageFilter(states=(State.FAILED,), recipient_indexes=(b"\0" * 32, b"\1" * 32)),
            "stretch",
            "messages_recipient_idx",
        ),
        "by reference": (MessageFilter(reference="order-7"), "newest", "messages_reference_idx"),
        "by template": (MessageFilter(template="template_7"), "newest", "messages_template_idx"),
        "of one id": (MessageFilter(message_id=last), "newest", "messages_pkey"),
        "of a time": (
            MessageFilter(created_after=day, created_before=day + timedelta(hours=6)),
            "newest",
            "messages_pkey",
        ),
        "to a recipient, by template": (
            MessageFilter(recipient_indexes=(b"\0" * 32,), template="template_7"),
            "newest",
            "messages_recipient_idx",
        ),
        "in a rare state": (MessageFilter(states=(State.FAILED,)), "stretch", "events_rare_state_idx"),
        "in a rare state, by template": (
            MessageFilter(states=(State.FAILED,), template="template_7"),
            "stretch",
            "events_rare_state_idx",
        ),
        "in rare states": (MessageFilter(states=(State.FAILED, State.DEAD)), "stretch", "events_rare_state_idx"),
        "in rare and waiting states": (
            MessageFilter(states=(State.QUEUED, State.CLAIMED, State.FAILED, State.DEAD)),
            "stretch",
            "events_rare_state_idx",
        ),
        "in rare states, by error and change": (
            MessageFilter(states=(State.FAILED, State.DEAD), error_code="131026", updated_after=day),
            "stretch",
            "events_rare_state_idx",
        ),
        "by error": (MessageFilter(error_code="131026"), "stretch", "messages_pkey"),
        "by error, by template": (
            MessageFilter(error_code="131026", template="template_7"),
            "stretch",
            "messages_template_idx",
        ),
        "by change": (MessageFilter(updated_after=day, updated_before=day), "stretch", "messages_pkey"),
        "in a waiting state": (MessageFilter(states=(State.QUEUED, State.CLAIMED)), "stretch", "dispatches_pkey"),
        "in a common state, by template": (
            MessageFilter(states=(State.SENT,), template="template_7"),
            "stretch",
            "messages_template_idx",
        ),
        "in a common state": (MessageFilter(states=(State.SENT, State.READ)), "stretch", "messages_pkey"),
        "in a state, to a recipient": (
            MessageFilter(states=(State.FAILED,), recipient_indexes=(b"\0" * 32,)),
            "stretch",
            "messages_recipient_idx",
        ),
    }


async def hot_statements_and_lists(driver: Driver) -> dict[str, Statement]:
    rows = await driver.fetch("SELECT tenant_id, id FROM messages ORDER BY id DESC LIMIT $1", SOME)
    tenants, ids = [row["tenant_id"] for row in rows], [row["id"] for row in rows]
    bounds = (min(ids), max(ids))
    last = MessageId(max(ids))
    now = datetime.now(UTC)
    some: dict[str, list[Any]] = {
        kind: [value] * SOME for kind, value in {"int": 1, "text": "x", "bytes": b"x", "time": now}.items()
    }
    i, t, b, w = (some[kind] for kind in ("int", "text", "bytes", "time"))
    keys = [f"key-{n}" for n in range(SOME)]
    lane = ("whatsapp", "default")
    one = [UUID(int=1)]
    waits = [timedelta(seconds=1)] * SOME
    opening, arrangement = ("x", timedelta(0), False, False), ("x", now, True)
    change = [(*row, 1, "x", "x", 1, 1, 1, 1, 1, False, False, "x", "x", *opening, *arrangement) for row in rows]
    told = [(*row, 1, "x", "x", "{}", None) for row in rows]
    news = [(*row, 1, "x", "x", "x", "x", "x", 1, 1, False, False) for row in rows]
    digests = (tenants, tenants, t, b)
    system = {
        "pick due": (due.PICK_DUE, (*lane, one, one, one, [20]), ["dispatches_lane_idx"]),
        "lock expired": (
            locks.LOCK_EXPIRED,
            ([UUID(int=1)], [UUID(int=1)], ["whatsapp"], ["default"], 20),
            ["dispatches_lane_idx", "messages_pkey"],
        ),
        "lock lost": (
            locks.LOCK_LOST,
            ([UUID(int=1)], [UUID(int=1)], 20),
            ["attempts_one_open", "dispatches_pkey", "messages_pkey"],
        ),
        "flows due": (due.FLOWS_DUE, (*lane, one[0], 32, 16, one, one, one, 50, one), ["dispatches_lane_idx"]),
        "lock waits": (locks.LOCK_OTHERS, ("stop_waiting", 20), ["dispatches_other_idx", "messages_pkey"]),
        "witnesses": (
            awaited_messages.WITNESSES,
            (tenants[:1], tenants[:1], tenants[:1], w[:1], w[:1], 20),
            [
                *("messages_pkey", "events_pkey", "attempts_pkey", "raw_callbacks_pkey"),
                "parked_receipts_provider_message_idx",
            ],
        ),
        "failed attempts": (attempts.FAILED_ATTEMPTS, (tenants, ids, *bounds), ["events_pkey"]),
        "find attempts": (attempts.FIND_ATTEMPTS, (tenants, t), ["attempts_provider_message_idx"]),
        "lanes due": (due.LANES_DUE, (["whatsapp"], ["low"], ["whatsapp"], ["low"], one), ["dispatches_lane_idx"]),
        "kinds due": (
            dispatches.KINDS_DUE,
            (["stop_waiting", "rematch"],),
            ["dispatches_other_idx", "parked_receipts_next_look_idx"],
        ),
        "arrange": (apply_changes.ARRANGE, (change,), ["messages_pkey"]),
        "postpone": (dispatches.POSTPONE, (tenants, ids, waits, "deliver"), ["dispatches_pkey"]),
        "withdraw": (apply_changes.WITHDRAW, (tenants, ids), ["dispatches_pkey"]),
        "flag": (apply_changes.FLAG_DUPLICATES, (tenants, ids), ["messages_pkey"]),
        "resolve": (apply_changes.RESOLVE, (tenants, ids, t), ["dead_letters_open_idx"]),
        "lock webhooks": (raw_webhooks.LOCK_DUE, (20,), ["dispatches_other_idx", "raw_callbacks_pkey"]),
        "settle webhooks": (
            raw_webhooks.SETTLE,
            (tenants, ids, *bounds, "processed", None),
            ["raw_callbacks_pkey", "dispatches_pkey"],
        ),
        "lock parked": (parked_receipts.LOCK_PARKED, (tenants, t), ["parked_receipts_provider_message_idx"]),
        "lock parked due": (parked_receipts.LOCK_PARKED_DUE, (20,), ["parked_receipts_next_look_idx"]),
        "unpark": (parked_receipts.UNPARK, digests, ["parked_receipts_provider_message_idx"]),
        "park again": (parked_receipts.PARK_AGAIN, (*digests, w), ["parked_receipts_provider_message_idx"]),
        "last inbound": (
            conversations.LAST_INBOUND,
            (TENANT, tenants, b),
            ["service_windows_pkey", "contact_aliases_pkey", "contact_aliases_canonical_idx"],
        ),
        "names of a person": (
            contact_aliases.NAMES_OF,
            (*SCOPE, b),
            ["contact_aliases_pkey", "contact_aliases_canonical_idx"],
        ),
        "claim a reading": (
            template_work.CLAIM,
            (timedelta(seconds=1),),
            ["dispatches_other_idx", "dispatches_pkey"],
        ),
        "release held": (
            template_work.RELEASE,
            (["default"], 20),
            ["dispatches_other_idx", "dispatches_lane_idx", "messages_pkey", "events_pkey"],
        ),
        "urgent lag": (health.LAG, (["whatsapp"],), ["dispatches_lane_idx"]),
        "changed": (snapshots.CHANGED, (19_990,), ["config_versions_changed_idx"]),
        "purge keys": (upkeep.PURGE_KEYS, (10,), ["idempotency_keys_expires_idx", "idempotency_keys_pkey"]),
        "purge inbound": (
            upkeep.PURGE_INBOUND,
            (10, timedelta(days=365)),
            ["inbound_messages_received_idx", "inbound_messages_pkey"],
        ),
        "purge digests": (upkeep.PURGE_DIGESTS, (10,), ["callback_digests_received_idx", "callback_digests_pkey"]),
        "purge events": (
            upkeep.PURGE_EVENTS,
            (10, timedelta(days=90)),
            ["provider_events_received_idx", "provider_events_pkey"],
        ),
        "add events": (
            provider_events.ADD,
            (tenants, ids, tenants, ids, w, w, i, t, t, b, b),
            ["provider_accounts_pkey"],
        ),
        "finish": (idempotency.FINISH, (TENANT, "key-1", 200, b""), ["idempotency_keys_pkey"]),
        "known": (idempotency.KNOWN, (TENANT, "key-1"), ["idempotency_keys_pkey"]),
    }
    middle = await driver.fetchval(
        "SELECT id FROM messages ORDER BY id OFFSET (SELECT count(*) / 2 FROM messages) LIMIT 1"
    )
    # On Monday plans are made for tables that are as new as the last ones, and kept while they fill.
    weeks = {
        "": ALL_WEEKS,
        " of a week": await Weeks().of(driver, [middle]),
        " of a new week": week_of("", NEW_WEEK_AT),
    }
    for name, week in weeks.items():
        if name and week == ALL_WEEKS:
            continue
        system |= {
            f"lock picked{name}": (
                locks.LOCK_PICKED.format(week=week),
                (tenants, ids),
                ["messages_pkey", "contents_pkey", "contact_aliases_pkey"],
            ),
            f"lock{name}": (locks.LOCK.format(week=week), (tenants, ids, *bounds), ["messages_pkey"]),
            f"last attempts{name}": (
                locks.LAST_ATTEMPTS.format(week=week),
                (tenants, ids, i, *bounds),
                ["attempts_pkey"],
            ),
            f"changes{name}": (
                apply_changes.statement(apply_changes.Parts(True, True, True, True), week),
                (change, told, news),
                ["messages_pkey", "attempts_pkey", "dispatches_pkey"],
            ),
            f"each change{name}": (
                apply_changes.statement(apply_changes.Parts(True, True, True, True, each=True), week),
                (change, told, news),
                ["messages_pkey", "attempts_pkey", "dispatches_pkey"],
            ),
            f"changes without news{name}": (
                apply_changes.statement(apply_changes.Parts(False, True, True, False), week),
                (change, told),
                ["messages_pkey", "dispatches_pkey"],
            ),
        }
    app = {
        "by a provider's id": (attempts.FIND_ATTEMPTS, (tenants, t), ["attempts_provider_message_idx"]),
        "known keys": (submissions.KNOWN_KEYS, (TENANT, keys), ["idempotency_keys_pkey"]),
        "still known": (submissions.STILL_KNOWN, (TENANT, keys), ["idempotency_keys_pkey"]),
        "known messages": (submissions.KNOWN_MESSAGES, (TENANT, ids), ["messages_pkey"]),
        "one message": (records.MESSAGE, (TENANT, last, "live"), ["messages_pkey", "contents_pkey"]),
        "timeline": (records.EVENTS, (TENANT, last, 0, 50, "live"), ["events_pkey", "messages_pkey"]),
        "open letters": (dead_letters.OPEN_LETTERS, (*SCOPE, last, 50), ["dead_letters_open_idx", "messages_pkey"]),
        "lanes of a tenant": (vitals.LANES, (*SCOPE, list(Priority), 100), ["dispatches_lane_idx"]),
        "open letters counted": (vitals.OPEN_LETTERS, (*SCOPE, 100), ["dead_letters_open_idx", "messages_pkey"]),
        "unconfirmed counted": (vitals.UNCONFIRMED, (*SCOPE, 100), ["events_rare_state_idx", "messages_pkey"]),
        "all letters": (dead_letters.ALL_LETTERS, (*SCOPE, last, 50), ["dead_letters_pkey", "messages_pkey"]),
        "one letter": (dead_letters.ONE_LETTER, (*SCOPE, last), ["dead_letters_pkey", "messages_pkey"]),
        "known": (selections.KNOWN, (TENANT, ids, *bounds, "live"), ["messages_pkey"]),
        "open among": (dead_letters.OPEN_AMONG, (TENANT, ids), ["dead_letters_open_idx"]),
        "discard": (dead_letters.DISCARD, (TENANT, ids, *bounds, "{}"), ["messages_pkey", "dead_letters_pkey"]),
        "inbound page": (
            conversations.PAGE,
            (TENANT, None, 50, "live"),
            ["inbound_messages_sender_idx"],
        ),
    }
    found = {name: Statement("system", *parts) for name, parts in system.items()}
    found |= {name: Statement("app", *parts) for name, parts in app.items()}
    for name, (wanted, form, index) in _filters(last).items():
        for before in (None, last):
            sql, *arguments = getattr(message_lists.PageQuery(SCOPE, wanted, before), form)(51)
            title = f"list {name}{' further on' if before else ''}"
            found[title] = Statement("app", sql, arguments, [index, "contents_pkey"], is_list=True)
    for title, of_events, index in (
        ("events", ProviderEventFilter(), "provider_events_pkey"),
        ("events of a kind", ProviderEventFilter(kind="kind_4"), "provider_events_kind_idx"),
        ("events of an account", ProviderEventFilter(account_id=AccountId(TENANT)), "provider_events_account_idx"),
    ):
        sql, *arguments = provider_events.page_query(SCOPE, of_events, before=None, limit=51, largest=10)
        found[title] = Statement("app", sql, arguments, [index], is_list=True)
    for name, reference, index in (
        ("undecided", None, "events_rare_state_idx"),
        ("undecided by reference", "order-7", "messages_reference_idx"),
    ):
        waiting = MessageFilter(states=(State.DEAD, State.UNCONFIRMED), reference=reference, error_code="131026")
        sql, *arguments = message_lists.PageQuery(SCOPE, waiting, None).undecided(1_001)
        found[name] = Statement("app", sql, arguments, [index, "dead_letters_open_idx"])
    _, floor, ceiling = message_counts.slices(CountedRange(created_after=now - timedelta(days=7), created_before=now))[
        0
    ]
    of_slice = (*SCOPE, floor, ceiling, now - timedelta(days=7), now, None, message_counts.MOST)
    found["count"] = Statement("app", message_counts.COUNT, of_slice, ["messages_pkey"], is_list=True)
    found["count of a template"] = Statement(
        "app", message_counts.COUNT_OF_TEMPLATE, (*of_slice, "template_7"), ["messages_template_idx"], is_list=True
    )
    for states, index in (
        ((State.SENT,), "messages_pkey"),
        ((), "messages_pkey"),
        ((State.FAILED,), "events_rare_state_idx"),
        ((State.FAILED, State.DEAD), "events_rare_state_idx"),
        ((State.QUEUED,), "dispatches_pkey"),
    ):
        query = message_lists.PageQuery(SCOPE, MessageFilter(states=states, error_code="131026"), last)
        query.stretch(50)
        sql, *arguments = query.end_of_stretch()
        found[f"end of stretch, {', '.join(states) or 'any state'}"] = Statement(
            "app", sql, arguments, [index], is_list=True
        )
    return found
