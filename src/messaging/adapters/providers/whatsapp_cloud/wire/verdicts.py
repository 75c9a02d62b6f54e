"""Classifies Meta's answer to a send: accepted, refused for good, refused for now, or unclear.

The classification follows the error code where there is one, hardly ever the HTTP status: Meta answers the same
condition with different statuses. An unlisted answer is unclear, except a 4xx with a Graph error in its body, which is
a refusal by its form.
"""

import json
import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct

from messaging.adapters.http.client import Reply
from messaging.adapters.providers.error_codes import DEFAULT_WAIT, CodeEntry, refusal
from messaging.adapters.providers.replies import acceptance_unreadable, bounded_wait, incomplete, retry_after
from messaging.adapters.providers.whatsapp_cloud.wire import errors
from messaging.adapters.providers.whatsapp_cloud.wire.fields import bounded
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.retry import Rejected, Scope, SendResult, Sent, Throttled, Unavailable, Uncertain

logger = logging.getLogger(__name__)

_REASON_LENGTH = 300
# Meta's explanations sometimes quote a phone number, which must not be kept.
_LOOKS_LIKE_A_NUMBER = re.compile(r"\+?[0-9][0-9 ()-]{6,}[0-9]")
# General codes, for which Meta puts the actual reason into the subcode.
_GENERAL_CODES = frozenset({100, 136024, 136025})
_NAMES_THE_SETUP = re.compile(r"access[ _]token|phone[ _]number[ _]id", re.IGNORECASE)
_HELD = frozenset({"held_for_quality_assessment", "paused"})


class _Taken(Struct, frozen=True):
    id: str
    message_status: Any = None


class _Acceptance(Struct, frozen=True):
    """Meta's answer to an accepted send. Only the id is required, so that a surprise elsewhere does not hide it."""

    messages: tuple[_Taken, ...]
    contacts: Any = None


_acceptance = msgspec.json.Decoder(_Acceptance)


class GraphError(Struct, frozen=True, kw_only=True):
    """Meta's error object, as far as it could be read. `reason` contains no phone number and no message content."""

    code: int
    subcode: int | None
    reason: str
    details: str
    transient: bool

    def entry(self) -> CodeEntry | None:
        """The table's line for this error; a general code is refined by its subcode and details."""
        if self.code in _GENERAL_CODES and self.subcode is not None:
            refined = errors.find(self.subcode)
            if refined is not None:
                return refined
        return errors.find(self.code)


def judge(reply: Reply) -> SendResult:
    """The verdict on a send that got a reply."""
    if 200 <= reply.status < 300:
        return _judge_success(reply)
    if reply.body is None:
        return incomplete(reply)
    error = read_error(reply.body)
    return _judge_status(reply) if error is None else _judge_error(error, reply)


