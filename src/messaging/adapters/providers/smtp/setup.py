"""Checks an account at its mail server: connects, encrypts and logs in as a send would, and says what is wrong."""

import asyncio
from collections.abc import Iterator
from typing import Final, cast

from msgspec.structs import replace

from messaging.adapters.providers.smtp.credentials import SmtpCredentials
from messaging.adapters.providers.smtp.opening import Opening
from messaging.adapters.providers.smtp.wire.conversation import Conversation
from messaging.adapters.providers.smtp.wire.exchange import Interrupted, Lost, Refused, Unfit
from messaging.adapters.providers.smtp.wire.replies import Stage
from messaging.adapters.providers.smtp.wire.verdicts import explained
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.setup import Finding, Inspection

# Seconds for all of it, as for everything up to the content of a send.
_PATIENCE: Final = 20.0
# The port on which mail servers expect TLS from the first byte.
_TLS_PORT: Final = 465


class SmtpSetup:
    """The port `AccountSetup`. A mail server lists no senders, posts nothing and registers nothing."""

    def __init__(self, open: Opening, *, patience: float = _PATIENCE) -> None:
        self._open = open
        self._patience = patience

    async def inspect(self, connection: Connection) -> Inspection:
        known = cast(SmtpCredentials, connection.credentials)
        half = tuple(_half_a_login(known))
        # With half a login the server can be looked at all the same.
        used = replace(known, username=None, password=None) if half else known
        where = self._open.place(connection.mode, connection.external_id, known)
        try:
            async with asyncio.timeout(self._patience):
                conversation = await self._open(connection.mode, connection.external_id, used)
        except TimeoutError:
            return Inspection(findings=(_silent(where, known), *half))
        except Interrupted as interrupted:
            return Inspection(findings=(*_about(interrupted.end, where, known), *half))
        server = _answers(where, conversation)
        await conversation.leave()
        return Inspection(findings=(server, *(half or (_accepted(known),))))

    async def subscribe(self, connection: Connection, *, webhook_url: str | None) -> None:
        detail = "A mail server posts no webhooks. What comes back is mail: see docs/connect-smtp.md."
        raise ProviderRefused("provider_refused", detail)

    async def register_number(self, connection: Connection, external_id: str, pin: str) -> None:
        raise ProviderRefused("provider_refused", "A mail server has no numbers to register.")


def _half_a_login(known: SmtpCredentials) -> Iterator[Finding]:
    if (known.username is None) != (known.password is None):
        missing = "username" if known.username is None else "password"
        detail = "A login is a name and a password: give both, or neither."
        yield Finding(part="login", ok=False, detail=detail, pointer=f"/{missing}", code="missing_field")


def _answers(where: str, conversation: Conversation | None = None) -> Finding:
    most = None if conversation is None else conversation.largest
    bound = "" if most is None else f", takes messages of up to {most} bytes"
    return _server(f"{where} answers{bound}.", ok=True)


def _accepted(known: SmtpCredentials) -> Finding:
    return _login("The server accepts it." if known.username is not None else "None is given.", ok=True)


def _about(end: Refused | Lost | Unfit, where: str, known: SmtpCredentials) -> tuple[Finding, ...]:
    """What the end of the conversation tells. Raises ProviderUnavailable where the sandbox is not there."""
    match end:
        case Refused(stage=Stage.LOGIN, reply=reply):
            login = _login(explained(reply, Stage.LOGIN), may_pass=reply.is_for_now)
            return _answers(where), login
        case Refused(stage=stage, reply=reply):
            return (_server(explained(reply, stage), may_pass=reply.is_for_now),)
        case Unfit(code="login_not_offered", reason=reason):
            return _answers(where), _login(reason)
        case Unfit(code="host_not_allowed", reason=reason):
            return (_server(reason),)
        case Unfit(reason=reason):
            return (_encryption(reason),)
        case Lost(code="sandbox_not_found", reason=reason):
            raise ProviderUnavailable("provider_unavailable", reason)
        case Lost(code="host_unknown"):
            return (_server(f"{where} is not known: no server of this name was found."),)
        case Lost(code="tls_failed", reason=reason):
            return (_encryption(f"{where} {reason}.{_advice(known)}"),)
        case Lost(reason=reason):
            return (_server(f"{where} does not answer as a mail server: {reason}.", may_pass=True),)


def _advice(known: SmtpCredentials) -> str:
    if known.security == "tls" and known.port != _TLS_PORT:
        return (
            f" Port {_TLS_PORT} is encrypted from the first byte; others begin in the clear: set security to starttls."
        )
    return ""


def _silent(where: str, known: SmtpCredentials) -> Finding:
    if known.port == _TLS_PORT and known.security == "starttls":
        return _encryption(f"{where} says nothing: it is encrypted from the first byte. Set security to tls.")
    return _server(f"{where} does not answer in time.", may_pass=True)


def _server(detail: str, *, ok: bool = False, may_pass: bool = False) -> Finding:
    return Finding(
        part="server",
        ok=ok,
        detail=detail,
        pointer="/external_id",
        code="mail_server_unreachable",
        may_pass=may_pass,
    )


def _encryption(detail: str) -> Finding:
    return Finding(part="encryption", ok=False, detail=detail, pointer="/security", code="mail_server_not_encrypted")


def _login(detail: str, *, ok: bool = False, may_pass: bool = False) -> Finding:
    return Finding(part="login", ok=ok, detail=detail, pointer="/password", code="login_refused", may_pass=may_pass)
