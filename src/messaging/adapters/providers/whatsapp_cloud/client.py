"""The Cloud API client: sends messages, and keeps templates and phone numbers in step with Meta."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from messaging.adapters.http.client import ProviderHttp, settled
from messaging.adapters.providers.whatsapp_cloud.bodies import send_body
from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.adapters.providers.whatsapp_cloud.history import read_history
from messaging.adapters.providers.whatsapp_cloud.templates import definitions
from messaging.adapters.providers.whatsapp_cloud.wire import verdicts
from messaging.adapters.providers.whatsapp_cloud.wire.graph import GraphCalls, fits_a_header, headers, is_id
from messaging.application.ports.providers.lookup import Sought
from messaging.application.ports.providers.numbers import ProviderNumber
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import Connection, NotStarted, Outgoing
from messaging.application.ports.providers.templates import ProviderTemplate
from messaging.domain.messages.receipts import Receipt
from messaging.domain.messages.retry import Rejected, SendResult, Unreachable
from messaging.domain.templates.template import Template

_REFERENCE_BYTES = 256
_TEMPLATES, _NUMBERS = "message_templates", "phone_numbers"
_TEMPLATE_FIELDS = "id,name,language,status,category,parameter_format,components,quality_score,rejected_reason"
_HISTORY_FIELDS = "id,message_id,events{delivery_status,timestamp,error_description}"
_NUMBER_FIELDS = "id,display_phone_number,verified_name,status,throughput,is_on_biz_app,platform_type"
# Messages per second, in and out together (Meta, "Throughput", 2026). A number that is also used in the WhatsApp
# Business app has the fixed rate _SHARED.
_STANDARD, _HIGH, _SHARED = 80, 1000, 20


class WhatsAppCloudGateway:
    """The Cloud API behind the ports of sending, look-up, templates and numbers.

    Connections in test mode go to the sandbox, those in live mode to Meta.
    """

    def __init__(self, *, http: ProviderHttp, graph: GraphCalls) -> None:
        self._http = http
        self._graph = graph

    async def send(self, outgoing: Outgoing, *, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        """See `ProviderGateway.send`. `may_start` is not awaited if no request can be built from the message."""
        secrets = outgoing.connection.credentials
        assert isinstance(secrets, Credentials)
        token = secrets.access_token
        if not fits_a_header(token):
            return Unreachable(code="credential_malformed", reason="The access token has characters that no token has.")
        if not is_id(outgoing.sender_external_id):
            return Unreachable(code="sender_id_malformed", reason="The sender's id at Meta is not made of digits only.")
        if not outgoing.reference.isascii() or len(outgoing.reference) > _REFERENCE_BYTES:
            raise ValueError("a reference is at most 256 ASCII characters")
        if (body := send_body(outgoing)) is None:
            return Rejected(code="content_unsupported", reason="WhatsApp has no such content or recipient.")
        exchange = await self._http.request(
            "POST",
            self._graph.url(outgoing.connection, outgoing.sender_external_id, "messages"),
            headers=headers(token),
            body=body,
            may_start=may_start,
        )
        return settled(exchange, verdicts.judge)

    async def history(
        self, connection: Connection, sender_external_id: str, provider_message_id: str
    ) -> Sequence[Receipt]:
        """Meta's `message_history`, which only its OpenAPI description documents (2026): off unless switched on.

        Its answer contains neither the recipient nor our own reference, so it helps only for messages whose id at Meta
        is known.
        """
        query = urlencode({"message_id": provider_message_id, "fields": _HISTORY_FIELDS})
        url = f"{self._graph.url(connection, sender_external_id, 'message_history')}?{query}"
        return read_history(await self._graph.call(connection, "GET", url), sender_external_id, provider_message_id)

    async def find(self, connection: Connection, sought: Sought) -> Sequence[Receipt]:
        """Meta tells nothing of a message whose id is not known: `Capabilities.can_find` is False."""
        raise ProviderRefused("provider_refused", "Meta has no way to find a message by what was sent.")

    async def list_templates(self, connection: Connection) -> Sequence[ProviderTemplate]:
        nodes = await self._graph.pages(connection, _TEMPLATES, _TEMPLATE_FIELDS)
        return [template for node in nodes if (template := definitions.read_template(node)) is not None]

    async def create_template(self, connection: Connection, template: Template) -> ProviderTemplate:
        body = msgspec.json.encode(definitions.creation_body(template))
        created = await self._graph.call(
            connection, "POST", self._graph.url(connection, connection.external_id, _TEMPLATES), body
        )
        category, status = created.get("category"), created.get("status")
        answer = {
            "id": created.get("id"),
            "name": template.name,
            "language": template.language,
            "category": category if isinstance(category, str) else template.category.value,
            "status": status if isinstance(status, str) else "PENDING",
        }
        if (read := definitions.read_template(answer)) is None:
            raise ProviderUnavailable("provider_unavailable", "Meta accepted the template, but answered without an id.")
        return msgspec.structs.replace(
            read, parameter_format=template.parameter_format, components=template.components, unsupported=()
        )

    async def list_numbers(self, connection: Connection) -> Sequence[ProviderNumber]:
        nodes = await self._graph.pages(connection, _NUMBERS, _NUMBER_FIELDS)
        return [number for node in nodes if (number := _read_number(node)) is not None]


def _read_number(node: Any) -> ProviderNumber | None:
    if not isinstance(node, dict) or not node.get("id"):
        return None
    digits = "".join(c for c in str(node.get("display_phone_number") or "") if c in "0123456789")
    name = node.get("verified_name")
    return ProviderNumber(
        external_id=str(node["id"]),
        address=f"+{digits}" if digits else "",
        name=name if isinstance(name, str) else "",
        per_second=_throughput(node),
        status=str(node.get("status") or "UNKNOWN"),
    )


def _throughput(node: dict[str, Any]) -> int:
    if node.get("is_on_biz_app") is True and node.get("platform_type") == "CLOUD_API":
        return _SHARED
    throughput = node.get("throughput")
    level = throughput.get("level") if isinstance(throughput, dict) else None
    return _HIGH if level == "HIGH" else _STANDARD
