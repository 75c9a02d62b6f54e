"""One connection to a mail server: opened, encrypted, logged in, and used for one transaction after another."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, TypeVar, cast

from aiosmtplib import SMTP, SMTPException, SMTPResponseException
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse
from msgspec import Struct

from messaging.adapters.http.transport import has_ended
from messaging.adapters.providers.smtp.wire.exchange import Interrupted, Lost, Refused, Unfit
from messaging.adapters.providers.smtp.wire.replies import Reply, Stage

T = TypeVar("T")

# The library's words for a line that is no reply, and the first character of a success.
_READS_LIKE_SUCCESS: Final = "response line: 2"
# Bytes handed to the connection at a time; between two of them the server's reset can be noticed.
_PART: Final = 64 * 1024
# The content ends in a line break, which is the first half of what ends it.
_DOT: Final = b".\r\n"
_LOGIN_METHODS: Final = ("plain", "login", "cram-md5")


class Login(Struct, frozen=True, kw_only=True):
    """Who to log in as."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Login(…)"


class Manner(Struct, frozen=True, kw_only=True):
    """How to open conversations: the server's `host` is also the name that its certificate must have."""

    host: str
    security: str
    login: Login | None
    ehlo: str
    tls: ssl.SSLContext


class Conversation:
    """A connection on which transactions can be made. `used` counts them; `idle_since` is monotonic, in seconds.

    `open_transaction` tells that the last one was refused half-way, and is not called off yet.
    """

    def __init__(self, client: SMTP) -> None:
        self._client = client
        self.used = 0
        self.open_transaction = False
        self.idle_since = monotonic()

    @classmethod
    async def open(cls, manner: Manner, connect: Callable[[], Awaitable[socket.socket]]) -> "Conversation":
        """Connect by `connect`, which gives a connected socket, and get ready. Raises Interrupted."""
        sock = await connect()
        implicit = manner.security == "tls"
        client = SMTP(
            hostname=manner.host,
            sock=sock,
            local_hostname=manner.ehlo,
            use_tls=implicit,
            start_tls=False,
            tls_context=manner.tls,
            timeout=None,
        )
        try:
            await _step(Stage.CONNECT, client.connect())
            await _greet(client)
            if manner.security == "starttls":
                await _encrypt(client)
            if manner.login is not None:
                await _log_in(client, manner.login)
        except BaseException:
            if client.transport is None:
                # Nobody else has it yet, or it has been closed with the connection.
                sock.close()
            client.close()
            raise
        return cls(client)

    @property
    def largest(self) -> int | None:
        """Bytes that the server takes in one message, where it tells."""
        told = self._client.esmtp_extensions.get("size", "")
        return int(told) if told.isdecimal() and int(told) else None

    def offers(self, extension: str) -> bool:
        return self._client.supports_extension(extension)

    @property
    def has_ended(self) -> bool:
        """Whether the server has closed the connection, also if the event loop has not been told yet."""
        protocol = self._client.protocol
        return protocol is None or not protocol.is_connected or _is_over(protocol)

    async def command(self, stage: Stage, *words: bytes) -> Reply:
        """Say one command and read the answer. Raises Interrupted if there is none."""
        return _reply(await _step(stage, self._client.execute_command(*words)))

    async def require(self, stage: Stage, *words: bytes, answer: int = 2) -> Reply:
        """The same; raises Interrupted also if the answer is not of the class `answer`."""
        reply = await self.command(stage, *words)
        if reply.code // 100 != answer:
            raise Interrupted(Refused(stage=stage, reply=reply))
        return reply

    async def write_content(self, content: bytes) -> None:
        """Write content, all but the dot that ends it. Raises Interrupted: the server cannot have taken it then."""
        protocol = self._protocol(Stage.CONTENT)
        for start in range(0, len(content), _PART):
            await _step(Stage.CONTENT, _write(protocol, content[start : start + _PART]))

    async def end_content(self) -> Reply:
        """Write the final dot and read the answer. Raises Interrupted at DOT if there is none."""
        protocol = self._protocol(Stage.CONTENT)
        # Everything else has been taken by the connection, so nothing but the dot is missing now.
        await _step(Stage.CONTENT, _write(protocol, b""))
        return _reply(await _step(Stage.DOT, _dot(protocol)))

    def _protocol(self, stage: Stage) -> SMTPProtocol:
        protocol = self._client.protocol
        if protocol is None or not protocol.is_connected:
            raise Interrupted(Lost(stage=stage, reason="the server closed the connection"))
        return protocol

    def cut(self) -> None:
        """Close at once, without a word."""
        self._client.close()

    async def quit(self) -> None:
        """Take leave, and close."""
        try:
            await _step(Stage.CONNECT, self._client.quit())
        except Interrupted:
            # The server has gone first.
            self._client.close()

    async def leave(self) -> None:
        """The same; the server has a second to answer."""
        try:
            async with asyncio.timeout(1):
                await self.quit()
        except TimeoutError:
            self.cut()


