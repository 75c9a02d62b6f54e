"""The queue's contract: hints about where work is waiting. Losing, repeating or reordering them changes nothing."""

import msgspec
from msgspec import Struct

from messaging.domain.messages.message import Priority
from messaging.domain.shared.address import Channel


class DeliverLane(Struct, frozen=True, tag="deliver_lane"):
    """Messages of this channel and priority are due."""

    channel: Channel
    priority: Priority


class ProcessCallbacks(Struct, frozen=True, tag="process_callbacks"):
    """Stored raw callbacks (or parked receipts) are waiting."""


class Upkeep(Struct, frozen=True, tag="upkeep"):
    """Messages whose wait for an echo is over, whose silence is to be checked, or whose template is back, are due."""


class SyncTemplates(Struct, frozen=True, tag="sync_templates"):
    """Accounts are due whose templates are to be read from their providers."""


Job = DeliverLane | ProcessCallbacks | Upkeep | SyncTemplates

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Job] = msgspec.msgpack.Decoder(Job)


def encode(job: Job) -> bytes:
    return _encoder.encode(job)


def decode(payload: bytes) -> Job:
    """Raises msgspec.DecodeError for bytes that are not one of our jobs."""
    return _decoder.decode(payload)


def queue_name(job: Job) -> str:
    """One queue per lane, so that a worker can be started for one channel or priority alone."""
    match job:
        case DeliverLane(channel=channel, priority=priority):
            return f"messaging:deliver:{channel}:{priority}"
        case ProcessCallbacks():
            return "messaging:callbacks"
        case Upkeep():
            return "messaging:upkeep"
        case SyncTemplates():
            return "messaging:templates"
