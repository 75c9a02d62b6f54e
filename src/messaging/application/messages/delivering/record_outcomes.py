"""Records outcomes of sends: concurrent ones share a transaction, and writing is retried while Postgres is away."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from time import monotonic

from msgspec import Struct

from messaging.application import crashpoints
from messaging.application.gather import Gatherer
from messaging.application.messages.delivering.claim import Observed
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.delivering.outgoing import Unrenderable
from messaging.application.messages.tracking.reconcile import ReconcileReceipts
from messaging.application.ports.optimistic_writes import OptimisticWrites
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenDeliveryUnitOfWork, StoreUnavailable
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.retry import SendResult, Sent, Unreachable
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.outcome import outcome_of
from messaging.domain.messages.unclear_sends import NOT_KNOWN
from messaging.domain.shared.ids import AccountId, Prefix, TenantId, typeid
from messaging.domain.tracing import journey
from messaging.domain.tracing.journey import SendSpan, Traced
from messaging.domain.tracing.spans import Span

log = logging.getLogger(__name__)

# Seconds that a finished send keeps trying to record its outcome while Postgres is away. After that the lease ends, and
# the provider's echo has to tell the outcome.
_OUTCOME_PATIENCE = 300.0
# Outcomes arrive singly as providers answer, and only free concurrency waits for them: collected for this long
# (seconds) they make a batch worth its transaction.
_COLLECT = 0.015
_NEVER_LEFT = Unreachable(code="not_departed", reason="The worker died before the first byte was sent.")
_START_IN_DOUBT = Unreachable(
    code="start_in_doubt", reason="The start of the send was committed, but this was known too late."
)


class Concluded(Struct, frozen=True):
    """A send with a result; `claimed` and `started` are the states after its claim and its recorded start, where this
    process wrote them. `seconds` run from the first byte to the answer; for `waited` seconds the message had been ready
    to leave before.
    """

    key: MessageKey
    epoch: int
    account_id: AccountId
    result: SendResult
    started: Observed | None = None
    seconds: float | None = None
    provider: str = ""
    waited: float | None = None
    claimed: Observed | None = None


class Released(Struct, frozen=True):
    """A claim without a send: no byte has left and none will, even if a start is recorded."""

    key: MessageKey
    epoch: int
    reason: str


class Undeliverable(Struct, frozen=True):
    key: MessageKey
    epoch: int
    problem: Unrenderable


class NeverLeft(Struct, frozen=True):
    """A send of a crashed process: its start may be recorded, but no byte had left."""

    key: MessageKey
    epoch: int


Outcome = Concluded | Released | Undeliverable | NeverLeft


class _Decided(Struct, frozen=True):
    outcome: Concluded
    change: Change


class RecordOutcomes:
    """Records outcomes, one call for each finished send; it returns when the outcome is committed."""

    def __init__(
        self,
        *,
        open_uow: OpenDeliveryUnitOfWork,
        optimistic_writes: OptimisticWrites,
        reconcile: ReconcileReceipts,
        terms: DeliveryTerms,
        telemetry: Telemetry,
        capabilities: AccountCapabilities,
    ) -> None:
        self._open_uow = open_uow
        self._optimistic_writes = optimistic_writes
        self._reconcile = reconcile
        self._terms = terms
        self._telemetry = telemetry
        self._capabilities = capabilities
        self._at_once: Gatherer[_Decided, bool] = Gatherer(self._write_decided, writers=1, pause=_COLLECT)
        self._outcomes: Gatherer[Outcome, None] = Gatherer(self._write_many, writers=1, pause=_COLLECT)

    async def __call__(self, outcome: Outcome) -> None:
        """Record an outcome; while Postgres is away, keep trying, because losing a provider's answer is worse than a
        slow end.
        """
        if isinstance(outcome, Concluded):
            self._report(outcome)
        give_up_at = monotonic() + _OUTCOME_PATIENCE
        pause = 0.1
        # Tried once: when it is unknown whether this was written, the next try must read the message first.
        unlocked = self._decided(outcome)
        while True:
            try:
                if unlocked is None or not await self._at_once(unlocked):
                    unlocked = None
                    await self._outcomes(outcome)
                return
            except StoreUnavailable:
                unlocked = None
                if monotonic() > give_up_at:
                    log.exception("message.outcome_not_written", extra=attempt_ids(outcome.key, outcome.epoch))
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def together(self, outcomes: Sequence[Outcome]) -> None:
        """Record several outcomes in one transaction, tried once. Raises StoreUnavailable."""
        await self._write_many(outcomes)

    def _decided(self, outcome: Outcome) -> "_Decided | None":
        """The change for an outcome, decided without a lock: nearly always the message has not changed since its start
        was recorded.
        """
        if not isinstance(outcome, Concluded) or outcome.started is None:
            return None
        can = self._capabilities.of_provider.get(outcome.provider, NOT_KNOWN)
        change = self._decide(outcome, outcome.started.by_now(), can)
        return None if change is None else _Decided(outcome, change)

    async def _write_decided(self, batch: "Sequence[_Decided]") -> Sequence[bool]:
        """Write the changes; False for messages that have changed meanwhile, which must be read under lock."""
        crashpoints.reach("outcome.before_commit")
        written = await self._optimistic_writes.write([decided.change for decided in batch])
        crashpoints.reach("outcome.after_commit")
        learnt = _learnt([decided.outcome for decided in batch if decided.change.key in written])
        # No caller waits for this, and receipts missed here are matched again later: the outcomes themselves are
        # committed.
        with suppress(StoreUnavailable):
            if learnt and await self._optimistic_writes.any_parked(learnt):
                async with self._open_uow() as uow:
                    await self._reconcile.match_parked(uow, learnt)
                    await uow.commit()
        return [decided.change.key in written for decided in batch]

    async def _write_many(self, batch: Sequence[Outcome]) -> Sequence[None]:
        async with self._open_uow() as uow:
            for wave in _waves(batch):
                messages = await uow.lifecycles.lock([outcome.key for outcome in wave])
                again = [key for key, message in messages.items() if message.possible_duplicate]
                failed = await uow.attempts.known_failed(again)
                can = {key: await self._capabilities(message) for key, message in messages.items()}
                changes = [
                    self._decide(outcome, messages[outcome.key], can[outcome.key], failed.get(outcome.key, 0))
                    for outcome in wave
                    if outcome.key in messages
                ]
                await uow.lifecycles.apply([change for change in changes if change is not None])
            await self._reconcile.match_parked(uow, _learnt(batch))
            crashpoints.reach("outcome.before_commit")
            await uow.commit()
        crashpoints.reach("outcome.after_commit")
        return [None] * len(batch)

    def _decide(
        self, outcome: Outcome, message: MessageState, can: Capabilities, failed_attempt: int = 0
    ) -> Change | None:
        grace = self._terms.grace
        match outcome:
            case Concluded(epoch=epoch, result=result, seconds=seconds):
                return lifecycle.conclude(
                    message,
                    epoch=epoch,
                    result=result,
                    latency_ms=None if seconds is None else int(seconds * 1000),
                    grace=grace,
                    check_every=self._terms.check_every,
                    failed_attempt=failed_attempt,
                    can=can,
                )
            case Released(epoch=epoch) if message.epoch == epoch and message.state in (State.SENDING, State.UNKNOWN):
                # The start was committed but the reply to the commit was lost; the second try then found the message
                # started, by this process itself.
                return lifecycle.conclude(message, epoch=epoch, result=_START_IN_DOUBT, grace=grace, can=can)
            case Released(epoch=epoch, reason=reason):
                return lifecycle.release(message, epoch=epoch, reason=reason, due_at=message.now)
            case Undeliverable(epoch=epoch, problem=problem):
                if problem.retry_after is not None:
                    later = message.now + problem.retry_after
                    return lifecycle.release(message, epoch=epoch, reason=problem.error.code, due_at=later)
                return lifecycle.dead_letter(message, epoch=epoch, error=problem.error)
            case NeverLeft(epoch=epoch):
                # Without a recorded start, the end of the lease does the same and also counts the claim failure, which
                # detects poison.
                if message.epoch != epoch or message.state is State.CLAIMED:
                    return None
                return lifecycle.conclude(message, epoch=epoch, result=_NEVER_LEFT, grace=grace, can=can)

    def _report(self, outcome: Concluded) -> None:
        """Tell metrics and log; no outcome of a crashed process, whose `seconds` are not known, comes here."""
        result, provider, seconds = outcome.result, outcome.provider, outcome.seconds or 0.0
        kind = type(result).__name__.lower()
        self._telemetry.count("attempts", provider=provider, outcome=kind)
        self._telemetry.observe("attempt_seconds", seconds, provider=provider)
        if outcome.waited is not None and outcome.started is not None:
            priority = outcome.started.message.priority.value
            self._telemetry.observe(
                "stage_seconds", max(0.0, outcome.waited), stage="due_to_attempt", priority=priority
            )
        code = None if isinstance(result, Sent) else result.code
        about = {"provider": provider, "outcome": kind, "code": code, "ms": int(seconds * 1000)}
        trace_id = None if outcome.started is None else outcome.started.message.trace_id
        log.info("message.attempted", extra=attempt_ids(outcome.key, outcome.epoch) | about | {"trace_id": trace_id})
        if self._telemetry.traces(trace_id):
            self._telemetry.emit(_spans(outcome))


def _spans(outcome: Concluded) -> Sequence[Span]:
    """The spans of a send that has just been answered, by the clock of the database."""
    claimed, started, result = outcome.claimed, outcome.started, outcome.result
    if claimed is None or started is None or (trace_id := started.message.trace_id) is None:
        return ()
    now = started.by_now().now
    return journey.attempted(
        Traced(
            trace_id=trace_id,
            tenant_id=outcome.key.tenant_id,
            message_id=outcome.key.message_id,
            lane=f"{started.message.channel}/{started.message.priority}",
        ),
        SendSpan(
            attempt=outcome.epoch,
            provider=outcome.provider,
            claimed_at=claimed.message.now,
            sent_at=now - timedelta(seconds=outcome.seconds or 0.0),
            answered_at=now,
            ended_at=now,
            outcome=outcome_of(result).value,
            error=None if isinstance(result, Sent) else result.code,
            http_status=None if isinstance(result, Sent) else result.http_status,
        ),
    )


def _learnt(outcomes: Sequence[Outcome]) -> list[tuple[AccountId, str]]:
    """Provider message ids that these outcomes make known."""
    return [
        (outcome.account_id, outcome.result.provider_message_id)
        for outcome in outcomes
        if isinstance(outcome, Concluded) and isinstance(outcome.result, Sent)
    ]


def _waves(batch: Sequence[Outcome]) -> list[list[Outcome]]:
    """Split the batch so that no message comes twice in one set: each change is decided on the result of the one
    before.
    """
    waves: list[dict[MessageKey, Outcome]] = []
    for outcome in batch:
        wave = next((wave for wave in waves if outcome.key not in wave), None)
        if wave is None:
            wave = {}
            waves.append(wave)
        wave[outcome.key] = outcome
    return [list(wave.values()) for wave in waves]


def attempt_ids(key: MessageKey, epoch: int) -> dict[str, str | int | None]:
    return {
        "tenant_id": _tenant(key.tenant_id),
        "message_id": typeid(Prefix.MESSAGE, key.message_id),
        "attempt": epoch,
    }


@lru_cache(maxsize=4096)
def _tenant(id: TenantId) -> str:
    """The tenant's id as it is logged with each message."""
    return typeid(Prefix.TENANT, id)