def _judge_success(reply: Reply) -> SendResult:
    """A 2xx without a readable message id was most likely a success, which is why it is never sent again."""
    flaw = reply.flaw
    if reply.body is not None:
        try:
            accepted = _acceptance.decode(reply.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            flaw = "not the JSON we expect"
        else:
            ids = [message.id for message in accepted.messages]
            if len(ids) == 1 and ids[0].isprintable() and ids[0].strip():
                return _sent(accepted)
            flaw = "it does not name exactly one message"
    return acceptance_unreadable(reply, flaw)


def _sent(accepted: _Acceptance) -> Sent:
    taken = accepted.messages[0]
    contacts = accepted.contacts
    contact = contacts[0] if isinstance(contacts, list) and contacts and isinstance(contacts[0], dict) else {}
    return Sent(
        # Shortened in the same way as the id in receipts.
        provider_message_id=bounded(taken.id),
        recipient_id=_text(contact.get("wa_id")) or _text(contact.get("user_id")) or None,
        held=isinstance(taken.message_status, str) and taken.message_status in _HELD,
    )


def _judge_status(reply: Reply) -> SendResult:
    """The result for an answer without a Graph error, which a proxy may have sent: unclear, except for 401 and 429."""
    code, reason = f"http_{reply.status}", f"HTTP {reply.status} without an explanation from Meta"
    if reply.status == 401:
        return Unavailable(code=code, reason=reason, scope=Scope.CREDENTIAL, http_status=reply.status)
    if reply.status == 429:
        wait = _told_to_wait(reply.headers) or DEFAULT_WAIT
        return Throttled(code=code, reason=reason, scope=Scope.SENDER, retry_after=wait, http_status=reply.status)
    return Uncertain(code=code, reason=reason, http_status=reply.status)


def _judge_error(error: GraphError, reply: Reply) -> SendResult:
    entry = error.entry()
    if entry is None:
        return _judge_unlisted(error, reply)
    # A refined entry is reported with its own code, by which its title and advice can be found.
    code = str(error.code) if entry.codes[0] <= error.code <= entry.codes[1] else str(entry.codes[0])
    # A general code is about the sender where its details name the token or the number's id.
    setup = error.code == 100 and entry.scope is Scope.MESSAGE and _NAMES_THE_SETUP.search(error.details)
    return refusal(
        entry,
        code=code,
        reason=f"{entry.title}. {error.reason}".strip(),
        status=reply.status,
        told=_told_to_wait(reply.headers),
        scope=Scope.SENDER if setup else None,
    )


def _judge_unlisted(error: GraphError, reply: Reply) -> SendResult:
    code, status = str(error.code), reply.status
    logger.warning("whatsapp_cloud.unlisted_error", extra={"code": code, "http_status": status})
    reason = f"An error code we do not know. {error.reason}".strip()
    if status == 429:
        wait = _told_to_wait(reply.headers) or DEFAULT_WAIT
        return Throttled(code=code, reason=reason, scope=Scope.SENDER, retry_after=wait, http_status=status)
    if status == 401:
        return Unavailable(code=code, reason=reason, scope=Scope.CREDENTIAL, http_status=status)
    if 400 <= status < 500:
        if error.transient:
            return Unavailable(code=code, reason=reason, retry_after=_told_to_wait(reply.headers), http_status=status)
        return Rejected(code=code, reason=reason, http_status=status)
    return Uncertain(code=code, reason=reason, http_status=status)


def async_failure(error: Any) -> ProviderError:
    """The error of a failed receipt. The message has definitely failed, so only the explanation matters.

    `error` is one item of Meta's `errors` array, of any shape.
    """
    read = _graph_error(error)
    if read is None:
        said = _explain(error if isinstance(error, dict) else {"message": error}, "")
        reason = said or "The provider reported a failure without saying why."
        return ProviderError(code="unspecified", reason=reason)
    entry = read.entry()
    meaning = f"{entry.title}. " if entry else ""
    return ProviderError(code=str(read.code), reason=f"{meaning}{read.reason}".strip())


def read_error(body: bytes) -> GraphError | None:
    """The Graph error in a reply's body, or None when there is none."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return _graph_error(document.get("error")) if isinstance(document, dict) else None


def _graph_error(error: Any) -> GraphError | None:
    if not isinstance(error, dict) or (code := _whole(error.get("code"))) is None:
        return None
    data = error.get("error_data")
    # Meta sends `error_data` as an object, as a plain string, or not at all.
    details = data.get("details") if isinstance(data, dict) else data
    subcode = _whole(error.get("error_subcode"))
    detail_text = details if isinstance(details, str) else ""
    return GraphError(
        code=code,
        subcode=subcode,
        reason=_explain(error, detail_text),
        details=detail_text or _text(error.get("message")),
        transient=error.get("is_transient") is True,
    )


def _explain(error: dict[str, Any], details: str) -> str:
    said = details or _text(error.get("error_user_msg")) or _text(error.get("message")) or _text(error.get("title"))
    plain = _LOOKS_LIKE_A_NUMBER.sub("…", " ".join(said[:2000].replace("\x00", "").split()))[:_REASON_LENGTH]
    trace = _text(error.get("fbtrace_id"))[:64]
    return f"{plain} [fbtrace_id {trace}]" if trace.isascii() and trace.isprintable() and trace else plain


def _told_to_wait(headers: Mapping[str, str]) -> timedelta | None:
    """The wait that Meta asks for, limited to between a second and a day; None if it states none."""
    told = retry_after(headers)
    if told is None:
        told = _usage(headers.get("x-business-use-case-usage", ""))
    return bounded_wait(told)


def _usage(value: str) -> timedelta | None:
    """The longest of the waits that Meta estimates, in minutes, per account and use case."""
    try:
        accounts = json.loads(value) if value else {}
    except (ValueError, RecursionError):
        return None
    uses = [use for each in accounts.values() if isinstance(each, list) for use in each] if _is_map(accounts) else []
    minutes = [_whole(use.get("estimated_time_to_regain_access")) or 0 for use in uses if _is_map(use)]
    longest = max(minutes, default=0)
    return timedelta(minutes=min(longest, 10**5)) if longest > 0 else None


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9 else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
