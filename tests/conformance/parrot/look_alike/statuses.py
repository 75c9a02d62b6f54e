"""What Parrot tells of each message: a signed webhook for each status, and the message itself on being asked."""

import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from messaging.entrypoints.sandbox.core.fates.planning import Planned
from messaging.entrypoints.sandbox.core.fates.reports import Post, Reports
from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.webhooks import Item, Packing, Parcel, Webhooks
from messaging.entrypoints.sandbox.core.wire import Json
from tests.conformance.parrot.look_alike.accounts import Accounts
from tests.conformance.parrot.look_alike.outcomes import Outcome, Step, outcome_for
from tests.conformance.parrot.look_alike.sent import Sent, resource


def pack(items: Sequence[Item[Json]]) -> Parcel:
    (item,) = items
    body, at = msgspec.json.encode(item.update), int(time.time())
    signature = hmac.new(item.secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return Parcel(body, {"content-type": "application/json", "parrot-signature": f"t={at},v1={signature}"})


PACKING: Final = Packing(pack, most=1)


class Statuses:
    """Reports on every accepted send; the port `Told` of `reports`."""

    def __init__(self, ledger: Section[Sent], accounts: Accounts, webhooks: Webhooks, tuning: Tuning) -> None:
        self._accounts = accounts
        self.reports = Reports[Sent, Step](self, ledger, webhooks, tuning)

    def resource(self, entry: Sent) -> Json:
        now = time.time()
        last = max((it for it in self.reports.plan(entry) if it.at <= now), key=lambda it: it.index, default=None)
        if last is None:
            return resource(entry, "queued", code=None, at=entry.received_at)
        return resource(entry, last.step.status, code=last.step.code, at=last.at)

    def outcome(self, entry: Sent) -> Outcome:
        return outcome_for(entry.to)

    def reply(self, entry: Sent) -> Step | None:
        return None

    def post(self, entry: Sent, planned: Planned[Step]) -> Post | None:
        account = self._accounts.get(entry.account_id)
        if account is None or entry.webhook_url is None:
            return None
        event: Json = {
            "type": f"message.{planned.step.status}",
            "created_at": int(planned.at),
            "data": resource(entry, planned.step.status, code=planned.step.code, at=planned.at),
        }
        return Post(url=entry.webhook_url, secret=account.signing_secret, packing=PACKING, update=event)

    async def answer(self, entry: Sent) -> None:
        """Nobody answers."""
