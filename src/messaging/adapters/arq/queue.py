"""Publishes wakeups to ARQ's queues: all wakeups of one call in one round trip, never more than the workers can use."""

import time
from collections.abc import Sequence
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from messaging.adapters.arq.wire import EXPIRES_AFTER, FUNCTION, IN_PROGRESS_KEY, JOB_KEY, pack
from messaging.application.ports.wakeups import QueueUnavailable
from messaging.application.wakeups import Wakeup, encode, queue_name

# A running job stays in its queue, marked by its in-progress key; the mark of a killed worker stays for a minute after
# its death. So only unmarked jobs count as waiting, and a second bound keeps marked ones from piling up.
_PUBLISH = """
local published = 0
for n, queue in ipairs(KEYS) do
    local ids = redis.call('ZRANGE', queue, 0, ARGV[2] - 1)
    local waiting = 0
    for _, id in ipairs(ids) do
        if redis.call('EXISTS', ARGV[3] .. id) == 0 then waiting = waiting + 1 end
    end
    if #ids < tonumber(ARGV[2]) and waiting < tonumber(ARGV[1]) then
        local id = ARGV[5 + 2 * n]
        redis.call('PSETEX', ARGV[4] .. id, ARGV[5], ARGV[6 + 2 * n])
        redis.call('ZADD', queue, ARGV[6], id)
        published = published + 1
    end
end
return published
"""
_LONGEST_QUEUE = 64
# ARQ starts a job once its score, a time in ms, has passed by the worker's clock. Score 1 has always passed: machines'
# clocks need not agree, and wakeups need no order among themselves.
_SCORE = 1


class ArqWakeupQueue:
    """Publishes wakeups; `waiting` bounds those in one queue that no worker has picked up yet.

    Twice the number that workers run at once is enough, because the backlog itself is in Postgres.
    """

    def __init__(self, *, redis: Redis, waiting: int = 8) -> None:
        self._publish = redis.register_script(_PUBLISH)
        self._waiting = waiting

    async def wakeup(self, wakeups: Sequence[Wakeup]) -> None:
        if not wakeups:
            return
        expires_ms = int(EXPIRES_AFTER.total_seconds() * 1000)
        arguments: list[str | bytes | int] = [
            self._waiting,
            _LONGEST_QUEUE,
            IN_PROGRESS_KEY,
            JOB_KEY,
            expires_ms,
            _SCORE,
        ]
        for wakeup in wakeups:
            arguments += [uuid4().hex, _packed(wakeup)]
        try:
            await self._publish(keys=[queue_name(wakeup) for wakeup in wakeups], args=arguments)
        except (RedisError, OSError) as error:
            raise QueueUnavailable from error


def _packed(wakeup: Wakeup) -> bytes:
    """An ARQ job with the wakeup, in the form in which `arq.jobs.serialize_job` writes it."""
    return pack({"t": None, "f": FUNCTION, "a": (encode(wakeup),), "k": {}, "et": int(time.time() * 1000)})
