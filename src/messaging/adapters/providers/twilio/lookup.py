"""Asks Twilio what became of one message: by its SID, or by what was sent if the answer to the send was lost."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from messaging.adapters.providers.twilio import bodies
from messaging.adapters.providers.twilio.wire import statuses
from messaging.adapters.providers.twilio.wire.fields import Json, instant, text, whole
from messaging.adapters.providers.twilio.wire.rest import TwilioCalls
from messaging.application.ports.providers.lookup import Sought
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.domain.messages.receipts import Receipt, ReceiptKind

# Clocks of the platform and of Twilio may differ by this much.
_BEFORE = timedelta(minutes=1)
# Longest time from the start of a send to the message's creation at Twilio: the time limits of a request, and clocks.
_AFTER = timedelta(minutes=3)
# The list of messages from one sender to one person: more pages than one can be sent in the time looked at.
_MOST_PAGES = 10


class TwilioLookup:
    """The port `StatusLookup`."""

    def __init__(self, calls: TwilioCalls) -> None:
        self._calls = calls

    async def history(
        self, connection: Connection, sender_external_id: str, provider_message_id: str
    ) -> Sequence[Receipt]:
        if not provider_message_id.isalnum() or not provider_message_id.isascii():
            raise ProviderRefused("provider_refused", "A SID of Twilio's is made of letters and digits only.")
        """The message's present status, where it says more than that Twilio has the message."""
        node = await self._calls.get(connection, f"Messages/{provider_message_id}")
        receipt = _receipt(node, sender_external_id)
        return [] if receipt.kind is ReceiptKind.OTHER else [receipt]

    async def find(self, connection: Connection, sought: Sought) -> Sequence[Receipt]:
        """The receipts of the one message that was created at that time with this sender, recipient and content.

        Twilio does not repeat our reference when it is asked. So two messages that could be it prove nothing:
        ProviderUnavailable is raised, for it cannot be told.
        """
        said, to = bodies.said(sought.content), bodies.to(sought.recipient)
        if isinstance(said, bodies.Unsendable) or isinstance(to, bodies.Unsendable):
            return []
        found = [node async for node in self._created(connection, sought, to) if _is_it(node, sought, said)]
        if len(found) > 1:
            raise ProviderUnavailable(
                "provider_unavailable",
                f"Twilio has {len(found)} messages that could be this one; none can be told apart.",
            )
        return [_receipt(node, sought.sender_external_id, sought.reference) for node in found]

    async def _created(self, connection: Connection, sought: Sought, to: str) -> AsyncIterator[Json]:
        """The messages to the person that were created about when the send began. Twilio lists the newest first.

        They are chosen here by their date of creation, as Twilio's own filter is by the date of sending, which a
        queued message does not have yet.
        """
        query = {"To": to}
        if not bodies.is_service(sought.sender_external_id):
            query["From"] = sought.sender_external_id
        earliest, latest = sought.started_at - _BEFORE, sought.started_at + _AFTER
        async for page in self._calls.pages(connection, "Messages", "messages", query, most=_MOST_PAGES):
            dated = [(instant(node, "date_created"), node) for node in page]
            for at, node in dated:
                if at is None or earliest <= at <= latest:
                    yield node
            if dated and all(at is not None and at < earliest for at, _ in dated):
                return


def _is_it(node: Json, sought: Sought, said: bodies.Said) -> bool:
    sender = sought.sender_external_id
    from_ = "messaging_service_sid" if bodies.is_service(sender) else "from"
    return (
        text(node, "direction") == "outbound-api"
        and text(node, "to") == sought.recipient.value
        and text(node, from_) == sender
        and bodies.is_same_text(said.body, text(node, "body"))
        and (whole(node.get("num_media")) or 0) == len(said.media)
    )


def _receipt(node: Json, sender_external_id: str, reference: str | None = None) -> Receipt:
    """The receipt for the status that the message has now. It has no more than that: earlier ones are implied."""
    status = text(node, "status")
    return statuses.receipt(
        statuses.Told(
            sid=text(node, "sid"),
            status=status,
            sender=sender_external_id,
            at=instant(node, "date_sent" if status == "sent" else "date_updated"),
            reference=reference,
            code=node.get("error_code"),
            explanation=text(node, "error_message"),
        )
    )
