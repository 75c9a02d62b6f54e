"""Lists the senders of an account: phone numbers, short codes and Messaging Services."""

from collections.abc import Sequence
from typing import Final

from messaging.adapters.providers.twilio.throughput import LONG_CODE, SHORT_CODE, TOLL_FREE
from messaging.adapters.providers.twilio.wire.fields import Json, mapping, text
from messaging.adapters.providers.twilio.wire.rest import TwilioCalls
from messaging.application.ports.providers.numbers import ProviderNumber
from messaging.application.ports.providers.sending import Connection

_MOST_PAGES = 50
_TOLL_FREE: Final = ("+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888")
# What `ProviderNumber.status` is called for a number that can send.
CONNECTED: Final = "CONNECTED"


class TwilioNumbers:
    """The port `NumberDirectory`. Names as senders are registered nowhere, so they are not listed."""

    def __init__(self, calls: TwilioCalls) -> None:
        self._calls = calls

    async def list_numbers(self, connection: Connection) -> Sequence[ProviderNumber]:
        numbers = [_number(node) for node in await self.nodes(connection)]
        codes = [
            _short_code(node)
            async for page in self._calls.pages(connection, "SMS/ShortCodes", "short_codes", {}, most=_MOST_PAGES)
            for node in page
        ]
        services = [
            _service(node) async for page in self._calls.service_pages(connection, most=_MOST_PAGES) for node in page
        ]
        return [number for number in (*numbers, *codes, *services) if number.external_id]

    async def nodes(self, connection: Connection) -> list[Json]:
        """The account's phone numbers, as Twilio describes them."""
        resource, member = "IncomingPhoneNumbers", "incoming_phone_numbers"
        return [
            node
            async for page in self._calls.pages(connection, resource, member, {}, most=_MOST_PAGES)
            for node in page
        ]


def sends_sms(node: Json) -> bool:
    capabilities = mapping(node.get("capabilities"))
    return capabilities.get("sms") is True or capabilities.get("SMS") is True


def _number(node: Json) -> ProviderNumber:
    number = text(node, "phone_number")
    return ProviderNumber(
        external_id=number,
        address=number,
        name=text(node, "friendly_name"),
        per_second=TOLL_FREE if number.startswith(_TOLL_FREE) else LONG_CODE,
        status=CONNECTED if sends_sms(node) else "NO_SMS",
    )


def _short_code(node: Json) -> ProviderNumber:
    code = text(node, "short_code")
    name = text(node, "friendly_name")
    return ProviderNumber(external_id=code, address=code, name=name, per_second=SHORT_CODE, status=CONNECTED)


def _service(node: Json) -> ProviderNumber:
    """A Messaging Service. It has no address of its own: recipients see the number that it chooses."""
    name = text(node, "friendly_name")
    return ProviderNumber(external_id=text(node, "sid"), address="", name=name, per_second=LONG_CODE, status=CONNECTED)