async def _step(stage: Stage, doing: Awaitable[T]) -> T:
    """Do one step; whatever goes wrong with the network or the server becomes the end of the conversation."""
    try:
        return await doing
    except SMTPResponseException as error:
        raise Interrupted(_answered(stage, Reply(code=error.code, text=error.message))) from error
    except (ssl.SSLError, ssl.CertificateError) as error:
        raise Interrupted(_untrusted(error)) from error
    except (SMTPException, OSError) as error:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLError):
            raise Interrupted(_untrusted(cause)) from error
        raise Interrupted(_lost(stage, error)) from error


def _answered(stage: Stage, reply: Reply) -> Refused | Lost:
    """The end by an answer that the library did not expect. Its own code for one that is none is below all others."""
    if reply.code >= 200:
        return Refused(stage=stage, reply=reply)
    likely = _READS_LIKE_SUCCESS in reply.text
    return Lost(stage=stage, reason=reply.text[:200], likely_taken=stage is Stage.DOT and likely)


def _lost(stage: Stage, error: Exception) -> Lost:
    return Lost(stage=stage, reason=f"{type(error).__name__}: {error}"[:200])


def _untrusted(error: ssl.SSLError) -> Lost:
    """No connection: nothing is said to a server that is not who it should be."""
    said = getattr(error, "verify_message", "") or error.reason or "the handshake failed"
    return Lost(stage=Stage.TLS, code="tls_failed", reason=f"it could not be encrypted: {said}"[:200])


async def _greet(client: SMTP) -> None:
    await _step(Stage.CONNECT, client.ehlo())


async def _encrypt(client: SMTP) -> None:
    """Encrypt, or refuse: an unencrypted conversation is never a way out."""
    if not client.supports_extension("starttls"):
        reason = "The mail server does not offer STARTTLS. Use another port, or set security to tls."
        raise Interrupted(Unfit(code="starttls_not_offered", reason=reason, of_account=True))
    await _step(Stage.TLS, client.starttls())
    # What was said before is not to be trusted.
    await _greet(client)


async def _log_in(client: SMTP, login: Login) -> None:
    """Log in by one method. A refusal is not tried again by another: servers lock accounts after a few."""
    offered = next((method for method in _LOGIN_METHODS if method in client.server_auth_methods), None)
    match offered:
        case "plain":
            await _step(Stage.LOGIN, client.auth_plain(login.username, login.password))
        case "login":
            await _step(Stage.LOGIN, client.auth_login(login.username, login.password))
        case "cram-md5":
            await _step(Stage.LOGIN, client.auth_crammd5(login.username, login.password))
        case _:
            reason = "The mail server offers no login that we know (PLAIN, LOGIN, CRAM-MD5) on this connection."
            raise Interrupted(Unfit(code="login_not_offered", reason=reason, of_account=True))


async def _write(protocol: SMTPProtocol, part: bytes) -> None:
    """Write, and wait while the connection is full."""
    if not protocol.is_connected or _is_over(protocol):
        raise ConnectionResetError("the server closed the connection")
    if part:
        protocol.write(part)
        await protocol._drain_helper()


def _is_over(protocol: SMTPProtocol) -> bool:
    """Whether the server has closed the connection, also if the event loop has not been told yet."""
    return has_ended(cast(asyncio.Transport | None, protocol.transport))


async def _dot(protocol: SMTPProtocol) -> SMTPResponse:
    protocol.write(_DOT)
    return await protocol.read_response()


def _reply(response: SMTPResponse) -> Reply:
    return Reply(code=response.code, text=response.message)
