"""Plans which statuses an accepted send reports and when, carries the plan out, and resumes it after a restart."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from messaging.entrypoints.sandbox.core.planning import Planned, chance, plan_steps
from messaging.entrypoints.sandbox.core.settings import Settings, Tuning
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.webhooks import Item, Webhooks, step_mark
from messaging.entrypoints.sandbox.core.wire import Json
from messaging.entrypoints.sandbox.whatsapp_cloud.accounts import Accounts
from messaging.entrypoints.sandbox.whatsapp_cloud.recipients import (
    DELIVERED,
    READ,
    REPLY_TEXT,
    Outcome,
    Step,
    outcome_for,
)
from messaging.entrypoints.sandbox.whatsapp_cloud.sent import Sent
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.envelopes import PACKING, Update, status_contact, status_item
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.events import Events
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.inbound import InboundSpec, read_inbound

REPLY = Step("reply")
"""The step in which the user answers; it is not a status and causes an inbound message."""


def plan(entry: Sent, outcome: Outcome, settings: Settings) -> list[Planned[Step]]:
    """Every step of a message's life after acceptance; a reply comes last."""
    start = entry.received_at + (settings.webhook_late_ms / 1000 if outcome.late else 0.0)
    return plan_steps(entry.n, outcome.script, settings, start=start, last=REPLY if outcome.replies else None)


class Statuses:
    """Keeps every accepted send's plan going until each step is settled."""

    def __init__(
        self, ledger: Section[Sent], events: Events, accounts: Accounts, webhooks: Webhooks, tuning: Tuning
    ) -> None:
        self._ledger = ledger
        self._events = events
        self._accounts = accounts
        self._webhooks = webhooks
        self._tuning = tuning
        self._replies: set[asyncio.Task[None]] = set()

    def schedule(self, entry: Sent) -> None:
        """Plan every step that is not settled yet."""
        outcome = outcome_for(entry.recipient)
        planned = plan(entry, outcome, self._tuning.current)
        self._arrange(entry, outcome, [it for it in planned if not self._ledger.is_settled(entry.n, it.index)])

    async def first_now(self, entry: Sent) -> None:
        """Deliver the first status at once and return when it was taken; the rest follows as planned."""
        outcome = outcome_for(entry.recipient)
        first, *others = plan(entry, outcome, self._tuning.current)
        taken = asyncio.Event()
        self._deliver(entry, outcome, first, taken)
        self._arrange(entry, outcome, others)
        try:
            async with asyncio.timeout(self._tuning.current.webhook_timeout_ms / 1000):
                await taken.wait()
        except TimeoutError:
            return  # nobody takes it; the answer must not wait for ever

    def resume(self) -> None:
        """After a start: take up every entry with something left to report."""
        for entry in self._ledger.entries():
            self.schedule(entry)

    def history(self, entry: Sent) -> list[Json]:
        """What `message_history` shows: the steps that have happened, oldest first."""
        outcome = outcome_for(entry.recipient)
        shown: list[Json] = [_history_event("ACCEPTED", entry.received_at)]
        for planned in plan(entry, outcome, self._tuning.current):
            if planned.at <= time.time() and planned.step is not REPLY:
                event = _history_event(planned.step.status.upper(), planned.at)
                taken = self._ledger.is_settled(entry.n, planned.index)
                event["webhook_update_state"] = "ACCEPTED" if taken else "PENDING"
                shown.append(event)
        return shown

    async def close(self) -> None:
        """Wait for replies that are being written."""
        await asyncio.gather(*self._replies, return_exceptions=True)

    def _arrange(self, entry: Sent, outcome: Outcome, steps: Sequence[Planned[Step]]) -> None:
        if dropped := [it.index for it in steps if it.step is not REPLY and self._is_dropped(entry, it)]:
            self._settle_unsent(entry, dropped, "dropped")
        for planned in steps:
            if planned.step is REPLY:
                self._webhooks.at(planned.at, partial(self._reply, entry, planned))
            elif planned.index not in dropped:
                self._arrange_status(entry, outcome, planned)

    def _is_dropped(self, entry: Sent, planned: Planned[Step]) -> bool:
        settings = self._tuning.current
        return chance(settings.drop_probability, settings.webhook_seed, entry.n, planned.index, "drop")

    def _arrange_status(self, entry: Sent, outcome: Outcome, planned: Planned[Step]) -> None:
        settings = self._tuning.current
        self._webhooks.at(planned.at, partial(self._deliver, entry, outcome, planned, None))
        likely = settings.duplicate_probability
        if outcome.duplicated or chance(likely, settings.webhook_seed, entry.n, planned.index, "duplicate"):
            again = planned.at + settings.webhook_delay_max_ms / 1000
            self._webhooks.at(again, partial(self._deliver, entry, outcome, planned, None, copy=True))

    def _deliver(
        self, entry: Sent, outcome: Outcome, planned: Planned[Step], taken: asyncio.Event | None, *, copy: bool = False
    ) -> None:
        found = self._accounts.phone(entry.sender)
        url = found[0].messages_url(entry.sender) if found else None
        if found is None or url is None:
            if not copy:
                self._settle_unsent(entry, [planned.index], "no webhook url")
            return

        def settled() -> None:
            if not copy:
                self._ledger.settle(entry.n, planned.index)
            if taken is not None:
                taken.set()

        account, phone = found
        self._webhooks.put(
            Item(
                url=url,
                secret=account.app_secret,
                packing=PACKING,
                update=Update(
                    waba_id=account.waba_id,
                    field="messages",
                    phone=phone,
                    list_name="statuses",
                    item=self._item(entry, outcome, planned),
                    contact=None if planned.step.status == "failed" else status_contact(entry),
                ),
                marks=() if copy else (step_mark(entry.n, planned.index),),
                settled=settled,
            )
        )

    def _item(self, entry: Sent, outcome: Outcome, planned: Planned[Step]) -> Json:
        settings = self._tuning.current
        echo = outcome.echo and (planned.step.status != "failed" or settings.echo_on_failed)
        return status_item(
            entry,
            planned.step,
            planned.at,
            echo=echo,
            # Pricing comes with `sent` and with the first of the two later statuses.
            priced=planned.step is not READ or DELIVERED not in outcome.script,
            conversation=settings.conversation_in_statuses,
        )

    def _settle_unsent(self, entry: Sent, indexes: Sequence[int], reason: str) -> None:
        for index in indexes:
            self._ledger.settle(entry.n, index)
        self._webhooks.settle_unsent([step_mark(entry.n, index) for index in indexes], reason)

    def _reply(self, entry: Sent, planned: Planned[Step]) -> None:
        found = self._accounts.phone(entry.sender)
        if found is None:
            self._settle_unsent(entry, [planned.index], "no webhook url")
            return
        spec = InboundSpec(
            phone_number_id=entry.sender,
            from_=entry.wa_id,
            from_user_id=entry.user_id,
            profile={"name": f"User {entry.recipient[-4:]}"},
            message={
                "type": "text",
                "text": {"body": REPLY_TEXT},
                "context": {"from": found[1].digits, "id": entry.message_id},
            },
        )
        _, event = read_inbound(spec, *found, entry.n, time.time())
        task = asyncio.create_task(self._events.add(event))
        self._replies.add(task)
        task.add_done_callback(self._replies.discard)
        self._settle_unsent(entry, [planned.index], "replied")


def _history_event(status: str, at: float) -> Json:
    return {"delivery_status": status, "timestamp": int(at)}
