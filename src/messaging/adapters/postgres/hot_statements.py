"""The hot statements by name: what each is for, and its text as it is sent.

Hot is what runs for every batch of messages or webhooks, for every look for due work, or for every page of a list.
`app sql` prints them, and a test explains each of them among many rows (tests/integration/postgres/plans).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from messaging.adapters.postgres.announcing import announcements
from messaging.adapters.postgres.callbacks import pending, stored_events, subjects
from messaging.adapters.postgres.callbacks.delivering import callback_log, targets
from messaging.adapters.postgres.callbacks.delivering import lane_statements as lanes
from messaging.adapters.postgres.configuration import snapshots, template_work
from messaging.adapters.postgres.conversations import contact_aliases, conversations
from messaging.adapters.postgres.dispatches import awaited_messages, dispatches, due
from messaging.adapters.postgres.messages import (
    apply_changes,
    attempts,
    failovers,
    idempotency,
    locks,
    optimistic_writes,
    submissions,
)
from messaging.adapters.postgres.messages.apply_changes import Parts
from messaging.adapters.postgres.operations import health, upkeep, vitals
from messaging.adapters.postgres.outbox import job_records
from messaging.adapters.postgres.outbox import statements as jobs
from messaging.adapters.postgres.reading import dead_letters, message_counts, records, selections
from messaging.adapters.postgres.reading.message_lists import PageQuery
from messaging.adapters.postgres.schema.weeks import ALL_WEEKS
from messaging.adapters.postgres.session.engine import APP_ROLE, SYSTEM_ROLE
from messaging.adapters.postgres.webhooks import parked_receipts, provider_events, raw_webhooks
from messaging.application.ports.callbacks.events import EventFilter
from messaging.application.ports.provider_events import ProviderEventFilter
from messaging.application.ports.records import MessageFilter
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode, TenantScope


class HotStatement(NamedTuple):
    """`role` is the database role it runs as. `of_week` takes the suffix of one week's tables (see `weeks`), and gives
    the same text for every suffix where the statement names no such table.
    """

    name: str
    purpose: str
    role: str
    of_week: Callable[[str], str]

    @property
    def text(self) -> str:
        """On the whole tables."""
        return self.of_week(ALL_WEEKS)


# Work across tenants, as the role `messaging_system`.
_OF_THE_SYSTEM: Final = (
    ("lanes-due", "Finds the lanes in which something is due.", due.LANES_DUE),
    ("kinds-due", "Finds the other kinds of work of which something is due.", dispatches.KINDS_DUE),
    ("flows-due", "Counts what is due in each flow of a stretch of a lane.", due.FLOWS_DUE),
    ("pick-due", "Locks the first due dispatches of each flow, as many as its share.", due.PICK_DUE),
    (
        "claims-open",
        "Tells whether anything may be claimed, or a failover is being dealt with.",
        failovers.CLAIMS_ARE_OPEN,
    ),
    ("lock-others", "Locks due messages whose wait for the provider's word is over.", locks.LOCK_OTHERS),
    ("lock-expired", "Locks messages of held senders that expired while they waited.", locks.LOCK_EXPIRED),
    ("lock-lost", "Locks messages of held senders whose worker's lease is over.", locks.LOCK_LOST),
    ("postpone", "Moves dispatches to a later time.", dispatches.POSTPONE),
    ("schedule", "Writes dispatches that were not there when a change was written.", apply_changes.SCHEDULE),
    ("unschedule", "Deletes dispatches of work that is settled.", apply_changes.UNSCHEDULE),
    ("flag-duplicates", "Marks messages of which two attempts were accepted.", apply_changes.FLAG_DUPLICATES),
    ("resolve-letters", "Closes dead letters of messages that are dead no more.", apply_changes.RESOLVE),
    ("any-parked", "Tells whether a receipt of an attempt just accepted came before.", optimistic_writes.ANY_PARKED),
    ("find-attempts", "Finds attempts by the provider's message ids.", attempts.FIND_ATTEMPTS),
    (
        "failed-attempts",
        "Finds attempts that had failed when a person sent their message again.",
        attempts.FAILED_ATTEMPTS,
    ),
    (
        "negative-evidence",
        "Counts later messages of a sender that the provider has spoken of.",
        awaited_messages.LATER_RECEIPTS,
    ),
    ("store-webhooks", "Stores raw webhooks not seen before, each with its dispatch.", raw_webhooks.STORE),
    ("lock-webhooks", "Locks the raw webhooks that are due.", raw_webhooks.LOCK_DUE),
    ("settle-webhooks", "Writes what became of raw webhooks, and deletes their dispatches.", raw_webhooks.SETTLE),
    ("park", "Keeps receipts that match no attempt yet.", parked_receipts.PARK),
    ("lock-parked", "Locks parked receipts of attempts just accepted.", parked_receipts.LOCK_PARKED),
    ("lock-parked-due", "Locks parked receipts whose next look is due.", parked_receipts.LOCK_PARKED_DUE),
    ("unpark", "Deletes parked receipts that have been matched.", parked_receipts.UNPARK),
    ("park-again", "Writes when parked receipts are looked at next.", parked_receipts.PARK_AGAIN),
    ("add-inbound", "Stores inbound messages not seen before.", conversations.ADD_INBOUND),
    ("open-windows", "Writes when a person last wrote to a sender.", conversations.OPEN_WINDOWS),
    ("learn-aliases", "Writes which names are the same person's.", contact_aliases.LEARN),
    ("add-events", "Stores provider events not seen before.", provider_events.ADD),
    ("announce", "Writes pending events of subjects other than messages.", announcements.ANNOUNCE),
    ("events-waiting", "Finds the tenants whose pending events are to be fanned out.", pending.WAITING),
    ("take-pending", "Reads the oldest pending events of a tenant.", pending.TAKE),
    ("remove-pending", "Deletes pending events that were fanned out.", pending.REMOVE),
    ("told-timeline", "Reads what events tell of messages.", subjects.TIMELINE),
    ("last-event", "Finds the newest event of a tenant.", stored_events.LAST),
    ("store-events", "Stores events with their bodies.", stored_events.ADD),
    ("enqueue-jobs", "Asks for jobs, or again for jobs that are waiting or running.", jobs.ENQUEUE),
    ("enqueue-jobs-once", "Asks for jobs that nobody has asked for.", jobs.ENQUEUE_ONCE),
    ("job-lanes-due", "Finds the lanes in which jobs are due.", jobs.LANES_DUE),
    ("pick-jobs", "Locks due jobs, as many of each tenant as its share.", jobs.PICK),
    ("pick-suspect-job", "Locks a due job whose last runs ended without a word.", jobs.PICK_SUSPECT),
    ("claim-jobs", "Claims picked jobs, or lets them wait for an earlier one of their key.", jobs.CLAIM),
    ("lock-claimed-jobs", "Locks jobs whose claims still hold.", jobs.LOCK_CLAIMED),
    ("settle-jobs", "Writes how jobs ended: deletes those that are done.", jobs.SETTLE),
    ("unblock-jobs", "Lets the first job run that waited for an ended one of its key.", jobs.UNBLOCK),
    ("lock-lanes", "Locks lanes of endpoints before callbacks are enqueued.", lanes.LOCK_LANES),
    ("enqueue-callbacks", "Writes callbacks, the first of each key as its head, and wakes lanes.", lanes.ENQUEUE),
    ("claim-lanes", "Claims lanes of endpoints that are due, with the heads that are.", lanes.CLAIM),
    ("lock-claimed-lanes", "Locks lanes whose claims still hold.", lanes.LOCK_CLAIMED),
    ("end-callbacks", "Deletes callbacks that are not tried again.", lanes.END),
    ("promote-callbacks", "Makes the next callback of each key its head.", lanes.PROMOTE),
    ("retry-callbacks", "Writes when callbacks are tried again.", lanes.RETRY),
    ("take-callbacks", "Takes more heads of claimed lanes.", lanes.TAKE),
    ("write-lanes", "Writes endpoints' health and when their lanes are due.", lanes.WRITE_LANES),
    ("live-secrets", "Reads the secrets that sign callbacks of endpoints now.", targets.SECRETS),
    ("event-bodies", "Reads the bodies of events that are posted.", targets.BODIES),
    ("start-attempts", "Writes attempts of callbacks before they are posted.", callback_log.START),
    ("finish-attempts", "Writes how attempts of callbacks ended.", callback_log.FINISH),
    ("callback-ends", "Writes how callbacks ended.", callback_log.END),
    ("overdue-callbacks", "Finds heads whose window is over.", lanes.OVERDUE),
    ("release-held", "Makes messages due that waited for their template.", template_work.RELEASE),
    ("urgent-lag", "Tells how long the oldest urgent message of a channel has been due.", health.LAG),
    ("changed", "Finds tenants whose configuration has changed since a version.", snapshots.CHANGED),
    ("reserve-key", "Reserves an idempotency key for a request under way.", idempotency.RESERVE),
    ("known-key", "Finds what is kept under an idempotency key.", idempotency.KNOWN),
    ("finish-key", "Keeps the answer under a reserved idempotency key.", idempotency.FINISH),
    ("purge-dead-jobs", "Deletes dead jobs past their retention.", job_records.PURGE),
    ("purge-keys", "Deletes idempotency records that have expired.", upkeep.PURGE_KEYS),
    ("purge-digests", "Deletes digests of webhooks that are repeated no more.", upkeep.PURGE_DIGESTS),
    ("purge-inbound", "Deletes inbound messages past their retention.", upkeep.PURGE_INBOUND),
    ("purge-events", "Deletes provider events past their retention.", upkeep.PURGE_EVENTS),
)

# The same, on the tables of one week where all messages of the set live in it.
_OF_A_WEEK: Final = (
    ("lock-picked", "Locks picked messages and reads their contents.", locks.LOCK_PICKED),
    ("lock", "Locks messages and reads their states.", locks.LOCK),
    ("last-attempts", "Reads the newest attempts of locked messages.", locks.LAST_ATTEMPTS),
)

# Assembled from the parts that a set of changes has.
_CHANGES: Final = (
    ("changes", "Writes a set of decided changes as a whole.", Parts(True, True, True, True)),
    ("changes-without-news", "Writes a set of changes that ends no attempt.", Parts(False, True, True, False)),
    ("each-change", "Writes decided changes of messages nobody has locked.", Parts(True, True, True, True, each=True)),
    (
        "changes-announced",
        "The same as `changes`, and announces them to tenants that listen.",
        Parts(True, True, True, True, announced=True),
    ),
)

# Work of one tenant in one mode, as the role `messaging_app`.
_OF_A_TENANT: Final = (
    ("accept", "Stores accepted messages with keys, contents, events and dispatches.", submissions.ACCEPT),
    ("accept-announced", "The same for a tenant that listens: announces them, too.", submissions.ACCEPT_ANNOUNCED),
    ("known-keys", "Finds what is kept under idempotency keys that were taken.", submissions.KNOWN_KEYS),
    ("still-known", "Finds the answer kept under an idempotency key that is valid.", submissions.STILL_KNOWN),
    ("known-messages", "Finds which messages of a batch are stored already.", submissions.KNOWN_MESSAGES),
    ("last-inbound", "Finds when people last wrote to a sender, for the service window.", conversations.LAST_INBOUND),
    ("names-of-a-person", "Finds all names of the people that are asked for.", contact_aliases.NAMES_OF),
    ("message", "Reads one message with its content.", records.MESSAGE),
    ("timeline", "Reads a page of a message's events.", records.EVENTS),
    ("open-letters", "Reads a page of open dead letters.", dead_letters.OPEN_LETTERS),
    ("all-letters", "Reads a page of dead letters.", dead_letters.ALL_LETTERS),
    ("one-letter", "Reads the dead letter of one message.", dead_letters.ONE_LETTER),
    ("known", "Finds which ids are messages of the tenant.", selections.KNOWN),
    ("open-among", "Finds which messages have an open dead letter.", dead_letters.OPEN_AMONG),
    ("discard", "Settles dead letters without sending their messages.", dead_letters.DISCARD),
    ("lanes-of-a-tenant", "Counts what waits in the lanes of one tenant.", vitals.LANES),
    ("count-open-letters", "Counts the open dead letters of one tenant.", vitals.OPEN_LETTERS),
    ("count-unconfirmed", "Counts the unconfirmed messages of one tenant.", vitals.UNCONFIRMED),
    ("inbound-page", "Reads a page of inbound messages.", conversations.PAGE),
    ("count", "Counts messages of a stretch of time by status and reason.", message_counts.COUNT),
    ("count-of-a-template", "Counts those of one template.", message_counts.COUNT_OF_TEMPLATE),
)

_SCOPE: Final = TenantScope(TenantId(UUID(int=0)), Mode.LIVE)
_FAILED: Final = MessageFilter(states=(State.FAILED,), error_code="131026")


def _page(wanted: MessageFilter) -> PageQuery:
    return PageQuery(_SCOPE, wanted, None)


# Assembled by filter; these are the forms, each with one filter.
_LISTS: Final = (
    ("list", "Reads a page of messages, newest first; here without a filter.", _page(MessageFilter()).newest(51)),
    (
        "list-by-status",
        "Reads a page of messages by what changes; here failed ones, by error.",
        _page(_FAILED).stretch(51),
    ),
    (
        "list-undecided",
        "Finds messages that wait for a person; here failed ones, by error.",
        _page(_FAILED).undecided(1_001),
    ),
    ("end-of-stretch", "Finds how far back a page by what changes has looked.", _page(_FAILED).end_of_stretch()),
    (
        "events-page",
        "Reads a page of provider events; here without a filter.",
        provider_events.page_query(_SCOPE, ProviderEventFilter(), before=None, limit=51, largest=0),
    ),
    (
        "told-page",
        "Reads a page of what callbacks tell; here events of one type.",
        stored_events.page_query(_SCOPE, EventFilter(type="message.*"), after=UUID(int=0), limit=51),
    ),
)


def _as_it_is(text: str, week: str) -> str:
    return text


def _formatted(text: str, week: str) -> str:
    return text.format(week=week)


HOT_STATEMENTS: Final = (
    *(HotStatement(name, why, SYSTEM_ROLE, partial(_as_it_is, text)) for name, why, text in _OF_THE_SYSTEM),
    *(HotStatement(name, why, SYSTEM_ROLE, partial(_formatted, text)) for name, why, text in _OF_A_WEEK),
    *(HotStatement(name, why, SYSTEM_ROLE, partial(apply_changes.statement, parts)) for name, why, parts in _CHANGES),
    *(HotStatement(name, why, APP_ROLE, partial(_as_it_is, text)) for name, why, text in _OF_A_TENANT),
    *(HotStatement(name, why, APP_ROLE, partial(_as_it_is, text)) for name, why, (text, *_) in _LISTS),
)
BY_NAME: Final[Mapping[str, HotStatement]] = {statement.name: statement for statement in HOT_STATEMENTS}
