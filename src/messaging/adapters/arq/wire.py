"""The constants and encoding that publisher and consumer of an ARQ queue share: function name, MessagePack, expiry.

The default encoding is pickle, which would let anyone who can write to Redis run code in the workers.
"""

from datetime import timedelta
from typing import Any, cast

import msgspec
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix

from messaging.adapters.redis.connections import pool_of

FUNCTION = "run"
# ARQ counts a crash or a deployment during a job as a try. The retries of our own work are rows in Postgres.
MAX_TRIES = 2
# The lifetime of a wakeup, longer than any backlog should last. An expired wakeup is published again from Postgres.
EXPIRES_AFTER = timedelta(days=7)
JOB_KEY, IN_PROGRESS_KEY = job_key_prefix, in_progress_key_prefix

# ARQ also encodes the exception of a failed job, although no result is kept; `repr` serves for any type.
_encoder = msgspec.msgpack.Encoder(enc_hook=repr)


def pack(job: dict[str, Any]) -> bytes:
    return _encoder.encode(job)


def unpack(packed: bytes) -> dict[str, Any]:
    return cast(dict[str, Any], msgspec.msgpack.decode(packed))


def connect(url: str) -> ArqRedis:
    """An ARQ client with a connection pool of its own, in byte mode. It connects on first use."""
    client = ArqRedis(
        pool_of(url),
        job_serializer=pack,
        job_deserializer=unpack,
        expires_extra_ms=int(EXPIRES_AFTER.total_seconds() * 1000),
    )
    # Closing the client then closes its connections, as with the pools that `Redis.from_url` makes.
    client.auto_close_connection_pool = True
    return client
