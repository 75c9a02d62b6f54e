"""A callback in the hands of a worker, its request, and the end of its exchange."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from messaging.application.callbacks.endpoints.sealing import open_headers, open_secret, open_url
from messaging.application.ports.callbacks.delivering.exchange import Answered, CallbackRequest, Exchanged
from messaging.application.ports.callbacks.delivering.lanes import Head
from messaging.application.ports.callbacks.delivering.targets import StoredBodies, Target
from messaging.application.ports.secrets import CannotDecrypt, TenantCipher
from messaging.domain.callbacks import verdict
from messaging.domain.callbacks.body import context, unpacked
from messaging.domain.callbacks.signature import signature_headers
from messaging.domain.callbacks.verdict import Verdict
from messaging.domain.shared.ids import CallbackAttemptId, Prefix, typeid

# An end that is a fault of this platform: nothing of it is the endpoint's.
UNDECIPHERABLE: Final = "undecipherable"
EVENT_GONE: Final = "event_gone"
NOT_CARRIED: Final = "headers_not_carried"


class Callback(Struct, frozen=True, kw_only=True):
    """A claimed callback whose attempt is written; `stored` is None if its event is kept no more."""

    head: Head
    attempt_id: CallbackAttemptId
    target: Target
    stored: StoredBodies | None
    probe: bool

    @property
    def n(self) -> int:
        """The number of this attempt."""
        return self.head.tries + 1


class OurFault(Struct, frozen=True):
    """The callback could not be made, for a reason that an operator has to mend."""

    failure: str


class Ended(Struct, frozen=True, kw_only=True):
    """The end of one attempt, and what it means; `excerpt` is the encrypted beginning of the answer's body."""

    callback: Callback
    means: Verdict | OurFault
    exchanged: Exchanged | None = None
    excerpt: bytes | None = None

    @property
    def status(self) -> int | None:
        return self.exchanged.status if isinstance(self.exchanged, Answered) else None

    @property
    def ms(self) -> int:
        return self.exchanged.ms if self.exchanged is not None else 0


def request_of(
    callback: Callback, cipher: TenantCipher, *, at: datetime, timeout: float, agent: str
) -> CallbackRequest | OurFault:
    """The request, signed with what is live now. The body's bytes are those that were stored."""
    endpoint, stored = callback.target.endpoint, callback.stored
    event_id = callback.head.callback.event_id
    if stored is None:
        return OurFault(EVENT_GONE)
    try:
        url = open_url(cipher, endpoint)
        own = open_headers(cipher, endpoint)
        keys = [open_secret(cipher, secret) for secret in callback.target.secrets]
        bodies = unpacked(cipher.open(context(event_id), stored.sealed))
    except (CannotDecrypt, msgspec.DecodeError):
        return OurFault(UNDECIPHERABLE)
    if url is None:
        return OurFault(EVENT_GONE)
    posted = bodies.of(endpoint.include)
    signed = signature_headers(keys, id=typeid(Prefix.EVENT, event_id), at=at, body=posted)
    headers = {**own, **signed, **_about(callback, agent)}
    return CallbackRequest(url=url, headers=headers, body=posted, timeout=timeout, pool=str(endpoint.id))


def ended(callback: Callback, exchanged: Exchanged, cipher: TenantCipher, *, now: datetime) -> Ended:
    """What the end of an exchange means."""
    if not isinstance(exchanged, Answered):
        return Ended(callback=callback, means=verdict.of_no_answer(exchanged.failure), exchanged=exchanged)
    means = verdict.of_answer(exchanged.status, exchanged.headers, now=now)
    excerpt = cipher.seal(excerpt_context(callback.attempt_id), exchanged.excerpt) if exchanged.excerpt else None
    return Ended(callback=callback, means=means, exchanged=exchanged, excerpt=excerpt)


def excerpt_context(id: CallbackAttemptId) -> str:
    """The encryption context of the beginning of an answer."""
    return f"callback_attempts.response_excerpt:{typeid(Prefix.CALLBACK_ATTEMPT, id)}"


def _about(callback: Callback, agent: str) -> Mapping[str, str]:
    headers = {"content-type": "application/json", "user-agent": agent, "webhook-attempt": str(callback.n)}
    if callback.head.replay_of is not None:
        headers["webhook-replay"] = "true"
    if callback.stored is not None and callback.stored.trace_id is not None:
        # The trace goes on in the receiver; an attempt's id makes the span's.
        headers["traceparent"] = f"00-{callback.stored.trace_id}-{callback.attempt_id.hex[-16:]}-00"
    return headers
