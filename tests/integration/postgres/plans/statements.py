"""Every hot statement and every list, with arguments and the indexes that each must live on."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from messaging.adapters.postgres.schema.weeks import ALL_WEEKS, Weeks
from messaging.adapters.postgres.session.transactions import Driver
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import MessageId
from tests.integration.postgres.adding_weeks import week_of
from tests.integration.postgres.plans.lanes import of_lanes
from tests.integration.postgres.plans.lists import lists
from tests.integration.postgres.plans.populating import NEW_WEEK_AT
from tests.integration.postgres.plans.statement import SCOPE, TENANT, Statement, named


class Facts(NamedTuple):
    """What statements are explained with: messages that are there, and the suffixes of weeks by what to call them."""

    rows: Sequence[tuple[UUID, UUID]]
    weeks: Mapping[str, str]


# Arguments and indexes, by the statement's name in the registry.
Cases = Mapping[str, tuple[Sequence[Any], Sequence[str]]]

SOME = 50
ONE = [UUID(int=1)]
WAIT = timedelta(seconds=1)


async def hot_statements_and_lists(driver: Driver) -> dict[str, Statement]:
    rows = await driver.fetch("SELECT tenant_id, id FROM messages ORDER BY id DESC LIMIT $1", SOME)
    middle = await driver.fetchval(
        "SELECT id FROM messages ORDER BY id OFFSET (SELECT count(*) / 2 FROM messages) LIMIT 1"
    )
    # On Monday plans are made for tables that are as new as the last ones, and kept while they fill.
    weeks = {
        "": ALL_WEEKS,
        " of a week": await Weeks().of(driver, [middle]),
        " of a new week": week_of("", NEW_WEEK_AT),
    }
    known = {title: week for title, week in weeks.items() if not title or week != ALL_WEEKS}
    return statements(Facts([(row["tenant_id"], row["id"]) for row in rows], known))


def statements(facts: Facts) -> dict[str, Statement]:
    """By a title for people."""
    last = MessageId(max(id for _, id in facts.rows))
    found = {name: named(name, *case) for name, case in {**_of_the_system(facts), **_of_a_tenant(facts, last)}.items()}
    found["find-attempts of a tenant"] = found["find-attempts"]._replace(role="app")
    for title, week in facts.weeks.items():
        for name, case in _by_week(facts).items():
            found[f"{name}{title}"] = named(name, *case, week=week)
    return found | dict(lists(last))


def _of_the_system(facts: Facts) -> Cases:
    return {
        **_outbox(facts),
        **_jobs(facts),
        **_changing(facts),
        **_webhooks(facts),
        **_telling(facts),
        **_keeping(),
        **of_lanes(),
    }


def _outbox(facts: Facts) -> Cases:
    lane = ("whatsapp", "default")
    return {
        "pick-due": ((*lane, ONE, ONE, ONE, [20]), ["dispatches_lane_idx"]),
        "flows-due": ((*lane, ONE[0], 32, 16, ONE, ONE, ONE, 50, ONE), ["dispatches_lane_idx"]),
        "lanes-due": ((["whatsapp"], ["low"], ["whatsapp"], ["low"], ONE), ["dispatches_lane_idx"]),
        "kinds-due": (
            (["resolve_unknown", "rematch"],),
            ["dispatches_other_idx", "parked_receipts_next_look_idx"],
        ),
        "claims-open": ((), []),
        "lock-expired": (
            (ONE, ONE, ["whatsapp"], ["default"], 20),
            ["dispatches_lane_idx", "messages_pkey"],
        ),
        "lock-lost": ((ONE, ONE, 20), ["attempts_one_open", "dispatches_pkey", "messages_pkey"]),
        "lock-others": (("resolve_unknown", 20), ["dispatches_other_idx", "messages_pkey"]),
        "release-held": (
            (TENANT, TENANT, ["default"], 20),
            ["dispatches_lane_idx", "messages_pkey", "events_pkey"],
        ),
        "urgent-lag": ((["whatsapp"],), ["dispatches_lane_idx"]),
        "postpone": ((*_keys(facts), [WAIT] * SOME, "deliver"), ["dispatches_pkey"]),
        "unschedule": (_keys(facts), ["dispatches_pkey"]),
        "schedule": ((_change(facts),), ["messages_pkey"]),
    }


def _jobs(facts: Facts) -> Cases:
    tenants, ids = _keys(facts)
    t, w, i, now = ["x"] * SOME, [WAIT] * SOME, [1] * SOME, [_now()] * SOME
    asked = (tenants, ["live"] * SOME, ids, t, t, t, t, ["{}"] * SOME, now, w)
    return {
        "enqueue-jobs": (asked, []),
        "enqueue-jobs-once": (asked, []),
        "job-lanes-due": ((["prompt", "bulk"],), ["jobs_lane_idx"]),
        "pick-jobs": (("prompt", TENANT, 64, ONE, ["release_held"], 48), ["jobs_tenant_idx"]),
        "pick-suspect-job": (("prompt", ["release_held"]), ["jobs_suspect_idx"]),
        "claim-jobs": (
            (tenants, ids, ["release_held"], [WAIT]),
            ["jobs_pkey", "jobs_order_idx", "jobs_running_idx"],
        ),
        "lock-claimed-jobs": ((tenants, ids, i), ["jobs_pkey"]),
        "settle-jobs": ((tenants, ids, t, w, t, t), ["jobs_pkey"]),
        "unblock-jobs": ((tenants, t), ["jobs_blocked_idx", "jobs_pkey"]),
    }


def _changing(facts: Facts) -> Cases:
    tenants, ids = _keys(facts)
    texts, now = ["x"] * SOME, [_now()]
    return {
        "flag-duplicates": ((tenants, ids), ["messages_pkey"]),
        "resolve-letters": ((tenants, ids, texts), ["dead_letters_open_idx"]),
        "find-attempts": ((tenants, texts), ["attempts_provider_message_idx"]),
        "failed-attempts": ((tenants, ids, *_bounds(facts)), ["events_pkey"]),
        "any-parked": ((tenants, texts), ["parked_receipts_provider_message_idx"]),
        "negative-evidence": (
            (tenants[:1], tenants[:1], tenants[:1], now, now, 20),
            [
                *("messages_pkey", "events_pkey", "attempts_pkey", "raw_webhooks_pkey"),
                "parked_receipts_provider_message_idx",
            ],
        ),
    }


def _webhooks(facts: Facts) -> Cases:
    tenants, ids = _keys(facts)
    t, b, w, i = ["x"] * SOME, [b"x"] * SOME, [_now()] * SOME, [1] * SOME
    digests = (tenants, tenants, t, b)
    return {
        "store-webhooks": ((tenants, ids, tenants, w, t, b, b), []),
        "lock-webhooks": ((20,), ["dispatches_other_idx", "raw_webhooks_pkey"]),
        "settle-webhooks": (
            (tenants, ids, *_bounds(facts), "processed", None),
            ["raw_webhooks_pkey", "dispatches_pkey"],
        ),
        "park": ((*digests, b, w, i), []),
        "lock-parked": ((tenants, t), ["parked_receipts_provider_message_idx"]),
        "lock-parked-due": ((20,), ["parked_receipts_next_look_idx"]),
        "unpark": (digests, ["parked_receipts_provider_message_idx"]),
        "park-again": ((*digests, w), ["parked_receipts_provider_message_idx"]),
        "add-inbound": ((tenants, ids, tenants, tenants, t, t, b, w), []),
        "open-windows": ((tenants, tenants, b, w), []),
        "learn-aliases": ((tenants, t, b, t, b, b, t), []),
        "add-events": ((tenants, ids, tenants, ids, w, w, i, t, t, b, b), ["provider_accounts_id_key"]),
    }


def _telling(facts: Facts) -> Cases:
    tenants, ids = _keys(facts)
    t, b, w, i = ["x"] * SOME, [b"x" * 32] * SOME, [_now()] * SOME, [1] * SOME
    live = ["live"] * SOME
    return {
        "announce": ((tenants, live, t, ids, t, w, ["{}"] * SOME, t), []),
        "events-waiting": ((None, 100), ["pending_events_pkey"]),
        "take-pending": ((TENANT, 50), ["pending_events_pkey"]),
        "remove-pending": ((TENANT, i), ["pending_events_pkey"]),
        "told-timeline": (
            (TENANT, ids, i, 16_384),
            ["events_pkey", "messages_pkey", "contents_pkey", "attempts_pkey"],
        ),
        "last-event": ((TENANT,), ["callback_events_pkey"]),
        "store-events": ((tenants, ids, live, t, ids, i, t, w, b, b, t), []),
    }


def _keeping() -> Cases:
    return {
        "changed": ((19_990,), ["config_versions_changed_idx"]),
        "reserve-key": ((TENANT, "key-1", b"", _now(), _now()), []),
        "known-key": ((TENANT, "key-1"), ["idempotency_keys_pkey"]),
        "finish-key": ((TENANT, "key-1", 200, b""), ["idempotency_keys_pkey"]),
        "purge-keys": ((10,), ["idempotency_keys_expires_idx", "idempotency_keys_pkey"]),
        "purge-dead-jobs": ((timedelta(days=365), 10), ["jobs_died_idx", "jobs_pkey"]),
        "purge-inbound": ((10, timedelta(days=365)), ["inbound_messages_received_idx", "inbound_messages_pkey"]),
        "purge-digests": ((10,), ["webhook_digests_received_idx", "webhook_digests_pkey"]),
        "purge-events": ((10, timedelta(days=90)), ["provider_events_received_idx", "provider_events_pkey"]),
    }


def _by_week(facts: Facts) -> Cases:
    tenants, ids = _keys(facts)
    change = _change(facts)
    told = [(*row, 1, "x", "x", "{}", None) for row in facts.rows]
    news = [(*row, 1, "x", "x", "x", "x", "x", 1, 1, False, False) for row in facts.rows]
    written = ["messages_pkey", "attempts_pkey", "dispatches_pkey"]
    return {
        "lock-picked": ((tenants, ids), ["messages_pkey", "contents_pkey", "contact_aliases_pkey"]),
        "lock": ((tenants, ids, *_bounds(facts)), ["messages_pkey"]),
        "last-attempts": ((tenants, ids, [1] * SOME, *_bounds(facts)), ["attempts_pkey"]),
        "changes": ((change, told, news), written),
        "each-change": ((change, told, news), written),
        "changes-announced": ((change, told, news, *_announced(facts)), written),
        "changes-without-news": ((change, told), ["messages_pkey", "dispatches_pkey"]),
    }


def _of_a_tenant(facts: Facts, last: MessageId) -> Cases:
    tenants, ids = _keys(facts)
    keys, bounds = [f"key-{n}" for n in range(SOME)], _bounds(facts)
    return {
        "accept": ((TENANT, _claims(keys), _accepted(facts, keys), "live"), []),
        "accept-announced": ((TENANT, _claims(keys), _accepted(facts, keys), "live"), []),
        "known-keys": ((TENANT, keys), ["idempotency_keys_pkey"]),
        "still-known": ((TENANT, keys), ["idempotency_keys_pkey"]),
        "known-messages": ((TENANT, ids), ["messages_pkey"]),
        "message": ((TENANT, last, "live"), ["messages_pkey", "contents_pkey"]),
        "timeline": ((TENANT, last, 0, 50, "live"), ["events_pkey", "messages_pkey"]),
        "open-letters": ((*SCOPE, last, 50), ["dead_letters_open_idx", "messages_pkey"]),
        "all-letters": ((*SCOPE, last, 50), ["dead_letters_pkey", "messages_pkey"]),
        "one-letter": ((*SCOPE, last), ["dead_letters_pkey", "messages_pkey"]),
        "known": ((TENANT, ids, *bounds, "live"), ["messages_pkey"]),
        "open-among": ((TENANT, ids), ["dead_letters_open_idx"]),
        "discard": ((TENANT, ids, *bounds, "{}"), ["messages_pkey", "dead_letters_pkey"]),
        "lanes-of-a-tenant": ((*SCOPE, list(Priority), 100), ["dispatches_lane_idx"]),
        "count-open-letters": ((*SCOPE, 100), ["dead_letters_open_idx", "messages_pkey"]),
        "count-unconfirmed": ((*SCOPE, 100), ["events_rare_state_idx", "messages_pkey"]),
        "inbound-page": ((TENANT, None, 50, "live"), ["inbound_messages_sender_idx"]),
        "last-inbound": (
            (TENANT, tenants, [b"x"] * SOME),
            ["service_windows_pkey", "contact_aliases_pkey", "contact_aliases_canonical_idx"],
        ),
        "names-of-a-person": (
            (*SCOPE, [b"x"] * SOME),
            ["contact_aliases_pkey", "contact_aliases_canonical_idx"],
        ),
    }


def _now() -> datetime:
    return datetime.now(UTC)


def _keys(facts: Facts) -> tuple[list[UUID], list[UUID]]:
    return [tenant for tenant, _ in facts.rows], [id for _, id in facts.rows]


def _bounds(facts: Facts) -> tuple[UUID, UUID]:
    ids = [id for _, id in facts.rows]
    return min(ids), max(ids)


def _change(facts: Facts) -> list[tuple[Any, ...]]:
    opening, arrangement = ("x", timedelta(0), False, False), ("x", _now(), True)
    return [(*row, 1, "x", "x", 1, 1, 1, 1, 1, False, False, "x", "x", *opening, *arrangement) for row in facts.rows]


def _announced(facts: Facts) -> tuple[Sequence[Any], ...]:
    tenants, ids = _keys(facts)
    return tenants, ["live"] * SOME, ids, [2] * SOME, ["message.read"] * SOME


def _claims(keys: Sequence[str]) -> list[tuple[Any, ...]]:
    return [(key, b"x", 202, b"x", _now()) for key in keys]


def _accepted(facts: Facts, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    now, one, words = _now(), UUID(int=1), ("x",) * 7
    return [
        (id, one, one, one, None, now, now, now, *words, b"x", "x", "x", "x", "x", "x", b"x", key)
        for (_, id), key in zip(facts.rows, keys, strict=False)
    ]
