"""What Meta tells of each message: statuses by webhook, and their history on being asked."""

import time

from messaging.entrypoints.sandbox.core.fates.planning import Planned
from messaging.entrypoints.sandbox.core.fates.reports import Post, Reports
from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.webhooks import Webhooks
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


class Statuses:
    """Reports on every accepted send; the port `Told` of `reports`."""

    def __init__(
        self, ledger: Section[Sent], events: Events, accounts: Accounts, webhooks: Webhooks, tuning: Tuning
    ) -> None:
        self._events = events
        self._accounts = accounts
        self._tuning = tuning
        self.reports = Reports[Sent, Step](self, ledger, webhooks, tuning)

    def history(self, entry: Sent) -> list[Json]:
        """What `message_history` shows: the steps that have happened, oldest first."""
        shown: list[Json] = [_history_event("ACCEPTED", entry.received_at)]
        for planned in self.reports.plan(entry):
            if planned.at <= time.time() and planned.step is not REPLY:
                event = _history_event(planned.step.status.upper(), planned.at)
                event["webhook_update_state"] = "ACCEPTED" if self.reports.is_settled(entry, planned) else "PENDING"
                shown.append(event)
        return shown

    def outcome(self, entry: Sent) -> Outcome:
        return outcome_for(entry.recipient)

    def reply(self, entry: Sent) -> Step | None:
        return REPLY if outcome_for(entry.recipient).replies else None

    def post(self, entry: Sent, planned: Planned[Step]) -> Post | None:
        found = self._accounts.phone(entry.sender)
        url = found[0].messages_url(entry.sender) if found else None
        if found is None or url is None:
            return None
        account, phone = found
        update = Update(
            waba_id=account.waba_id,
            field="messages",
            phone=phone,
            list_name="statuses",
            item=self._item(entry, outcome_for(entry.recipient), planned),
            contact=None if planned.step.status == "failed" else status_contact(entry),
        )
        return Post(url=url, secret=account.app_secret, packing=PACKING, update=update)

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

    async def answer(self, entry: Sent) -> None:
        found = self._accounts.phone(entry.sender)
        if found is None:
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
        await self._events.add(event)


def _history_event(status: str, at: float) -> Json:
    return {"delivery_status": status, "timestamp": int(at)}
