"""Rate limits of sending, shared by all processes: GCRA over all buckets of a batch in one script call.

Per bucket Redis holds one number, the theoretical arrival time (TAT): the moment up to which the granted messages use
up the allowed rate. A message is granted while each of its buckets' TATs is at most the burst ahead of now. It may be
sent at the latest of these TATs, and all of its buckets continue from there: so in no bucket are two messages closer
than its interval. Redis also holds the TAT at a quarter of the rate: while that one is hardly ahead of now, the bucket
is calm. A borrowing bucket holds two numbers too: its TAT, which is when the debt is paid, and when the borrowing
began. A bucket with a period holds how many messages were granted in each part of the period, as `part=count;…`.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec
from redis.asyncio import Redis

from messaging.adapters.redis.connections import Patience, RedisAway
from messaging.adapters.redis.local_limits import LocalLimits
from messaging.application.ports.rate_limits import Bucket, Verdict

# Times are in microseconds by Redis's clock, the only clock that all processes share.
# KEYS[1] holds the time since which Redis has kept its data; the other keys are the buckets.
# ARGV[1] is a JSON object: `terms`, each bucket's interval, burst, window and period, and `messages`, the numbers of
# each message's buckets among them. ARGV[2] says how far ahead of now the TAT of a calm bucket may be.
# The answer has three numbers per message: the position of the bucket that denied it (0: none did); a wait, until the
# message may ask again if denied, or until it may be sent if granted; and 1 if all of its buckets are calm.
#
# A bucket has no key if it was idle until it was full, or if Redis has lost its data. KEYS[1] tells the two apart:
# after a loss, buckets start empty, and a pair may borrow only a fifth of its burst. A period is counted anew.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('SET', KEYS[1], string.format('%.0f', now), 'NX')
local since = tonumber(redis.call('GET', KEYS[1]))
local given = cjson.decode(ARGV[1])
local stored = redis.call('MGET', unpack(KEYS, 2))
local buckets = {}
local function counted(bucket, text)
    bucket.width = bucket.period / 144
    bucket.part, bucket.used, bucket.counts, bucket.oldest = math.floor(now / bucket.width), 0, {}, nil
    for part, count in string.gmatch(text or '', '(%d+)=(%d+)') do
        part, count = tonumber(part), tonumber(count)
        if part >= bucket.part - 144 then
            bucket.counts[part] = count
            bucket.used = bucket.used + count
            bucket.oldest = math.min(bucket.oldest or part, part)
        end
    end
    return bucket
end
local function timed(bucket, text)
    local forgotten_until = since + bucket.burst * bucket.interval
    if bucket.window > 0 and now < forgotten_until then bucket.burst = math.max(1, math.floor(bucket.burst / 5)) end
    if text then
        local tat, beside = string.match(text, '^(%d+):?(%d*)$')
        bucket.tat, bucket.beside = tonumber(tat), tonumber(beside) or tonumber(tat)
    else
        bucket.tat = bucket.window > 0 and 0 or forgotten_until
        bucket.beside = bucket.tat
    end
    if bucket.tat <= now then
        bucket.tat = now
        if bucket.window > 0 then bucket.beside = now end
    end
    return bucket
end
for n, terms in ipairs(given.terms) do
    local bucket = {interval = terms[1], burst = terms[2], window = terms[3], period = terms[4], later = 0}
    buckets[n] = bucket.period > 0 and counted(bucket, stored[n]) or timed(bucket, stored[n])
end
local function wait_for(bucket)
    if bucket.period > 0 then
        if bucket.used < bucket.burst then return 0 end
        return math.max(1, ((bucket.oldest or bucket.part) + 145) * bucket.width - now)
    end
    if bucket.window == 0 then
        -- A number of today's size has no finer fraction than a quarter of a microsecond, and a batch adds many.
        return math.max(0, bucket.tat - now - (bucket.burst - 1) * bucket.interval - 50)
    end
    local borrowed = math.floor((bucket.tat - bucket.beside) / bucket.interval + 0.5)
    if bucket.tat <= now or (now < bucket.beside + bucket.window and borrowed < bucket.burst) then return 0 end
    return bucket.tat - now + bucket.later * bucket.interval
end
local answer = {}
for _, places in ipairs(given.messages) do
    local denied_by, longest = 0, 0
    for place, n in ipairs(places) do
        local wait = wait_for(buckets[n])
        if wait > longest then denied_by, longest = place, wait end
    end
    local slot, calm = now, 1
    for _, n in ipairs(places) do
        local bucket = buckets[n]
        if bucket.window == 0 and bucket.period == 0 then
            slot = math.max(slot, bucket.tat)
            if bucket.beside > now + ARGV[2] then calm = 0 end
        end
    end
    for place, n in ipairs(places) do
        local bucket = buckets[n]
        if denied_by == 0 then
            if bucket.period > 0 then
                bucket.used = bucket.used + 1
                bucket.counts[bucket.part] = (bucket.counts[bucket.part] or 0) + 1
                bucket.oldest = bucket.oldest or bucket.part
            elseif bucket.window == 0 then
                bucket.tat = slot + bucket.interval
                bucket.beside = math.max(bucket.beside, now) + 4 * bucket.interval
            else
                bucket.tat = bucket.tat + bucket.interval
            end
            bucket.taken = true
        elseif denied_by == place then
            bucket.later = bucket.later + 1
        end
    end
    answer[#answer + 1] = denied_by
    answer[#answer + 1] = math.ceil(denied_by == 0 and slot - now or longest)
    answer[#answer + 1] = calm
end
for n, bucket in ipairs(buckets) do
    if bucket.taken and bucket.period > 0 then
        local parts = {}
        for part, count in pairs(bucket.counts) do parts[#parts + 1] = string.format('%.0f=%.0f', part, count) end
        local lives = string.format('%.0f', bucket.period / 1000 * 1.1)
        redis.call('SET', KEYS[n + 1], table.concat(parts, ';'), 'PX', lives)
    elseif bucket.taken then
        local value = string.format('%.0f:%.0f', bucket.tat, bucket.beside)
        local lives = math.ceil((math.max(bucket.tat, bucket.beside) - now) / 1000) + 1
        redis.call('SET', KEYS[n + 1], value, 'PX', string.format('%.0f', lives))
    end
end
return answer
"""
# Moves the TAT of a bucket whose tokens were used up in any case. A bucket without a key was idle: it starts from now.
_CHARGE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tat, beside = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+):(%d+)$')
local more = ARGV[1] * ARGV[2]
tat = math.max(tonumber(tat) or now, now) + more
beside = math.max(tonumber(beside) or now, now) + 4 * more
local lives = math.ceil((math.max(tat, beside) - now) / 1000) + 1
redis.call('SET', KEYS[1], string.format('%.0f:%.0f', tat, beside), 'PX', string.format('%.0f', lives))
"""
_SINCE: Final = "messaging:rate:since"

# Microseconds. A bucket is calm while no more was taken at once than a quarter of the rate grants in this time, which
# is 5 % of a second's tokens.
_CALM_AHEAD: Final = 200_000
# Seconds. Database rows are locked while Redis is asked.
_PATIENCE: Final = 0.25

_json = msgspec.json.Encoder()


class RedisRateLimits:
    """Rate limits in Redis; while Redis is away, each process grants a fraction of each limit by itself."""

    def __init__(self, *, redis: Redis) -> None:
        self._take = redis.register_script(_TAKE)
        self._charge = redis.register_script(_CHARGE)
        self._alone = LocalLimits()
        self._patience = Patience(seconds=_PATIENCE, event="rate_limits.on_their_own")

    async def take(self, wanted: Sequence[Sequence[Bucket]]) -> Sequence[Verdict]:
        if not wanted:
            return ()
        buckets = {bucket.key: bucket for of_message in wanted for bucket in of_message}
        place = {key: number for number, key in enumerate(buckets, start=1)}
        terms = [(it.interval * 1e6, it.burst, it.window * 1e6, it.period * 1e6) for it in buckets.values()]
        messages = [[place[bucket.key] for bucket in of_message] for of_message in wanted]
        given = _json.encode({"terms": terms, "messages": messages})
        try:
            answer = await self._patience.run(self._take, keys=[_SINCE, *map(_key, buckets)], args=[given, _CALM_AHEAD])
        except RedisAway:
            return self._alone.take(wanted)
        return [
            Verdict(denied_by - 1 if denied_by else None, timedelta(microseconds=wait), calm=bool(calm))
            for denied_by, wait, calm in zip(answer[::3], answer[1::3], answer[2::3], strict=True)
        ]

    async def charge(self, bucket: Bucket, tokens: int) -> None:
        try:
            await self._patience.run(self._charge, keys=[_key(bucket.key)], args=[int(bucket.interval * 1e6), tokens])
        except RedisAway:
            self._alone.charge(bucket, tokens)


def _key(bucket: str) -> str:
    return f"messaging:rate:{bucket}"
