"""Messages that people write to an account's numbers: stored, then posted to the number's `sms_url`."""

import secrets
import time
from typing import Annotated

import msgspec

from messaging.entrypoints.sandbox.core.control import BadControl
from messaging.entrypoints.sandbox.core.storage import events
from messaging.entrypoints.sandbox.core.storage.events import EventLog
from messaging.entrypoints.sandbox.core.webhooks import Item, Webhooks, event_mark
from messaging.entrypoints.sandbox.twilio import segments
from messaging.entrypoints.sandbox.twilio.accounts import Account, Accounts
from messaging.entrypoints.sandbox.twilio.sent import NAME, NAMES
from messaging.entrypoints.sandbox.twilio.webhooks.signing import PACKING, Form


class InboundSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's message as `POST /_control/twilio/inbound` takes it."""

    to: str
    """One of an account's numbers."""
    from_: Annotated[str, msgspec.Meta(pattern=r"^\+?[0-9]{3,15}$")] = msgspec.field(name="from")
    body: str = ""
    media: tuple[tuple[str, str], ...] = ()
    """Pairs of URL and content type."""
    fields: dict[str, str] = {}
    """Further fields of the webhook, such as `OptOutType`."""


class Written(events.Event, frozen=True, kw_only=True):
    """One durable inbound message."""

    account_sid: str
    to: str
    form: Form
    provider: str = NAME


class Inbound:
    """The inbound messages of this provider, and their delivery."""

    def __init__(self, log: EventLog, accounts: Accounts, webhooks: Webhooks) -> None:
        self._log = log
        self._accounts = accounts
        self._webhooks = webhooks

    async def add(self, spec: InboundSpec) -> str:
        """The SID of the message, once it is durable; raises `BadControl` if no account has the number."""
        account = next((each for each in self._accounts if each.number(spec.to) is not None), None)
        if account is None:
            raise BadControl(f"no account has the number {spec.to}")
        form = _form(spec, account)
        event = Written(at=time.time(), account_sid=account.sid, to=spec.to, form=form)
        self._deliver(await self._log.add(event), event)
        return form["MessageSid"]

    def resume(self) -> None:
        """After a start: deliver what nobody has taken yet."""
        for n, line in self._log.lines(NAMES):
            if not self._log.is_settled(n):
                self._deliver(n, msgspec.json.decode(line, type=Written))

    def _deliver(self, n: int, event: Written) -> None:
        account = self._accounts.get(event.account_sid)
        number = None if account is None else account.number(event.to)
        marks = (event_mark(n),)
        if account is None or number is None or not number.sms_url:
            self._webhooks.settle_unsent(marks, "no webhook url")
            self._log.settle(n)
            return
        item = Item(
            url=number.sms_url,
            secret=account.auth_token,
            packing=PACKING,
            update=event.form,
            marks=marks,
            settled=lambda: self._log.settle(n),
        )
        self._webhooks.put(item)


def _form(spec: InboundSpec, account: Account) -> Form:
    sid = f"{'MM' if spec.media else 'SM'}{secrets.token_hex(16)}"
    service = account.service_of(spec.to)
    form = {
        "ToCountry": "US",
        "ToState": "",
        "SmsMessageSid": sid,
        "NumMedia": str(len(spec.media)),
        "ToCity": "",
        "FromZip": "",
        "SmsSid": sid,
        "FromState": "CA",
        "SmsStatus": "received",
        "FromCity": "",
        "Body": spec.body,
        "FromCountry": "US",
        "To": spec.to,
        "ToZip": "",
        "NumSegments": str(segments.count(spec.body)),
        "MessageSid": sid,
        "AccountSid": account.sid,
        "From": spec.from_,
        "ApiVersion": "2010-04-01",
    }
    for n, (url, content_type) in enumerate(spec.media):
        form |= {f"MediaUrl{n}": url, f"MediaContentType{n}": content_type}
    return form | ({"MessagingServiceSid": service.sid} if service is not None else {}) | spec.fields
