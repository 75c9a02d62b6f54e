"""Named crash points, at which tests make a process die as in a power cut.

`APP_CRASHPOINT=mark_started.after_commit:17` ends the process when it passes that point for the 17th time; without a
number, the first time. `claim.after_commit@msg_…` ends it whenever that message passes. Several are separated by
commas. Nothing is flushed, closed or rolled back.
"""

import logging
import os
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from msgspec import Struct

from messaging.domain.shared.ids import Prefix, parse_typeid

log = logging.getLogger(__name__)

# The exit code that the shell reports for a process killed with SIGKILL.
EXIT_CODE: Final = 137

POINTS: Final[Mapping[str, str]] = {
    "accept.before_commit": "api: messages are inserted, nothing is committed",
    "accept.after_commit": "api: messages are committed, no caller has been answered",
    "accept.before_reply": "api: the use case has returned for one request, no byte of the 202 has left",
    "relay.before_wakeup": "worker: due work was found, no wakeup is on the queue",
    "relay.after_wakeup": "worker: wakeups for due work are on the queue",
    "claim.before_commit": "worker: claims and attempts are written, nothing is committed",
    "claim.after_commit": "worker: a batch is claimed, nothing else is done",
    "render.before_start": "worker: one claimed message is about to be decrypted and rendered",
    "mark_started.before_commit": "worker: the starts of sends are written, nothing is committed",
    "mark_started.after_commit": "worker: the starts of sends are committed, no byte has left",
    "send.before_first_byte": "worker: one message may leave now, no byte has",
    "send.after_reply": "worker: one send has ended, its outcome is known to this process alone",
    "outcome.before_commit": "worker: outcomes are written, nothing is committed",
    "outcome.after_commit": "worker: outcomes are committed",
    "resolve_unknown.before_commit": "worker: looks at unclear sends are decided or begun, nothing is committed",
    "resolve_unknown.after_commit": "worker: looks at unclear sends are committed, no provider has been asked",
    "resolve_unknown.after_repeat": "worker: a request was repeated with its key, the answer is known to it alone",
    "resolve_unknown.before_settling": "worker: what providers told of unclear sends is written, nothing is committed",
    "poll_status.after_claim": "worker: status checks are claimed by a lease, no provider has been asked",
    "poll_status.before_commit": "worker: results of status checks are written, nothing is committed",
    "job_claim.before_commit": "worker: jobs are claimed, nothing is committed",
    "job_claim.after_commit": "worker: jobs are claimed, none has begun",
    "job.before_run": "worker: the handler of one job is about to be called",
    "job_settle.before_commit": "worker: jobs have run and their ends are written, nothing is committed",
    "job_settle.after_commit": "worker: the ends of jobs are committed",
    "recover_failover.before_commit": "worker: messages in doubt after a failover are unknown, nothing is committed",
    "fan_out.before_commit": "callbacks: events are stored and queued for endpoints, nothing is committed",
    "fan_out.after_commit": "callbacks: events are committed, nobody was told",
    "callback_claim.before_commit": "callbacks: lanes are claimed and attempts written, nothing is committed",
    "callback_claim.after_commit": "callbacks: lanes are claimed, nothing is posted",
    "callback_post.before": "callbacks: one callback may be posted now, no byte has left",
    "callback_post.after": "callbacks: one exchange has ended, its outcome is known to this process alone",
    "callback_settle.before_commit": "callbacks: ends of exchanges are written, nothing is committed",
    "callback_settle.after_commit": "callbacks: ends of exchanges are committed",
    "webhook_store.before_commit": "webhooks: webhooks are about to be inserted and committed in one statement",
    "webhook_store.after_commit": "webhooks: webhooks are committed, the provider has not been answered",
    "webhook_apply.before_commit": "worker: webhooks are applied, nothing is committed",
    "webhook_apply.after_commit": "worker: the effects of webhooks are committed",
}


class Crash(Struct, frozen=True, kw_only=True):
    """Die at `point`: at the given passage, or whenever the message `subject` passes."""

    point: str
    passage: int = 1
    subject: UUID | None = None


def parse(text: str) -> tuple[Crash, ...]:
    """Read the setting. Raises ValueError; for a point that does not exist its text lists those that do."""
    return tuple(_parse_one(part.strip()) for part in text.split(","))


def _parse_one(text: str) -> Crash:
    point, at, subject = text.partition("@")
    point, colon, passage = point.partition(":")
    if point not in POINTS:
        raise ValueError(f"names a crash point that does not exist. There are: {', '.join(POINTS)}.")
    if at:
        message_id = parse_typeid(Prefix.MESSAGE, subject)
        if message_id is None or colon:
            raise ValueError(f"has something else than one message id (msg_…) after {point}@.")
        return Crash(point=point, subject=message_id)
    if not colon:
        return Crash(point=point)
    if not (passage.isascii() and passage.isdecimal() and int(passage) > 0):
        raise ValueError(f"has something else than a number from 1 up after {point}:.")
    return Crash(point=point, passage=int(passage))


# Empty unless crash points are set; `reach` then only checks that it is empty.
_armed: dict[str, list[Crash]] = {}
_passages: dict[str, int] = {}


def arm(crashes: tuple[Crash, ...]) -> None:
    """Make this process die at these points. Replaces earlier crash points and counts from zero."""
    _armed.clear()
    _passages.clear()
    for crash in crashes:
        _armed.setdefault(crash.point, []).append(crash)
        log.warning("crashpoint.armed", extra={"point": crash.point, "passage": crash.passage})


def reach(point: str, subject: UUID | None = None) -> None:
    """Pass `point`, with the id of the message if there is just one. Returns unless the process is to die here."""
    if _armed:
        _pass(point, subject)


def _pass(point: str, subject: UUID | None) -> None:
    passage = _passages[point] = _passages.get(point, 0) + 1
    for crash in _armed.get(point, ()):
        if subject == crash.subject if crash.subject is not None else passage == crash.passage:
            log.critical("crashpoint.reached", extra={"point": point, "passage": passage})
            os._exit(EXIT_CODE)
