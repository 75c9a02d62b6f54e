"""Classifies Twilio's answer to a send: accepted, refused for good, refused for now, or unclear.

The classification follows the error code where there is one. An answer without one proves nothing, except 401, 429, and
503 with a time to try again. An unlisted code is a refusal with 4xx and unclear otherwise.
"""

import logging
import re
from collections.abc import Mapping
from datetime import timedelta

import msgspec
from msgspec import Struct

from messaging.adapters.http.client import Reply
from messaging.adapters.providers.error_codes import DEFAULT_WAIT, refusal
from messaging.adapters.providers.replies import acceptance_unreadable, bounded_wait, incomplete, retry_after
from messaging.adapters.providers.twilio.wire import errors
from messaging.adapters.providers.twilio.wire.fields import bounded, explained, whole
from messaging.domain.messages.retry import Rejected, Scope, SendResult, Sent, Throttled, Unavailable, Uncertain

logger = logging.getLogger(__name__)

_SID = re.compile(r"[SM]M[0-9a-fA-F]{32}")


class _Message(Struct, frozen=True):
    """Twilio's answer to an accepted send. Only the SID is required, so that a surprise elsewhere does not hide it."""

    sid: str


_message = msgspec.json.Decoder(_Message)


class TwilioError(Struct, frozen=True, kw_only=True):
    """Twilio's error object. `reason` contains no phone number and no message content."""

    code: int
    reason: str


def judge(reply: Reply) -> SendResult:
    """The verdict on a send that got a reply."""
    if 200 <= reply.status < 300:
        return _judge_success(reply)
    if reply.body is None:
        return incomplete(reply)
    error = read_error(reply.body)
    return _judge_status(reply) if error is None else _judge_error(error, reply)


def _judge_success(reply: Reply) -> SendResult:
    """A 2xx without a readable SID was most likely a success, which is why it is never sent again."""
    flaw = reply.flaw
    if reply.body is not None:
        try:
            taken = _message.decode(reply.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            flaw = "not the JSON we expect"
        else:
            if _SID.fullmatch(taken.sid):
                return Sent(provider_message_id=bounded(taken.sid))
            flaw = "it does not name the message"
    return acceptance_unreadable(reply, flaw)


def _judge_status(reply: Reply) -> SendResult:
    """The result for an answer without an error code, which a proxy may have sent."""
    code, reason = f"http_{reply.status}", f"HTTP {reply.status} without an explanation from Twilio"
    told = told_to_wait(reply.headers)
    if reply.status == 401:
        return Unavailable(code=code, reason=reason, scope=Scope.CREDENTIAL, http_status=reply.status)
    if reply.status == 429:
        wait = told or DEFAULT_WAIT
        return Throttled(code=code, reason=reason, scope=Scope.ACCOUNT, retry_after=wait, http_status=reply.status)
    if reply.status == 503 and told is not None:
        return Unavailable(code=code, reason=reason, retry_after=told, http_status=reply.status)
    return Uncertain(code=code, reason=reason, http_status=reply.status)


def _judge_error(error: TwilioError, reply: Reply) -> SendResult:
    entry = errors.find(error.code)
    if entry is None:
        return _judge_unlisted(error, reply)
    return refusal(
        entry,
        code=str(error.code),
        reason=f"{entry.title}. {error.reason}".strip(),
        status=reply.status,
        told=told_to_wait(reply.headers),
    )


def _judge_unlisted(error: TwilioError, reply: Reply) -> SendResult:
    code, status = str(error.code), reply.status
    logger.warning("twilio.unlisted_error", extra={"code": code, "http_status": status})
    reason = f"An error code we do not know. {error.reason}".strip()
    if status == 429:
        wait = told_to_wait(reply.headers) or DEFAULT_WAIT
        return Throttled(code=code, reason=reason, scope=Scope.ACCOUNT, retry_after=wait, http_status=status)
    if status in (401, 403):
        return Unavailable(code=code, reason=reason, scope=Scope.CREDENTIAL, http_status=status)
    if 400 <= status < 500 and status != 408:
        return Rejected(code=code, reason=reason, http_status=status)
    return Uncertain(code=code, reason=reason, http_status=status)


def read_error(body: bytes) -> TwilioError | None:
    """The error in a reply's body, or None when there is none."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(document, dict) or (code := whole(document.get("code"))) is None:
        return None
    return TwilioError(code=code, reason=explained(document.get("message")))


def told_to_wait(headers: Mapping[str, str]) -> timedelta | None:
    """The wait that the answer asks for, limited to between a second and a day; None if it states none."""
    return bounded_wait(retry_after(headers))
