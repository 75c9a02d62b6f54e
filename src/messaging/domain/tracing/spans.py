"""A span: one step of a trace as OpenTelemetry knows it. Ids are computed, so that processes agree on them unasked."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from msgspec import Struct, field

_TRACE_DIGITS, _SPAN_DIGITS = 32, 16
# One more than the largest value of the 64 bits that sampling looks at.
_ALL: Final = 1 << 64


class SpanKind(StrEnum):
    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class SpanRef(NamedTuple):
    """The ids by which a span is found, in its own trace or from another."""

    trace_id: str
    span_id: str


class Span(Struct, frozen=True, kw_only=True):
    """One step. `error` is a code, such as the provider's or ours, and None for a step that went well.

    `attributes` hold ids, codes and numbers: no recipient, no content, no secret, no path and no query of a URL.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: SpanKind
    started_at: datetime
    ended_at: datetime
    attributes: dict[str, str | int] = field(default_factory=dict)
    error: str | None = None
    links: tuple[SpanRef, ...] = ()


def span_id(trace_id: str, *step: object) -> str:
    """The id of a step: the first 8 bytes of the SHA-256 of the trace's id and the step's name and numbers.

    Whoever tells the step, and however often, gives it the same id. All zeros would be no id.
    """
    return _digest(_SPAN_DIGITS, trace_id, *step)


def trace_id_of(*subject: object) -> str:
    """The id of a trace of our own about a subject that came without one."""
    return _digest(_TRACE_DIGITS, *subject)


def _digest(digits: int, *parts: object) -> str:
    found = hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:digits]
    return found if found.strip("0") else "1".rjust(digits, "0")


def sampling_bound(ratio: float) -> str:
    """The bound below which the last 16 digits of a trace's id must be for the trace to be sampled.

    It is the rule of OpenTelemetry's `TraceIdRatioBased`: a caller that samples the same part of its traces by that
    rule samples the same traces. Digits compare like the numbers that they write; a ratio of 1 gives a bound above all.
    """
    bound = round(min(max(ratio, 0.0), 1.0) * _ALL)
    return "g" if bound >= _ALL else f"{bound:016x}"


def is_sampled(trace_id: str, bound: str) -> bool:
    return trace_id[-_SPAN_DIGITS:] < bound
