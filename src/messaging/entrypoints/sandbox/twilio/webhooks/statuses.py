"""What Twilio tells of each message: a signed form for each status, and the message itself on being asked."""

import time
from typing import Final

from messaging.entrypoints.sandbox.core.fates.planning import Planned
from messaging.entrypoints.sandbox.core.fates.reports import Post, Reports
from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.webhooks import Webhooks
from messaging.entrypoints.sandbox.core.wire import Json
from messaging.entrypoints.sandbox.twilio.accounts import Accounts
from messaging.entrypoints.sandbox.twilio.recipients import Outcome, Step, outcome_for
from messaging.entrypoints.sandbox.twilio.sent import Sent, resource
from messaging.entrypoints.sandbox.twilio.webhooks.inbound import Inbound, InboundSpec
from messaging.entrypoints.sandbox.twilio.webhooks.signing import PACKING, Form

# Statuses before the end of a message's life, in their order; whatever the order of their webhooks was.
_EARLY: Final = {"queued": 0, "sending": 1, "sent": 2}
_ANSWER: Final = Step("")


class Statuses:
    """Reports on every accepted send; the port `Told` of `reports`."""

    def __init__(
        self, ledger: Section[Sent], inbound: Inbound, accounts: Accounts, webhooks: Webhooks, tuning: Tuning
    ) -> None:
        self._inbound = inbound
        self._accounts = accounts
        self.reports = Reports[Sent, Step](self, ledger, webhooks, tuning)

    def resource(self, entry: Sent) -> Json:
        """The message as it is now. The steps whose time has come have happened; of those the latest in life counts."""
        now = time.time()
        happened = [it for it in self.reports.plan(entry) if it.at <= now and it.step is not _ANSWER]
        last = max(happened, key=lambda it: (_EARLY.get(it.step.status, len(_EARLY)), it.index), default=None)
        sent_at = min((it.at for it in happened if it.step.status in ("sent", "delivered")), default=None)
        if last is None:
            status = "queued" if entry.service_sid is None else "accepted"
            return resource(entry, status, code=None, sent_at=None, updated_at=entry.received_at)
        return resource(entry, last.step.status, code=last.step.code, sent_at=sent_at, updated_at=last.at)

    def outcome(self, entry: Sent) -> Outcome:
        return outcome_for(entry.to)

    def reply(self, entry: Sent) -> Step | None:
        return _ANSWER if outcome_for(entry.to).says else None

    def post(self, entry: Sent, planned: Planned[Step]) -> Post | None:
        account = self._accounts.get(entry.account_sid)
        if account is None or entry.status_url is None:
            return None
        form = _form(entry, planned.step)
        return Post(url=entry.status_url, secret=account.auth_token, packing=PACKING, update=form)

    async def answer(self, entry: Sent) -> None:
        account = self._accounts.get(entry.account_sid)
        if account is not None and entry.from_ is not None and account.number(entry.from_) is not None:
            spec = InboundSpec(to=entry.from_, from_=entry.to, body=outcome_for(entry.to).says)
            await self._inbound.add(spec)


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
