"""Every list with each of its filters, and the index that each must come out of in order."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from messaging.adapters.postgres.callbacks import stored_events
from messaging.adapters.postgres.reading import message_counts, message_lists
from messaging.adapters.postgres.webhooks import provider_events
from messaging.application.ports.callbacks.events import EventFilter
from messaging.application.ports.provider_events import ProviderEventFilter
from messaging.application.ports.records import CountedRange, MessageFilter
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId, MessageId
from tests.integration.postgres.plans.statement import SCOPE, TENANT, Statement, named


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


def lists(last: MessageId) -> Iterator[tuple[str, Statement]]:
    """By a title for people."""
    hot = {"newest": "list", "stretch": "list-by-status"}
    for name, (wanted, form, index) in _filters(last).items():
        for before in (None, last):
            sql, *arguments = getattr(message_lists.PageQuery(SCOPE, wanted, before), form)(51)
            title = f"list {name}{' further on' if before else ''}"
            yield title, Statement(hot[form], "app", sql, arguments, [index, "contents_pkey"], is_list=True)
    yield from _events()
    yield from _told()
    yield from _undecided()
    yield from _counts()
    yield from _ends_of_stretches(last)


def _events() -> Iterator[tuple[str, Statement]]:
    for title, wanted, index in (
        ("events", ProviderEventFilter(), "provider_events_pkey"),
        ("events of a kind", ProviderEventFilter(kind="kind_4"), "provider_events_kind_idx"),
        ("events of an account", ProviderEventFilter(account_id=AccountId(TENANT)), "provider_events_account_idx"),
    ):
        sql, *arguments = provider_events.page_query(SCOPE, wanted, before=None, limit=51, largest=10)
        yield title, Statement("events-page", "app", sql, arguments, [index], is_list=True)


def _told() -> Iterator[tuple[str, Statement]]:
    for title, wanted, index in (
        ("what was told", EventFilter(), "callback_events_mode_idx"),
        ("what was told of one type", EventFilter(type="message.failed"), "callback_events_mode_idx"),
        ("what was told of a group", EventFilter(type="message.*"), "callback_events_mode_idx"),
        ("what was told of a subject", EventFilter(subject_id=TENANT), "callback_events_subject_idx"),
    ):
        sql, *arguments = stored_events.page_query(SCOPE, wanted, after=UUID(int=0), limit=51)
        # Those of one type come out of a stretch of bounded length, those of one subject are few.
        is_list = wanted == EventFilter()
        yield title, Statement("told-page", "app", sql, arguments, [index], is_list=is_list)


def _undecided() -> Iterator[tuple[str, Statement]]:
    for title, reference, index in (
        ("undecided", None, "events_rare_state_idx"),
        ("undecided by reference", "order-7", "messages_reference_idx"),
    ):
        waiting = MessageFilter(states=(State.DEAD, State.UNCONFIRMED), reference=reference, error_code="131026")
        sql, *arguments = message_lists.PageQuery(SCOPE, waiting, None).undecided(1_001)
        yield title, Statement("list-undecided", "app", sql, arguments, [index, "dead_letters_open_idx"])


def _counts() -> Iterator[tuple[str, Statement]]:
    now = datetime.now(UTC)
    week = CountedRange(created_after=now - timedelta(days=7), created_before=now)
    _, floor, ceiling = message_counts.slices(week)[0]
    of_slice = (*SCOPE, floor, ceiling, now - timedelta(days=7), now, None, message_counts.MOST)
    yield "count", named("count", of_slice, ["messages_pkey"])._replace(is_list=True)
    by_template = named("count-of-a-template", (*of_slice, "template_7"), ["messages_template_idx"])
    yield "count-of-a-template", by_template._replace(is_list=True)


def _ends_of_stretches(last: MessageId) -> Iterator[tuple[str, Statement]]:
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
        title = f"end of stretch, {', '.join(states) or 'any state'}"
        yield title, Statement("end-of-stretch", "app", sql, arguments, [index], is_list=True)
