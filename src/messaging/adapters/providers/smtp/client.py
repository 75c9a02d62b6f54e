"""The SMTP client: sends one message to one recipient in one transaction, through the account's own mail server."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from time import monotonic
from typing import Final, cast

from msgspec import Struct

from messaging.adapters.providers.smtp import mime
from messaging.adapters.providers.smtp.bounces.return_path import return_address
from messaging.adapters.providers.smtp.credentials import SmtpCredentials
from messaging.adapters.providers.smtp.header_lines import HeaderRefused
from messaging.adapters.providers.smtp.opening import Opening
from messaging.adapters.providers.smtp.settings import SmtpSettings
from messaging.adapters.providers.smtp.wire.addresses import for_envelope
from messaging.adapters.providers.smtp.wire.pool import Pool, PoolTerms
from messaging.adapters.providers.smtp.wire.transaction import Envelope
from messaging.adapters.providers.smtp.wire.verdicts import judge
from messaging.application.ports.providers.sending import NotStarted, Outgoing
from messaging.domain.channels.address import EmailAddress
from messaging.domain.content.email import Email
from messaging.domain.messages.retry import Rejected, Scope, SendResult
from messaging.domain.shared.mode import Mode

# Pools of accounts that have sent nothing for so long are closed.
_POOL_SECONDS: Final = 300.0


class _Account(Struct, frozen=True):
    """What tells pools apart: an account with other credentials is another."""

    mode: Mode
    host: str
    credentials: SmtpCredentials


class SmtpGateway:
    """SMTP behind `ProviderGateway`. Accounts of a mode in `sandboxes` send there, others through their own host."""

    def __init__(self, *, settings: SmtpSettings, open: Opening, now: Callable[[], datetime], terms: PoolTerms) -> None:
        self._settings = settings
        self._open = open
        self._now = now
        self._terms = terms
        self._pools: OrderedDict[_Account, Pool] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    async def send(self, outgoing: Outgoing, *, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        """See `ProviderGateway.send`. `may_start` is awaited when the server awaits the content."""
        recipient, content = outgoing.recipient, outgoing.content
        if not isinstance(recipient, EmailAddress) or not isinstance(content, Email):
            return Rejected(code="content_unsupported", reason="SMTP carries e-mails to e-mail addresses only.")
        credentials = cast(SmtpCredentials, outgoing.connection.credentials)
        envelope = self._envelope(outgoing, recipient, credentials)
        if isinstance(envelope, Rejected):
            return envelope
        try:
            rendered = self._render(outgoing, recipient, content, international=envelope.international)
        except HeaderRefused as refused:
            return Rejected(code="header_refused", reason=str(refused))
        pool = self._pool(_Account(outgoing.connection.mode, outgoing.connection.external_id, credentials))
        exchange = await pool.send(envelope, rendered, may_start)
        return judge(exchange, mime.message_id(outgoing.reference, outgoing.sender_address))

    def _envelope(
        self, outgoing: Outgoing, recipient: EmailAddress, credentials: SmtpCredentials
    ) -> Envelope | Rejected:
        sender, to = for_envelope(outgoing.sender_address), for_envelope(recipient.value)
        if sender is None:
            return Rejected(code="sender_invalid", reason="The sender is not an e-mail address.", scope=Scope.SENDER)
        if to is None:
            return Rejected(code="recipient_invalid", reason="Not an e-mail address.", scope=Scope.RECIPIENT)
        international = not (sender.isascii() and to.isascii())
        return Envelope(
            sender=self._return_path(outgoing, credentials) or sender, recipient=to, international=international
        )

    def _return_path(self, outgoing: Outgoing, credentials: SmtpCredentials) -> str | None:
        domain = credentials.return_domain or self._settings.return_domain
        account_id = outgoing.connection.account_id
        return return_address(account_id, outgoing.reference, domain) if domain and account_id else None

    def _render(self, outgoing: Outgoing, recipient: EmailAddress, content: Email, *, international: bool) -> bytes:
        return mime.render(
            content,
            sender=outgoing.sender_address,
            sender_name=outgoing.sender_name,
            recipient=recipient.value,
            reference=outgoing.reference,
            at=self._now(),
            international=international,
        )

    def _pool(self, account: _Account) -> Pool:
        if (pool := self._pools.get(account)) is None:
            pool = self._pools[account] = Pool(
                lambda: self._open(account.mode, account.host, account.credentials), self._terms
            )
        self._pools.move_to_end(account)
        self._drop_unused()
        return pool

    def _drop_unused(self) -> None:
        """Close the pools that nothing was sent through lately; the one used longest ago comes first."""
        while self._pools:
            account, pool = next(iter(self._pools.items()))
            if monotonic() - pool.last_used < _POOL_SECONDS:
                return
            del self._pools[account]
            task = asyncio.create_task(pool.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Close all connections. No send may be under way."""
        pools = list(self._pools.values())
        self._pools.clear()
        await asyncio.gather(*(pool.aclose() for pool in pools), *self._closing)
