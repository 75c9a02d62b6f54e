"""Listens for SMTP on behalf of the look-alike."""

import asyncio
import contextlib
import logging
import ssl
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Final

from messaging.entrypoints.sandbox.smtp.conversation import HOST_NAME, LARGEST, Conversing, Misbehaving, check_login

_IDLE_SECONDS: Final = 300.0
# The library logs every command, addresses included.
logging.getLogger("mail.log").setLevel(logging.ERROR)


@contextlib.asynccontextmanager
async def listening(
    converse: Callable[[], Conversing],
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    implicit_tls: bool = False,
    international: bool = True,
    largest: int = LARGEST,
) -> AsyncIterator[int]:
    """A mail server for the length of the block; yields its port. Port 0 picks a free one.

    `tls` offers STARTTLS, and login only after it; with `implicit_tls` connections are encrypted from the first byte.
    Without it a login is offered in the clear, as a sandbox on one's own machine may.
    """

    open_ones: weakref.WeakSet[Misbehaving] = weakref.WeakSet()

    def connected() -> Misbehaving:
        conversation = Misbehaving(
            converse(),
            hostname=HOST_NAME,
            ident="Sandbox",
            data_size_limit=largest,
            enable_SMTPUTF8=international,
            timeout=_IDLE_SECONDS,
            tls_context=None if implicit_tls else tls,
            require_starttls=tls is not None and not implicit_tls,
            auth_require_tls=tls is not None and not implicit_tls,
            authenticator=check_login,
        )
        open_ones.add(conversation)
        return conversation

    server = await asyncio.get_running_loop().create_server(connected, host, port, ssl=tls if implicit_tls else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for conversation in open_ones:
            conversation.end()
        await server.wait_closed()
