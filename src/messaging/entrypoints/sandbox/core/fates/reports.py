"""Carries out what was planned for every accepted send, step by step, also after a restart."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from messaging.entrypoints.sandbox.core.fates.outcomes import Outcome
from messaging.entrypoints.sandbox.core.fates.planning import Planned, chance, plan_steps
from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.storage.ledger import Entry, Section
from messaging.entrypoints.sandbox.core.webhooks import Item, Packing, Webhooks, step_mark

EntryT = TypeVar("EntryT", bound=Entry)
AnyEntryT = TypeVar("AnyEntryT", bound=Entry, contravariant=True)
StepT = TypeVar("StepT")


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook about one step; the fields are those of `Item`."""

    url: str
    secret: str
    packing: Packing[Any]
    update: Any


class Told(Protocol[AnyEntryT, StepT]):
    """What a provider tells of its messages, and how."""

    def outcome(self, entry: AnyEntryT) -> Outcome[StepT, Any]: ...

    def reply(self, entry: AnyEntryT) -> StepT | None:
        """The step in which the person answers, behind all others; None if nobody does."""

    def post(self, entry: AnyEntryT, planned: Planned[StepT]) -> Post | None:
        """The webhook about a step; None if there is nobody to post to."""

    async def answer(self, entry: AnyEntryT) -> None:
        """Let the person answer, if the sender takes messages."""


class Reports(Generic[EntryT, StepT]):
    """Keeps every accepted send's plan going until each step is settled."""

    def __init__(self, told: Told[EntryT, StepT], ledger: Section[EntryT], webhooks: Webhooks, tuning: Tuning) -> None:
        self._told = told
        self._ledger = ledger
        self._webhooks = webhooks
        self._tuning = tuning
        self._answers: set[asyncio.Task[None]] = set()

    def plan(self, entry: EntryT) -> list[Planned[StepT]]:
        """Every step of a message's life after acceptance; an answer comes last."""
        outcome, settings = self._told.outcome(entry), self._tuning.current
        start = entry.received_at + (settings.webhook_late_ms / 1000 if outcome.late else 0.0)
        return plan_steps(entry.n, outcome.script, settings, start=start, last=self._told.reply(entry))

    def schedule(self, entry: EntryT) -> None:
        """Plan every step that is not settled yet."""
        self._arrange(entry, [it for it in self.plan(entry) if not self._ledger.is_settled(entry.n, it.index)])

    async def first_now(self, entry: EntryT) -> None:
        """Post the first status at once and return when it was taken; the rest follows as planned."""
        first, *others = self.plan(entry)
        taken = asyncio.Event()
        self._deliver(entry, first, taken)
        self._arrange(entry, others)
        try:
            async with asyncio.timeout(self._tuning.current.webhook_timeout_ms / 1000):
                await taken.wait()
        except TimeoutError:
            return  # nobody takes it; the answer must not wait for ever

    def resume(self) -> None:
        """After a start: take up every entry with something left to report."""
        for entry in self._ledger.entries():
            self.schedule(entry)

    def is_settled(self, entry: EntryT, planned: Planned[StepT]) -> bool:
        return self._ledger.is_settled(entry.n, planned.index)

    async def close(self) -> None:
        """Wait for answers that are being written."""
        await asyncio.gather(*self._answers, return_exceptions=True)

    def _arrange(self, entry: EntryT, steps: Sequence[Planned[StepT]]) -> None:
        outcome = self._told.outcome(entry)
        answer = len(outcome.script)
        if dropped := [it.index for it in steps if it.index != answer and self._is_dropped(entry, it)]:
            self._settle_unsent(entry, dropped, "dropped")
        for planned in steps:
            if planned.index == answer:
                self._webhooks.at(planned.at, partial(self._answer, entry, planned))
            elif planned.index not in dropped:
                self._arrange_status(entry, planned, duplicated=outcome.duplicated)

    def _arrange_status(self, entry: EntryT, planned: Planned[StepT], *, duplicated: bool) -> None:
        settings = self._tuning.current
        self._webhooks.at(planned.at, partial(self._deliver, entry, planned, None))
        if duplicated or self._happens("duplicate", settings.duplicate_probability, entry, planned):
            again = planned.at + settings.webhook_delay_max_ms / 1000
            self._webhooks.at(again, partial(self._deliver, entry, planned, None, copy=True))

    def _is_dropped(self, entry: EntryT, planned: Planned[StepT]) -> bool:
        return self._happens("drop", self._tuning.current.drop_probability, entry, planned)

    def _happens(self, what: str, probability: float, entry: EntryT, planned: Planned[StepT]) -> bool:
        return chance(probability, self._tuning.current.webhook_seed, entry.n, planned.index, what)

    def _deliver(
        self, entry: EntryT, planned: Planned[StepT], taken: asyncio.Event | None, *, copy: bool = False
    ) -> None:
        post = self._told.post(entry, planned)
        if post is None:
            if not copy:
                self._settle_unsent(entry, [planned.index], "no webhook url")
            return

        def settled() -> None:
            if not copy:
                self._ledger.settle(entry.n, planned.index)
            if taken is not None:
                taken.set()

        self._webhooks.put(
            Item(
                url=post.url,
                secret=post.secret,
                packing=post.packing,
                update=post.update,
                marks=() if copy else (step_mark(entry.n, planned.index),),
                settled=settled,
            )
        )

    def _settle_unsent(self, entry: EntryT, indexes: Sequence[int], reason: str) -> None:
        for index in indexes:
            self._ledger.settle(entry.n, index)
        self._webhooks.settle_unsent([step_mark(entry.n, index) for index in indexes], reason)

    def _answer(self, entry: EntryT, planned: Planned[StepT]) -> None:
        task = asyncio.create_task(self._told.answer(entry))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)
        self._settle_unsent(entry, [planned.index], "replied")
