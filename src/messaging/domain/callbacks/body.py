"""The body of a callback: an envelope of `type`, `timestamp` and `data`, and its variants for what endpoints include.

A body is rendered once, when the event is fanned out, and its bytes never change after that. The thin body goes to
everybody. Recipient and content are put only into further variants, one for each combination that an endpoint asked
for; all variants of an event are stored together, and an endpoint always gets the same one.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from messaging.domain.callbacks.endpoint import Include
from messaging.domain.shared.ids import CallbackEventId, Prefix, typeid

API_VERSION: Final = "2026-11"
# Bytes. What makes a body longer is left out of it, and `omitted` in its data names it.
LARGEST_BODY: Final = 20_000

Included = frozenset[Include]
THIN: Final[Included] = frozenset()

_encoder = msgspec.json.Encoder()


class Bodies(Struct, frozen=True, array_like=True):
    """The stored bodies of one event: the thin one, and further ones by what they include, as `content+recipient`."""

    thin: bytes
    further: dict[str, bytes] = {}

    def of(self, include: Iterable[Include]) -> bytes:
        """The body for an endpoint that includes these.

        If that combination was not rendered, since the endpoint asked for it later, it is the thin one.
        """
        return self.further.get(_name(include), self.thin)


def envelope(type: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    """The bytes of a body."""
    return _encoder.encode({"type": type, "timestamp": instant(at), "data": data})


def instant(at: datetime) -> str:
    """An instant with milliseconds, in UTC: `2026-11-29T10:15:02.114Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Facts(Struct, frozen=True, kw_only=True):
    """What an event tells. `about` is said of the event itself; `subject` of its subject, under `name` in the body.

    `private` holds what each inclusion adds to the subject.
    """

    type: str
    at: datetime
    about: Mapping[str, Any]
    name: str
    subject: Mapping[str, Any]
    private: Mapping[Include, Mapping[str, Any]] = {}


def bodies(facts: Facts, wanted: Iterable[Included]) -> Bodies:
    """The thin body, and one for each wanted inclusion that adds anything."""
    further = {_name(include): _with(facts, include) for include in set(wanted) if include & facts.private.keys()}
    return Bodies(_body(facts, {}), further)


def _with(facts: Facts, include: Included) -> bytes:
    body = _body(facts, _added(facts, include))
    if len(body) > LARGEST_BODY:
        return _body(facts, {**_added(facts, include - {Include.CONTENT}), "omitted": ["content"]})
    return body


def _added(facts: Facts, include: Included) -> dict[str, Any]:
    return {key: value for part in sorted(include) for key, value in facts.private.get(part, {}).items()}


def _body(facts: Facts, added: Mapping[str, Any]) -> bytes:
    return envelope(facts.type, facts.at, {**facts.about, facts.name: {**facts.subject, **added}})


def context(id: CallbackEventId) -> str:
    """The encryption context of an event's stored bodies."""
    return f"callback_events.body:{typeid(Prefix.EVENT, id)}"


def packed(bodies: Bodies) -> bytes:
    return msgspec.msgpack.encode(bodies)


def unpacked(stored: bytes) -> Bodies:
    """Raises msgspec.DecodeError for bytes that `packed` did not write."""
    return msgspec.msgpack.decode(stored, type=Bodies)


def _name(include: Iterable[Include]) -> str:
    return "+".join(sorted(set(include)))
