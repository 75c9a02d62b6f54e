"""Asks Parrot what became of one message."""

from collections.abc import Sequence
from typing import Any

import msgspec

from messaging.adapters.http.client import ProviderHttp, Reply
from messaging.application.ports.providers.lookup import Sought
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from tests.conformance.parrot.adapter.client import ParrotUrls, headers, read_error
from tests.conformance.parrot.adapter.statuses import instant, receipt


class ParrotLookup:
    """The port `StatusLookup`."""

    def __init__(self, *, http: ProviderHttp, urls: ParrotUrls) -> None:
        self._http = http
        self._urls = urls

    async def history(
        self, connection: Connection, sender_external_id: str, provider_message_id: str
    ) -> Sequence[Receipt]:
        if not provider_message_id.replace("_", "").isalnum() or not provider_message_id.isascii():
            raise ProviderRefused("provider_refused", "An id of Parrot's is made of letters, digits and _.")
        url = self._urls.messages(connection, provider_message_id)
        reply = await self._http.request("GET", url, headers=headers(connection))
        if not isinstance(reply, Reply) or reply.body is None:
            raise ProviderUnavailable("provider_unavailable", "Parrot could not be reached.")
        if reply.status != 200:
            error = read_error(reply.body)
            if error is None or reply.status >= 500 or reply.status == 429:
                raise ProviderUnavailable("provider_unavailable", f"Parrot answered HTTP {reply.status}.")
            raise ProviderRefused("provider_refused", error.code)
        found = receipt(node := _read(reply.body), instant(node.get("updated_at")))
        return [] if found.kind is ReceiptKind.OTHER else [found]

    async def find(self, connection: Connection, sought: Sought) -> Sequence[Receipt]:
        raise ProviderRefused("provider_refused", "Parrot cannot be asked for a message without its id.")


def _read(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderUnavailable("provider_unavailable", "Parrot's answer is not a JSON object.") from error
