"""What both ends of an ARQ queue must agree on: the function's name, the encoding, how long a wakeup lives.

The default encoding is pickle, which would let anyone who can write to Redis run code in the workers.
"""

from datetime import timedelta
from typing import Any, cast

import msgspec
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix

from messaging.adapters.redis.connections import pool_of

FUNCTION = "run"
# ARQ counts crashes and deployments as tries; the retries of our work are rows in Postgres.
MAX_TRIES = 2
# Longer than any backlog that should still be worked on; a wakeup that expires is made again from Postgres.
EXPIRES_AFTER = timedelta(days=7)
JOB_KEY, IN_PROGRESS_KEY = job_key_prefix, in_progress_key_prefix

# ARQ also packs the exception of a failed job, although no result is kept.
_encoder = msgspec.msgpack.Encoder(enc_hook=repr)


def pack(job: dict[str, Any]) -> bytes:
    return _encoder.encode(job)


def unpack(packed: bytes) -> dict[str, Any]:
    return cast(dict[str, Any], msgspec.msgpack.decode(packed))


def connect(url: str) -> ArqRedis:
    """A client with a pool of its own, in byte mode; nothing is sent before its first use."""
    client = ArqRedis(
        pool_of(url),
        job_serializer=pack,
        job_deserializer=unpack,
        expires_extra_ms=int(EXPIRES_AFTER.total_seconds() * 1000),
    )
    # As `Redis.from_url` does for the pools it makes: closing the client closes its connections.
    client.auto_close_connection_pool = True
    return client
