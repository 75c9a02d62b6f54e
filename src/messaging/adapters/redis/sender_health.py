"""The health of senders and accounts, shared through Redis: one small record each, changed by compare-and-set.

The application decides what a record means; this adapter only compares it as bytes.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from redis.asyncio import Redis

from messaging.adapters.redis.connections import Patience, RedisAway
from messaging.application.ports.sender_health import HealthChange, HealthRecordsUnavailable, Sight
from messaging.domain.messages.pacing.sender_health import HEALTHY, Health, Subject, held_until

# KEYS: records. Returns the time in seconds and microseconds, then the records.
_READ: Final = """
local time = redis.call('TIME')
local answer = {time[1], time[2]}
for n = 1, #KEYS do answer[n + 2] = redis.call('GET', KEYS[n]) end
return answer
"""
# KEYS: records. ARGV, per record: its expected content, its new content (empty: delete it), and the time at which it
# expires (ms since 1970). Returns per record 1 if it was changed, 0 if its content was not the expected one.
_SWAP: Final = """
local answer = {}
for n = 1, #KEYS do
    local at = (n - 1) * 3
    local same = (redis.call('GET', KEYS[n]) or '') == ARGV[at + 1]
    if same and ARGV[at + 2] == '' then
        redis.call('DEL', KEYS[n])
    elseif same then
        redis.call('SET', KEYS[n], ARGV[at + 2], 'PXAT', ARGV[at + 3])
    end
    answer[n] = same and 1 or 0
end
return answer
"""

# Seconds. A batch of sends waits for the answer.
_PATIENCE: Final = 0.25
# Seconds a record is kept after the last moment that its content is about.
_KEPT_SECONDS: Final = 3600.0

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Health)


class RedisHealthRecords:
    def __init__(self, *, redis: Redis) -> None:
        self._read = redis.register_script(_READ)
        self._swap = redis.register_script(_SWAP)
        self._patience = Patience(seconds=_PATIENCE, event="sender_health.on_its_own")

    async def read(self, subjects: Sequence[Subject]) -> Sight:
        try:
            answer = await self._patience.run(self._read, keys=[_key(subject) for subject in subjects], args=())
        except RedisAway as error:
            raise HealthRecordsUnavailable from error
        seconds, microseconds, *records = answer
        known = {subject: _decode(record) for subject, record in zip(subjects, records, strict=True) if record}
        return Sight(now=int(seconds) + int(microseconds) / 1_000_000, known=known)

    async def swap(self, changes: Sequence[HealthChange]) -> Sequence[bool]:
        keys = [_key(change.subject) for change in changes]
        arguments: list[bytes | int] = []
        for change in changes:
            arguments += [_encode(change.old), _encode(change.new), int(_forgotten_at(change.new) * 1000)]
        try:
            return [bool(swapped) for swapped in await self._patience.run(self._swap, keys=keys, args=arguments)]
        except RedisAway as error:
            raise HealthRecordsUnavailable from error


def _key(subject: Subject) -> str:
    return f"messaging:health:{subject.scope}:{subject.id}"


def _encode(health: Health) -> bytes:
    """The record of `health`; empty, which means no record, for a healthy sender or account."""
    return b"" if health == HEALTHY else _encoder.encode(health)


def _decode(record: bytes) -> Health:
    try:
        return _decoder.decode(record)
    except msgspec.DecodeError:
        # The record was written by another release. No swap by this release can match it, so it stays until it expires.
        return HEALTHY


def _forgotten_at(health: Health) -> float:
    return max(held_until(health), health.pace.lowered_at, health.breaker.since) + _KEPT_SECONDS
