"""Decides before each claim which senders may send and how fast, from the results of sends in all processes.

Messages of a held sender stay in the queue: they are not claimed and use up no attempt. A healthy sender costs one
look-up per batch of claims and nothing per message.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace

from messaging.application.gather import Gatherer
from messaging.application.messages.pacing.health_cache import HealthCache
from messaging.application.ports.sender_health import HealthChange
from messaging.application.ports.snapshots import Snapshots
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.pacing import breaker
from messaging.domain.messages.pacing.breaker import BreakerState, Trouble
from messaging.domain.messages.pacing.pace import factor_at
from messaging.domain.messages.pacing.sender_health import (
    HEALTHY,
    Health,
    Observation,
    Subject,
    blame,
    held_until,
    record,
)
from messaging.domain.messages.retry import Scope, SendResult, Sent
from messaging.domain.shared.ids import SenderId, TenantId
from messaging.domain.tenants.tenant import ProviderAccount

# How often an observation is applied again when other processes changed the health first. Losing one does little harm.
_TRIES = 5
_LATELY = 10.0


class Clearance(Struct, frozen=True, kw_only=True):
    """What a sender may do now. `concurrency` bounds what may be claimed, unless it is None; with 0 nothing may be
    claimed for `held_for`.
    """

    concurrency: int | None = None
    rate_factor: float = 1.0
    held_for: timedelta = timedelta(0)


class CircuitBreakers:
    def __init__(self, *, health: HealthCache, snapshots: Snapshots) -> None:
        self._health = health
        self._snapshots = snapshots
        self._observations: Gatherer[tuple[Subject, Observation], None] = Gatherer(self._learn_many, writers=1)
        self._held: dict[SenderId, tuple[TenantId, float]] = {}

    def held(self) -> Mapping[SenderId, TenantId]:
        """Senders that were held or limited to a probe in the last 10 seconds; a sender with due messages is asked
        about all the time.
        """
        lately = monotonic() - _LATELY
        self._held = {sender: noted for sender, noted in self._held.items() if noted[1] > lately}
        return {sender: tenant for sender, (tenant, _) in self._held.items()}

    # --- before a claim ---------------------------------------------------------------------------------------------

    async def admit(self, waiting: Mapping[SenderId, TenantId]) -> Mapping[SenderId, Clearance]:
        """A clearance for each sender. A probe is allowed to one caller among all processes."""
        accounts = {sender: await self._account(tenant, sender) for sender, tenant in waiting.items()}
        subjects = {sender: _subjects(sender, account) for sender, account in accounts.items()}
        await self._health.look({subject for pair in subjects.values() for subject in pair})
        moves = self._renewals(account for account in accounts.values() if account is not None)
        admitted = {sender: self._decide(pair, moves) for sender, pair in subjects.items()}
        if moves:
            made = await self._health.change(
                [HealthChange(subject, self._health.of(subject), health) for subject, health in moves.items()]
            )
            overtaken = moves.keys() - made
            for sender, pair in subjects.items():
                if not overtaken.isdisjoint(pair):
                    admitted[sender] = _NOT_NOW
        self._note_held(waiting, admitted)
        return admitted

    def _renewals(self, accounts: Iterable[ProviderAccount]) -> dict[Subject, Health]:
        """The new health of accounts that were stopped for their credentials and have other credentials now."""
        renewed = {}
        for account in accounts:
            subject = Subject(Scope.ACCOUNT, account.id)
            health = self._health.of(subject)
            if health.breaker.trouble is Trouble.UNAUTHORIZED:
                closed = breaker.renew(health.breaker, credentials=_print(account), now=self._health.now())
                if closed is not health.breaker:
                    renewed[subject] = replace(health, breaker=closed)
        return renewed

    def _decide(self, subjects: Sequence[Subject], moves: dict[Subject, Health]) -> Clearance:
        """A sender's clearance. The right to probe, where it takes one, is added to `moves`."""
        healths = {subject: moves.get(subject) or self._health.of(subject) for subject in subjects}
        if all(health is HEALTHY for health in healths.values()):
            return _CLEAR
        now = self._health.now()
        until = max(held_until(health) for health in healths.values())
        if until > now:
            return Clearance(concurrency=0, held_for=timedelta(seconds=until - now))
        stopped = {it: health for it, health in healths.items() if health.breaker.state is not BreakerState.CLOSED}
        for subject, health in stopped.items():
            moves[subject] = replace(health, breaker=breaker.probe(health.breaker, now=now))
        factor = 1.0
        for health in healths.values():
            factor *= factor_at(health.pace, now)
        return Clearance(concurrency=1 if stopped else None, rate_factor=factor)

    def _note_held(self, waiting: Mapping[SenderId, TenantId], admitted: Mapping[SenderId, Clearance]) -> None:
        for sender, tenant in waiting.items():
            if admitted[sender].concurrency is None:
                self._held.pop(sender, None)
            else:
                self._held[sender] = (tenant, monotonic())

    # --- after a send -----------------------------------------------------------------------------------------------

    async def record(self, message: MessageState, result: SendResult, *, began_ago: float) -> None:
        """Record the result of a send that began `began_ago` seconds ago. Returns when all processes can read it; at
        once when the result changes nothing.
        """
        subjects = (Subject(Scope.SENDER, message.sender_id), Subject(Scope.ACCOUNT, message.account_id))
        if isinstance(result, Sent) and all(self._health.of(subject) is HEALTHY for subject in subjects):
            return
        now = self._health.now()
        observation = Observation(
            result=result, began=now - began_ago, credentials=await self._credentials(message, result)
        )
        for subject in subjects:
            known = self._health.of(subject)
            if record(known, subject.scope, observation, now=now) != known:
                await self._observations((subject, observation))

    async def _credentials(self, message: MessageState, result: SendResult) -> str | None:
        blamed = blame(result)
        if blamed is None or blamed[1] is not Trouble.UNAUTHORIZED:
            return None
        account = await self._account(message.key.tenant_id, message.sender_id)
        return None if account is None else _print(account)

    async def _learn_many(self, batch: Sequence[tuple[Subject, Observation]]) -> Sequence[None]:
        observations: dict[Subject, list[Observation]] = defaultdict(list)
        for subject, observation in batch:
            observations[subject].append(observation)
        for _ in range(_TRIES):
            await self._health.read(list(observations))
            changes = [
                HealthChange(subject, known, taught)
                for subject, taken in observations.items()
                if (taught := self._taught(subject, taken)) != (known := self._health.of(subject))
            ]
            made = await self._health.change(changes)
            observations = {
                change.subject: observations[change.subject] for change in changes if change.subject not in made
            }
            if not observations:
                break
        return [None] * len(batch)

    def _taught(self, subject: Subject, observations: Sequence[Observation]) -> Health:
        health, now = self._health.of(subject), self._health.now()
        for observation in observations:
            health = record(health, subject.scope, observation, now=now)
        return health

    async def _account(self, tenant_id: TenantId, sender_id: SenderId) -> ProviderAccount | None:
        facts = await self._snapshots.tenant(tenant_id)
        sender = facts.senders.get(sender_id) if facts else None
        return facts.accounts.get(sender.account_id) if facts and sender else None


_CLEAR = Clearance()
# Another process has just changed the health that the decision was based on.
_NOT_NOW = Clearance(concurrency=0)


def _subjects(sender: SenderId, account: ProviderAccount | None) -> tuple[Subject, ...]:
    own = Subject(Scope.SENDER, sender)
    return (own,) if account is None else (own, Subject(Scope.ACCOUNT, account.id))


def _print(account: ProviderAccount) -> str:
    """A hash that tells whether the credentials are still the same; sealing them again changes it."""
    return hashlib.sha256(account.sealed_credentials).hexdigest()[:16]
