"""The client that sends messages through Twilio."""

from collections.abc import Awaitable, Callable

from messaging.adapters.http.client import ProviderHttp, settled
from messaging.adapters.providers.twilio import bodies, credentials
from messaging.adapters.providers.twilio.wire import verdicts
from messaging.adapters.providers.twilio.wire.rest import TwilioCalls, fits_a_header, headers
from messaging.application.ports.providers.sending import NotStarted, Outgoing
from messaging.domain.messages.retry import Rejected, SendResult, Unreachable

CONTENT_UNSUPPORTED = "content_unsupported"
_REFERENCE_BYTES = 256


class TwilioGateway:
    """Twilio behind `ProviderGateway`. `webhooks_url` is the public URL under which accounts' webhook paths lie."""

    def __init__(self, *, http: ProviderHttp, calls: TwilioCalls, webhooks_url: str) -> None:
        self._http = http
        self._calls = calls
        self._webhooks_url = webhooks_url

    async def send(self, outgoing: Outgoing, *, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        """See `ProviderGateway.send`. `may_start` is not awaited if no request can be built from the message."""
        connection = outgoing.connection
        user, password = credentials.of(connection.credentials).login(connection.external_id)
        if not fits_a_header(user, password):
            return Unreachable(
                code="credential_malformed", reason="The credentials have characters Twilio's never have."
            )
        if not bodies.is_sender(outgoing.sender_external_id):
            return Unreachable(code="sender_id_malformed", reason="The sender is none that Twilio has.")
        body = self._form(outgoing)
        if isinstance(body, bodies.Unsendable):
            return Rejected(code=CONTENT_UNSUPPORTED, reason=body.reason)
        exchange = await self._http.request(
            "POST",
            self._calls.url(connection, "Messages"),
            headers=headers(user, password),
            body=body,
            may_start=may_start,
        )
        return settled(exchange, verdicts.judge)

    def _form(self, outgoing: Outgoing) -> bytes | bodies.Unsendable:
        if not outgoing.reference.isascii() or len(outgoing.reference) > _REFERENCE_BYTES:
            raise ValueError("a reference is at most 256 ASCII characters")
        said, to = bodies.said(outgoing.content), bodies.to(outgoing.recipient)
        if isinstance(said, bodies.Unsendable):
            return said
        if isinstance(to, bodies.Unsendable):
            return to
        webhook = bodies.webhook_url(self._webhooks_url, outgoing.connection.webhook_path, outgoing.reference)
        return bodies.form(
            said, to=to, sender=outgoing.sender_external_id, webhook=webhook, valid_for=outgoing.valid_for
        )
