"""Wakeups on the queue: each names where work is waiting. Losing, repeating or reordering them loses no work."""

import msgspec
from msgspec import Struct

from messaging.application.jobs import JobLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority


class DeliverLane(Struct, frozen=True, tag="deliver_lane"):
    """Messages of this channel and priority are due."""

    channel: Channel
    priority: Priority


class ProcessWebhooks(Struct, frozen=True, tag="process_webhooks"):
    """Stored raw webhooks (or parked receipts) are waiting."""


class Upkeep(Struct, frozen=True, tag="upkeep"):
    """Messages are due whose wait for an echo has ended, or whose status is to be checked."""


class RunJobs(Struct, frozen=True, tag="run_jobs"):
    """Jobs of this lane are due."""

    lane: JobLane


Wakeup = DeliverLane | ProcessWebhooks | Upkeep | RunJobs

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Wakeup] = msgspec.msgpack.Decoder(Wakeup)


def encode(wakeup: Wakeup) -> bytes:
    return _encoder.encode(wakeup)


def decode(payload: bytes) -> Wakeup:
    """Raises msgspec.DecodeError for bytes that are not one of these wakeups."""
    return _decoder.decode(payload)


def queue_name(wakeup: Wakeup) -> str:
    """One queue per lane, so that a worker can be started for one channel or priority alone."""
    match wakeup:
        case DeliverLane(channel=channel, priority=priority):
            return f"messaging:deliver:{channel}:{priority}"
        case ProcessWebhooks():
            return "messaging:webhooks"
        case Upkeep():
            return "messaging:upkeep"
        case RunJobs(lane=lane):
            return f"messaging:jobs:{lane}"
