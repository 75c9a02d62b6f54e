"""The verdict on a send: accepted, refused for good, refused for now, or unclear."""

import re
from datetime import timedelta
from typing import Final, assert_never

from messaging.adapters.http.client import Withheld
from messaging.adapters.providers.smtp.wire.exchange import Accepted, Exchange, Lost, Refused, Unfit
from messaging.adapters.providers.smtp.wire.replies import Kind, Reply, Stage, find
from messaging.application.ports.providers.sending import NotStarted
from messaging.domain.messages.retry import (
    Rejected,
    Scope,
    SendResult,
    Sent,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
)

_REASON_LENGTH: Final = 300
# Looking for addresses takes a time that grows with the square of the text's length.
_LONGEST_READ: Final = 1_000
_DEFAULT_WAIT: Final = timedelta(seconds=60)
# Servers repeat addresses and account names in their explanations, which must not be kept.
_ADDRESS: Final = re.compile(r"<?[^\s<>@\"]+@[^\s<>\"]+>?")
_LOOKS_LIKE_A_NUMBER: Final = re.compile(r"\+?[0-9][0-9 ()-]{6,}[0-9]")


def judge(exchange: Exchange, message_id: str) -> SendResult | NotStarted:
    match exchange:
        case Accepted():
            return Sent(provider_message_id=message_id)
        case Refused(stage=stage, reply=reply):
            return _refusal(reply, stage)
        case Lost(stage=Stage.DOT, reason=reason, likely_taken=likely):
            said = f"The message was sent, but no readable answer came: {without_addresses(reason)}"
            return Uncertain(code="no_reply", reason=said, likely_sent=likely)
        case Lost(stage=stage, reason=reason, code=code):
            return Unreachable(
                code=code, reason=f"The connection failed before the message was complete ({stage}): {reason}"
            )
        case Unfit(code=code, reason=reason, of_account=True):
            return Unavailable(code=code, reason=reason, scope=Scope.ACCOUNT, retry_after=_DEFAULT_WAIT)
        case Unfit(code=code, reason=reason):
            return Rejected(code=code, reason=reason)
        case Withheld():
            return NotStarted()
        case _:
            assert_never(exchange)


def without_addresses(text: str) -> str:
    """A server's explanation in one line, bounded, without addresses and numbers."""
    masked = _ADDRESS.sub("…", " ".join(text[:_LONGEST_READ].split()))
    return _LOOKS_LIKE_A_NUMBER.sub("…", masked)[:_REASON_LENGTH]


def explained(reply: Reply, stage: Stage) -> str:
    """What a refusal means, and the server's own words."""
    return f"{find(reply, stage).title}. The server said: {without_addresses(f'{reply.code} {reply.text}')}"


def _refusal(reply: Reply, stage: Stage) -> SendResult:
    line, reason = find(reply, stage), explained(reply, stage)
    match line.kind:
        case Kind.TRANSIENT:
            return Unavailable(code=reply.shown, reason=reason, scope=line.scope, retry_after=line.wait)
        case Kind.THROTTLED:
            wait = line.wait or _DEFAULT_WAIT
            return Throttled(code=reply.shown, reason=reason, scope=line.scope, retry_after=wait)
        case Kind.REFUSED:
            return Rejected(code=reply.shown, reason=reason, scope=line.scope)
        case _:
            assert_never(line.kind)
