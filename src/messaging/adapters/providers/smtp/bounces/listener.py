"""Takes returned mail by SMTP: a small server that relays nothing and knows the addresses that we wrote.

Mail is answered with 250 once it is committed, with 451 while it cannot be stored, and refused for every address that
this platform did not write, or wrote too long ago. What it takes is bounded: connections, commands, bytes, time.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from messaging.adapters.providers.smtp.bounces.reader import METHOD, RETURN_PATH, query_of
from messaging.adapters.providers.smtp.bounces.return_path import Returned, has_expired, read_return_address
from messaging.application.gather import Overloaded
from messaging.application.ports.providers.webhooks import Referred, TakeWebhook
from messaging.application.ports.unit_of_work import StoreUnavailable

log = logging.getLogger(__name__)

LARGEST: Final = 4 * 1024 * 1024
# Seconds. A server that gets no answer comes back later, which is better than a connection held for ever.
_STORING, _IDLE = 15.0, 60.0
# A mail is five commands; servers send several over one connection.
_COMMANDS: Final = 200
# A line may be as long as servers make them, not as long as a caller likes.
_LINE: Final = 64 * 1024

_UNKNOWN: Final = "550 5.1.1 No such address here"
_EXPIRED: Final = "550 5.1.6 The address is no longer in use"
_ONE_AT_A_TIME: Final = "452 4.5.3 One recipient at a time"
_NOT_STORED: Final = "451 4.3.0 The mail cannot be stored now, come again later"


class ReturnedMailServer(SMTP):
    """One connection. `receiving` decides about what it is told."""

    line_length_limit = _LINE

    def __init__(self, receiving: "Receiving", *, name: str, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(
            receiving,
            hostname=name,
            ident="ESMTP",
            data_size_limit=LARGEST,
            enable_SMTPUTF8=True,
            timeout=_IDLE,
            command_call_limit=_COMMANDS,
            tls_context=tls,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
        )

    def end(self) -> None:
        # A transport of asyncio or uvloop; the latter is no subclass of the former.
        transport: Any = self.transport
        if transport is not None:
            transport.close()


class Receiving:
    """What is answered on one connection."""

    def __init__(self, take: TakeWebhook, now: Callable[[], datetime]) -> None:
        self._take = take
        self._now = now
        self._returned: Returned | None = None

    async def handle_EHLO(  # noqa: N802  # aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [line for line in responses if not line.startswith("250-AUTH")]

    async def handle_MAIL(  # noqa: N802  # aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str | None, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if envelope.rcpt_tos:
            return _ONE_AT_A_TIME
        returned = read_return_address(address)
        if returned is None:
            return _UNKNOWN
        if has_expired(returned, now=self._now()):
            return _EXPIRED
        try:
            async with asyncio.timeout(_STORING):
                known = await self._take.knows(returned.account_id, returned.reference)
        except (StoreUnavailable, Overloaded, TimeoutError) as error:
            log.warning("returned_mail.not_looked_up", extra={"error": type(error).__name__})
            return _NOT_STORED
        if not known:
            return _UNKNOWN
        self._returned = returned
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd calls it so
        returned = self._returned
        assert returned is not None, "the server asks for a recipient first"
        address, content = envelope.rcpt_tos[0].lower(), envelope.original_content or b""
        mail = Referred(
            account_id=returned.account_id,
            reference=returned.reference,
            method=METHOD,
            query=query_of(address),
            headers={RETURN_PATH: f"<{(envelope.mail_from or '').strip('<>')}>"},
            body=content,
        )
        try:
            async with asyncio.timeout(_STORING):
                stored = await self._take(mail)
        except (StoreUnavailable, Overloaded, TimeoutError) as error:
            log.warning("returned_mail.not_stored", extra={"error": type(error).__name__})
            return _NOT_STORED
        return "250 2.0.0 OK" if stored else _UNKNOWN

    async def handle_exception(self, error: Exception) -> str:
        log.error("returned_mail.failed", exc_info=error)
        return _NOT_STORED
