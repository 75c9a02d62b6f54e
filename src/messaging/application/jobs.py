"""Kinds of jobs: what a use case may ask for in its own transaction, to be done soon after its commit.

A job holds ids, never content of messages or data about people: it is stored as plain JSON, and operators see it.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final, get_args

import msgspec
from msgspec import Struct

from messaging.domain.shared.ids import AccountId, CallbackEndpointId, TemplateId


class JobLane(StrEnum):
    """Jobs of one lane never wait for those of another: each worker runs a number of each lane at once."""

    # Short jobs that somebody waits for.
    PROMPT = "prompt"
    # Long jobs, scheduled ones, and pages of large ones.
    BULK = "bulk"


class SyncTemplates(Struct, frozen=True, tag="sync_templates"):
    """List the templates of this account at its provider, and store what has changed."""

    lane: ClassVar[JobLane] = JobLane.BULK

    account_id: AccountId


class ReleaseHeld(Struct, frozen=True, tag="release_held"):
    """Let the messages go that are held because of this template."""

    lane: ClassVar[JobLane] = JobLane.PROMPT

    template_id: TemplateId


class ReleaseCallbacks(Struct, frozen=True, tag="release_callbacks"):
    """Let the callbacks go that are held for this endpoint; discard those written before `drop_before`, if given."""

    lane: ClassVar[JobLane] = JobLane.PROMPT

    endpoint_id: CallbackEndpointId
    drop_before: datetime | None = None


Job = SyncTemplates | ReleaseHeld | ReleaseCallbacks
KINDS: Final[Mapping[str, type[Job]]] = {str(job.__struct_config__.tag): job for job in get_args(Job)}

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Job] = msgspec.json.Decoder(Job)


def kind_of(job: Job | type[Job]) -> str:
    return str(job.__struct_config__.tag)


def encode(job: Job) -> str:
    return _encoder.encode(job).decode()


def decode(payload: str) -> Job:
    """Raises msgspec.DecodeError for text that is not one of these jobs."""
    return _decoder.decode(payload)
