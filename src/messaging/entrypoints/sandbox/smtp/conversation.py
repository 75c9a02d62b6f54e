"""The SMTP side of the look-alike: aiosmtpd's server, made to misbehave on purpose."""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from msgspec import Struct

from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.smtp.outcomes import Mode, Outcome, Point, outcome_for

LARGEST: Final = 35 * 1024 * 1024
HOST_NAME: Final = "mx.sandbox.test"
# What a login with this name or password meets.
WRONG: Final = "wrong"


class Mail(Struct, frozen=True, kw_only=True):
    """A message as it came over the wire."""

    sender: str
    recipient: str
    content: bytes
    login: str | None


class Plan(Struct, frozen=True, kw_only=True):
    """What happens to the message under way."""

    outcome: Outcome
    refusal: str | None = None
    point: Point = Point.RCPT
    mode: Mode | None = None
    seconds: float | None = None
    """How long a slow answer takes, or what hangs; None leaves it to the settings."""


# The content's end, and a dot that was doubled because it begins a line.
_END: Final = b"\r\n.\r\n"
_DOT: Final = re.compile(rb"\r\n\.")
_PLAIN_PATH: Final = re.compile(r"<([A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]+)>(.*)")


class Misbehaving(SMTP):
    """A server whose handler may break the conversation off.

    It reads a content in one piece, and plain addresses without a grammar, because it has to keep up with a worker.
    Lines may be of any length, as at most large servers.
    """

    event_handler: "Conversing"
    line_length_limit = LARGEST + 64 * 1024

    def end(self) -> None:
        """End the connection, if there still is one."""
        transport: Any = self.transport
        # Closed before, a TLS transport of Python 3.11.2 has nothing left to abort.
        if transport is not None and not transport.is_closing():
            transport.abort()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        plain = _PLAIN_PATH.fullmatch(arg)
        return super()._getaddr(arg) if plain is None else (plain[1], plain[2].strip())

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802  # aiosmtpd calls it so
        envelope, plan = self.envelope, self.event_handler.plan
        if plan is None or arg or envelope is None or not envelope.rcpt_tos:
            await super().smtp_DATA(arg)
            return
        # An empty content has the line break before its final dot, too.
        self._reader.feed_data(b"\r\n")
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        if plan.mode in (Mode.LOST_BEFORE, Mode.LOST_IN_CONTENT):
            await self._break_off(plan.mode)
        content = _DOT.sub(b"\r\n", (await self._reader.readuntil(_END))[:-3])[2:]
        if self.data_size_limit and len(content) > self.data_size_limit:
            status = "552 5.3.4 Message size exceeds fixed limit"
        else:
            envelope.content = envelope.original_content = content
            status = await self._call_handler_hook("DATA")
        self.envelope = self._create_envelope()
        await self.push(status)

    async def _break_off(self, mode: Mode) -> None:
        if mode is Mode.LOST_IN_CONTENT:
            await self._reader.readexactly(3)
        await cut(self, reset=mode is Mode.LOST_IN_CONTENT)


class Conversing:
    """The handler of one connection: aiosmtpd calls it step by step.

    `plan` says what happens to a message from a sender to a recipient, `take` stores one and gives its id in the queue,
    and `stopping` ends what hangs.
    """

    def __init__(
        self,
        *,
        plan: Callable[[str, str], Plan],
        take: Callable[[Mail], Awaitable[str]],
        tuning: Tuning,
        stopping: asyncio.Event,
    ) -> None:
        self.plan: Plan | None = None
        self._plan = plan
        self._take = take
        self._tuning = tuning
        self._stopping = stopping

    async def handle_MAIL(  # noqa: N802  # aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.plan = None
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        plan = self._plan(envelope.mail_from or "", address)
        if plan.mode is Mode.HANG_BEFORE:
            await self._hang(server, plan)
        if plan.mode is Mode.CLOSING:
            cut_soon(server)
            return "421 4.3.2 Service closing"
        if plan.refusal is not None and plan.point is Point.RCPT:
            if plan.refusal.startswith("421"):
                cut_soon(server)
            return plan.refusal
        self.plan = plan
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd calls it so
        plan = self.plan or Plan(outcome=outcome_for(""))
        if plan.refusal is not None:
            return plan.refusal
        queued = ""
        for recipient in envelope.rcpt_tos:
            mail = Mail(
                sender=envelope.mail_from or "",
                recipient=recipient,
                content=envelope.original_content or b"",
                login=_login(session),
            )
            queued = await self._take(mail)
        return await self._answer(server, plan, queued)

    async def _answer(self, server: SMTP, plan: Plan, queued: str) -> str:
        match plan.mode:
            case Mode.LOST_AFTER:
                await cut(server, reset=False)
            case Mode.HANG_AFTER:
                await self._hang(server, plan)
            case Mode.SLOW:
                await asyncio.sleep(plan.seconds or self._tuning.current.slow_ms / 1000)
            case Mode.GARBLED:
                return "what a nice message"
            case _:
                pass
        return f"250 2.0.0 OK: queued as {queued}"

    async def _hang(self, server: SMTP, plan: Plan) -> None:
        """Until the caller has left, the time is over, or the sandbox stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(plan.seconds or self._tuning.current.hang_max_ms / 1000):
                await self._stopping.wait()
        await cut(server, reset=False)

    async def handle_exception(self, error: Exception) -> str:
        return "451 4.3.0 The sandbox cannot write its ledger; look at its disk"


def check_login(server: Any, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword) -> AuthResult:
    """Any login is right but those that say of themselves that they are wrong."""
    name, password = data.login.decode("utf-8", "replace"), data.password.decode("utf-8", "replace")
    right = WRONG not in (name.partition("@")[0], password)
    return AuthResult(success=right, handled=False, auth_data=name)


def _login(session: Session) -> str | None:
    name: Any = session.auth_data
    return name if session.authenticated and isinstance(name, str) else None


async def cut(server: SMTP, *, reset: bool) -> None:
    """End the connection; `reset` makes the kernel send RST instead of FIN. It does not return: the server's own task
    ends with the connection.
    """
    # A transport of asyncio or uvloop; the latter is no subclass of the former.
    transport: Any = server.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if reset and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    await asyncio.Event().wait()


def cut_soon(server: SMTP) -> None:
    """End the connection after the answer that is about to be given, which is written before the loop turns."""
    transport: Any = server.transport
    if transport is not None:
        asyncio.get_running_loop().call_soon(transport.close)
