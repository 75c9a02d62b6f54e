"""Mails back what servers mail back, to the server that takes mail for the return path's domain."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
from aiosmtplib import SMTP, SMTPException, SMTPRecipientsRefused, SMTPResponseException

from messaging.entrypoints.sandbox.core.fates.planning import plan_steps
from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.storage.journal import Journal
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.webhooks import Item, Packing, Parcel, Webhooks, step_mark
from messaging.entrypoints.sandbox.smtp.outcomes import Outcome, outcome_for
from messaging.entrypoints.sandbox.smtp.returned import Taken, write
from messaging.entrypoints.sandbox.smtp.sent import Sent, body_of

_KIND: Final = "smtp.exchangers"
_ENVELOPE_SENDER: Final = "return-path"


class Exchangers:
    """Where mail to a domain is taken: `host:port` by domain, and under `*` for all others."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.known: dict[str, str] = {}
        for value in journal.values(_KIND):
            self.known = msgspec.json.decode(value, type=dict[str, str])

    def put(self, known: dict[str, str]) -> None:
        self.known = known
        self._journal.put(_KIND, "", known)

    def of(self, address: str) -> str | None:
        return self.known.get(address.rpartition("@")[2].lower()) or self.known.get("*")


class Mailing:
    """Sends returned mail by the engine of all look-alikes, which tries again, and goes on after a restart."""

    def __init__(self, ledger: Section[Sent], webhooks: Webhooks, exchangers: Exchangers, tuning: Tuning) -> None:
        self._ledger = ledger
        self._webhooks = webhooks
        self._exchangers = exchangers
        self._tuning = tuning
        self._packing = Packing[bytes](_pack, most=1, carry=self._carry, is_refusal=_is_refusal)

    def schedule(self, entry: Sent) -> None:
        """Mail back what the recipient's outcome says, one after the other."""
        outcome = outcome_for(entry.to)
        for planned in plan_steps(entry.n, outcome.returns, self._tuning.current, start=entry.received_at):
            if not self._ledger.is_settled(entry.n, planned.index):
                self._webhooks.at(planned.at, partial(self._put, entry, outcome, planned.index))

    def resume(self) -> None:
        for entry in self._ledger.entries():
            self.schedule(entry)

    def _put(self, entry: Sent, outcome: Outcome, step: int) -> None:
        mark = step_mark(entry.n, step)
        if not entry.return_path or self._exchangers.of(entry.return_path) is None:
            self._ledger.settle(entry.n, step)
            self._webhooks.settle_unsent([mark], "no server takes mail for the return path")
            return
        body = body_of(entry)
        taken = Taken(
            return_path=entry.return_path,
            recipient=entry.to,
            subject=body.subject,
            message_id=entry.message_id,
            headers=body.headers,
        )
        sender, mail = write(outcome.returns[step], taken, outcome)
        self._webhooks.put(
            Item(
                url=f"mailto:{entry.return_path}",
                secret=sender,
                packing=self._packing,
                update=mail,
                marks=(mark,),
                settled=lambda: self._ledger.settle(entry.n, step),
            )
        )

    async def _carry(self, url: str, parcel: Parcel) -> int:
        """Hand one mail over; 200 if it was taken, else the code of the refusal."""
        address = url.removeprefix("mailto:")
        host, _, port = (self._exchangers.of(address) or "").rpartition(":")
        client = SMTP(hostname=host, port=int(port or 0), start_tls=False, local_hostname="mx.sandbox.test", timeout=10)
        try:
            await client.connect()
            await client.sendmail(parcel.headers[_ENVELOPE_SENDER], [address], parcel.body)
            await client.quit()
        except SMTPRecipientsRefused as error:
            return error.recipients[0].code
        except SMTPResponseException as error:
            return error.code
        except SMTPException as error:
            raise OSError(str(error)) from error
        finally:
            client.close()
        return 200


def _is_refusal(code: int) -> bool:
    """A reply that begins with 5 is final (RFC 5321, 4.2.1)."""
    return 500 <= code < 600


def _pack(items: Sequence[Item[bytes]]) -> Parcel:
    (item,) = items
    return Parcel(item.update, {_ENVELOPE_SENDER: item.secret})
