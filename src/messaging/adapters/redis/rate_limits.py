"""How fast may each sender go, across all processes? GCRA over all senders of a batch in one script call.

Per sender Redis holds one number, the theoretical arrival time (TAT): how far into the future the granted sends reach
at the allowed pace. A send is granted while the TAT is at most the burst ahead of now.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import monotonic

from redis.asyncio import Redis
from redis.exceptions import RedisError

from messaging.application.ports.rate_limits import Allowance
from messaging.domain.shared.ids import SenderId

log = logging.getLogger(__name__)

# Times in microseconds by Redis's clock, the only one all processes share.
# KEYS: per sender its TAT and its pause. ARGV: per sender wanted, interval, burst. Returns granted, wait per sender.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {}
for n = 1, #KEYS, 2 do
    local at = (n - 1) / 2 * 3
    local wanted = tonumber(ARGV[at + 1])
    local interval = tonumber(ARGV[at + 2])
    local burst = tonumber(ARGV[at + 3])
    local paused = redis.call('PTTL', KEYS[n + 1])
    if paused > 0 then
        answer[#answer + 1] = 0
        answer[#answer + 1] = paused * 1000
    else
        local tat = math.max(tonumber(redis.call('GET', KEYS[n]) or 0), now)
        local room = math.floor(burst - (tat - now) / interval + 0.000001)
        local granted = math.max(0, math.min(wanted, room))
        if granted > 0 then
            tat = tat + granted * interval
            local lives = math.ceil((tat - now) / 1000) + 1
            redis.call('SET', KEYS[n], string.format('%.0f', tat), 'PX', string.format('%.0f', lives))
        end
        local wait = 0
        if granted < wanted then wait = math.max(1, tat + interval - burst * interval - now) end
        answer[#answer + 1] = granted
        answer[#answer + 1] = math.ceil(wait)
    end
end
return answer
"""
_PAUSE = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], '1', 'PX', ARGV[1]) end
"""

# Without Redis every process is on its own, and how many there are nobody can tell it.
_PROCESSES_ASSUMED = 4
# How long to wait for Redis, and after a failure how long not to ask it: a batch must not wait for it every time.
_PATIENCE = 1.0
_REST = 1.0


class RedisRateLimits:
    """`share` is the part of the provider's limit that we use; what it leaves is the burst, so that no second, wherever
    it begins, sees more than the whole limit.
    """

    def __init__(self, *, redis: Redis, share: float = 0.9) -> None:
        self._take = redis.register_script(_TAKE)
        self._pause = redis.register_script(_PAUSE)
        self._share = share
        self._alone = _LocalLimits(share)
        self._asks_again_at = 0.0

    async def take(self, wanted: Sequence[tuple[SenderId, int, float]]) -> Mapping[SenderId, Allowance]:
        if not wanted:
            return {}
        if monotonic() < self._asks_again_at:
            return self._alone.take(wanted)
        keys: list[str] = []
        arguments: list[int | float] = []
        for sender, count, per_second in wanted:
            keys += [f"messaging:rate:{sender}:tat", f"messaging:rate:{sender}:pause"]
            arguments += [count, 1_000_000 / (per_second * self._share), _burst(per_second, self._share)]
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await self._take(keys=keys, args=arguments)
        except (RedisError, OSError) as error:
            self._rest(error)
            return self._alone.take(wanted)
        return {
            sender: Allowance(int(answer[2 * n]), timedelta(microseconds=int(answer[2 * n + 1])))
            for n, (sender, _, _) in enumerate(wanted)
        }

    async def slow_down(self, sender: SenderId, pause: timedelta) -> None:
        # Remembered here too: the pause must hold even if Redis goes away during it.
        self._alone.slow_down(sender, pause)
        milliseconds = max(1, int(pause.total_seconds() * 1000))
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._pause(keys=[f"messaging:rate:{sender}:pause"], args=[milliseconds])
        except (RedisError, OSError) as error:
            self._rest(error)

    def _rest(self, error: Exception) -> None:
        self._asks_again_at = monotonic() + _REST
        log.warning("rate_limits.on_their_own", extra={"error": type(error).__name__})


def _burst(per_second: float, share: float) -> int:
    return max(1, int(per_second * (1 - share) + 1e-6))


class _LocalLimits:
    """The same rule in this process's memory, by its own clock, for a fraction of the share."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._tat: dict[SenderId, float] = {}
        self._paused_until: dict[SenderId, float] = {}

    def take(self, wanted: Sequence[tuple[SenderId, int, float]]) -> Mapping[SenderId, Allowance]:
        now = monotonic()
        return {sender: self._one(sender, count, per_second, now) for sender, count, per_second in wanted}

    def slow_down(self, sender: SenderId, pause: timedelta) -> None:
        now = monotonic()
        self._paused_until = {known: until for known, until in self._paused_until.items() if until > now}
        until = now + pause.total_seconds()
        self._paused_until[sender] = max(until, self._paused_until.get(sender, until))

    def _one(self, sender: SenderId, count: int, per_second: float, now: float) -> Allowance:
        paused = self._paused_until.get(sender, now) - now
        if paused > 0:
            return Allowance(0, timedelta(seconds=paused))
        interval = _PROCESSES_ASSUMED / (per_second * self._share)
        burst = max(1, _burst(per_second, self._share) // _PROCESSES_ASSUMED)
        tat = max(self._tat.get(sender, now), now)
        granted = max(0, min(count, int(burst - (tat - now) / interval + 1e-6)))
        if granted:
            tat += granted * interval
            self._tat[sender] = tat
        wait = max(1e-6, tat + interval - burst * interval - now) if granted < count else 0.0
        return Allowance(granted, timedelta(seconds=wait))
