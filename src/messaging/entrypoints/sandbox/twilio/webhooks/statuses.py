"""Plans which statuses an accepted send gets and when, posts them, and resumes after a restart."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from messaging.entrypoints.sandbox.core.planning import Planned, chance, plan_steps
from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.webhooks import Item, Webhooks, step_mark
from messaging.entrypoints.sandbox.core.wire import Json
from messaging.entrypoints.sandbox.twilio.accounts import Accounts
from messaging.entrypoints.sandbox.twilio.recipients import Outcome, Step, outcome_for
from messaging.entrypoints.sandbox.twilio.sent import Sent, resource
from messaging.entrypoints.sandbox.twilio.webhooks.inbound import Inbound, InboundSpec
from messaging.entrypoints.sandbox.twilio.webhooks.signing import PACKING, Form

# Statuses before the end of a message's life, in their order; whatever the order of their webhooks was.
_EARLY: Final = {"queued": 0, "sending": 1, "sent": 2}


class Statuses:
    """Keeps every accepted send's plan going until each step is settled."""

    def __init__(
        self, ledger: Section[Sent], inbound: Inbound, accounts: Accounts, webhooks: Webhooks, tuning: Tuning
    ) -> None:
        self._ledger = ledger
        self._inbound = inbound
        self._accounts = accounts
        self._webhooks = webhooks
        self._tuning = tuning
        self._replies: set[asyncio.Task[str]] = set()

    def schedule(self, entry: Sent) -> None:
        """Plan every step that is not settled yet."""
        self._arrange(entry, [it for it in self._plan(entry) if not self._ledger.is_settled(entry.n, it.index)])

    async def first_now(self, entry: Sent) -> None:
        """Post the first status at once and return when it was taken; the rest follows as planned."""
        first, *others = self._plan(entry)
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

    def resource(self, entry: Sent) -> Json:
        """The message as it is now. The steps whose time has come have happened; of those the latest in life counts."""
        now = time.time()
        happened = [it for it in self._plan(entry) if it.at <= now and it.step.status]
        last = max(happened, key=lambda it: (_EARLY.get(it.step.status, len(_EARLY)), it.index), default=None)
        sent_at = min((it.at for it in happened if it.step.status in ("sent", "delivered")), default=None)
        if last is None:
            status = "queued" if entry.service_sid is None else "accepted"
            return resource(entry, status, code=None, sent_at=None, updated_at=entry.received_at)
        return resource(entry, last.step.status, code=last.step.code, sent_at=sent_at, updated_at=last.at)

    async def close(self) -> None:
        """Wait for replies that are being written."""
        await asyncio.gather(*self._replies, return_exceptions=True)

    def _plan(self, entry: Sent) -> list[Planned[Step]]:
        outcome, settings = outcome_for(entry.to), self._tuning.current
        start = entry.received_at + (settings.webhook_late_ms / 1000 if outcome.late else 0.0)
        said = [step for step in outcome.script if not step.says]
        reply = next((step for step in outcome.script if step.says), None)
        return plan_steps(entry.n, said, settings, start=start, last=reply)

    def _arrange(self, entry: Sent, steps: Sequence[Planned[Step]]) -> None:
        outcome = outcome_for(entry.to)
        for planned in steps:
            if planned.step.says:
                self._webhooks.at(planned.at, partial(self._reply, entry, planned))
            elif self._happens("drop", self._tuning.current.drop_probability, entry, planned):
                self._settle_unsent(entry, planned, "dropped")
            else:
                self._arrange_status(entry, outcome, planned)

    def _arrange_status(self, entry: Sent, outcome: Outcome, planned: Planned[Step]) -> None:
        settings = self._tuning.current
        self._webhooks.at(planned.at, partial(self._deliver, entry, planned, None))
        if outcome.duplicated or self._happens("duplicate", settings.duplicate_probability, entry, planned):
            again = planned.at + settings.webhook_delay_max_ms / 1000
            self._webhooks.at(again, partial(self._deliver, entry, planned, None, copy=True))

    def _happens(self, what: str, probability: float, entry: Sent, planned: Planned[Step]) -> bool:
        return chance(probability, self._tuning.current.webhook_seed, entry.n, planned.index, what)

    def _deliver(self, entry: Sent, planned: Planned[Step], taken: asyncio.Event | None, *, copy: bool = False) -> None:
        account = self._accounts.get(entry.account_sid)
        if account is None or entry.status_url is None:
            if not copy:
                self._settle_unsent(entry, planned, "no webhook url")
            return

        def settled() -> None:
            if not copy:
                self._ledger.settle(entry.n, planned.index)
            if taken is not None:
                taken.set()

        item = Item(
            url=entry.status_url,
            secret=account.auth_token,
            packing=PACKING,
            update=_form(entry, planned.step),
            marks=() if copy else (step_mark(entry.n, planned.index),),
            settled=settled,
        )
        self._webhooks.put(item)

    def _settle_unsent(self, entry: Sent, planned: Planned[Step], reason: str) -> None:
        self._ledger.settle(entry.n, planned.index)
        self._webhooks.settle_unsent([step_mark(entry.n, planned.index)], reason)

    def _reply(self, entry: Sent, planned: Planned[Step]) -> None:
        account = self._accounts.get(entry.account_sid)
        if account is None or entry.from_ is None or account.number(entry.from_) is None:
            self._settle_unsent(entry, planned, "nobody to reply to")
            return
        spec = InboundSpec(to=entry.from_, from_=entry.to, body=planned.step.says)
        task = asyncio.create_task(self._inbound.add(spec))
        self._replies.add(task)
        task.add_done_callback(self._replies.discard)
        self._settle_unsent(entry, planned, "replied")


def _form(entry: Sent, step: Step) -> Form:
    """The fields of a status webhook, in no order that could be relied on."""
    form = {
        "ApiVersion": "2010-04-01",
        "SmsSid": entry.message_id,
        "SmsStatus": step.status,
        "MessageStatus": step.status,
        "To": entry.to,
        "MessageSid": entry.message_id,
        "AccountSid": entry.account_sid,
    }
    if entry.from_ is not None:
        form["From"] = entry.from_
    if entry.service_sid is not None:
        form["MessagingServiceSid"] = entry.service_sid
    if step.code is not None:
        form["ErrorCode"] = str(step.code)
    if step.status in ("delivered", "undelivered"):
        form["RawDlrDoneDate"] = time.strftime("%y%m%d%H%M", time.gmtime(entry.received_at))
    return form
