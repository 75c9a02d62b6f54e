"""Reads returned mail into receipts and events. It comes by SMTP, to an address that tells which message it is about.

A failure reported for the address is a failed receipt, also for a message whose sending had an unclear outcome: it
proves that the server had taken it. A report that a recipient's server did take the message is a delivered receipt.
Delays, complaints, automatic answers and mail that no program understands are events.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, assert_never
from urllib.parse import parse_qs, urlencode, urlsplit

from msgspec import Struct

from messaging.adapters.providers.smtp.bounces.reports import (
    Action,
    AutoReply,
    Complaint,
    DeliveryReport,
    OtherMail,
    RecipientReport,
    ReturnedMail,
    read_mail,
)
from messaging.adapters.providers.smtp.bounces.return_path import Returned, read_return_address
from messaging.adapters.providers.smtp.wire.verdicts import without_addresses
from messaging.application.ports.providers.webhooks import (
    Acknowledgement,
    MalformedWebhook,
    OtherEvent,
    WebhookEvent,
    WebhookRequest,
)
from messaging.domain.messages.receipts import Fact, ProviderError, Receipt, ReceiptKind

METHOD: Final = "SMTP"
_ADDRESS: Final = "to"
# The envelope's sender, as the last server writes it into the mail (RFC 5321, 4.4).
RETURN_PATH: Final = "return-path"
_KINDS: Final = {Action.FAILED: ReceiptKind.FAILED, Action.DELIVERED: ReceiptKind.DELIVERED}


class SmtpWebhookReader:
    """The port `WebhookReader` for returned mail."""

    kinds = frozenset({"delayed", "relayed", "expanded", "complaint", "auto_reply", "returned_mail", "reply"})
    kept_headers = frozenset({RETURN_PATH})
    acknowledgement = Acknowledgement()

    def handshake(self, request: WebhookRequest, credentials: Struct) -> str | None:
        return None

    async def verify(self, request: WebhookRequest, credentials: Struct, *, now: datetime) -> bool:
        """Nothing genuine comes by HTTP. What comes by SMTP is proven by the reference in its address."""
        return False

    def read(self, request: WebhookRequest, *, received_at: datetime) -> Sequence[WebhookEvent]:
        to = parse_qs(urlsplit(request.url).query).get(_ADDRESS, [""])[0]
        returned = read_return_address(to) if request.method == METHOD else None
        if returned is None:
            raise MalformedWebhook("the address names no message")
        mail = read_mail(request.body, return_path=request.headers.get(RETURN_PATH, ""))
        return list(_events(mail, returned, received_at))


def query_of(address: str) -> str:
    """How the URL of a stored mail names the address that it came to."""
    return urlencode({_ADDRESS: address})


def _events(mail: ReturnedMail, returned: Returned, received_at: datetime) -> Iterator[WebhookEvent]:
    at = mail.at or received_at
    match mail:
        case DeliveryReport(recipients=()):
            yield _other("returned_mail", returned, at)
        case DeliveryReport(recipients=recipients, message_id=message_id):
            # An id of another form is not of a message of ours.
            ours = message_id if message_id.startswith(f"<{returned.reference}@") else ""
            for report in recipients:
                yield _reported(report, returned, at, ours)
        case Complaint(feedback=feedback):
            yield _other("complaint", returned, at, {"feedback_type": feedback})
        case AutoReply():
            yield _other("auto_reply", returned, at)
        case OtherMail(by_server=by_server):
            yield _other("returned_mail" if by_server else "reply", returned, at)
        case _:
            assert_never(mail)


def _reported(report: RecipientReport, returned: Returned, at: datetime, message_id: str) -> WebhookEvent:
    reason = without_addresses(report.diagnostic)
    kind = _KINDS.get(report.action)
    if kind is None:
        return _other(report.action.value, returned, at, {"status": report.status, "reason": reason})
    error = None
    if kind is ReceiptKind.FAILED:
        error = ProviderError(code=report.status or "bounced", reason=reason or "Returned without an explanation.")
    facts: tuple[Fact, ...] = (("status", report.status),) if report.status else ()
    return Receipt(
        kind=kind,
        sender_external_id="",
        provider_message_id=message_id,
        occurred_at=at,
        reference=returned.reference,
        error=error,
        facts=facts,
    )


def _other(kind: str, returned: Returned, at: datetime, told: Mapping[str, Any] | None = None) -> OtherEvent:
    return OtherEvent(kind=kind, payload={"reference": returned.reference, **(told or {})}, occurred_at=at)
