"""Quotas of submitted messages, shared by all API processes, without a call to Redis for every request.

Redis counts what a window has handed out. A process takes portions of it in advance and grants requests from those.
Nothing is granted that Redis has not counted, so all processes together never exceed a quota. The price is that a
portion lies unused in a process that gets no requests: a caller may be refused while other processes still hold up to
a fiftieth of the quota each.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Final

from msgspec import Struct
from redis.asyncio import Redis

from messaging.adapters.redis.connections import Patience, RedisAway
from messaging.application.ports.submission_limits import Balance, Exceeded, Taken, Wanted
from messaging.domain.tenants.limits import Quota

# KEYS: one counter each, the number of messages handed out in the current window; the window ends when the key expires.
# ARGV, per counter: the smallest number of messages worth taking, the largest, the quota, and the window's seconds.
# Returns per counter: messages taken, messages left, and milliseconds until the window ends.
_TAKE: Final = """
local answer = {}
for n = 1, #KEYS do
    local at = (n - 1) * 4
    local quota = tonumber(ARGV[at + 3])
    local used = tonumber(redis.call('GET', KEYS[n]) or 0)
    local taken = math.max(0, math.min(tonumber(ARGV[at + 2]), quota - used))
    if taken < tonumber(ARGV[at + 1]) then taken = 0 end
    if taken > 0 then
        redis.call('INCRBY', KEYS[n], taken)
        if used == 0 then redis.call('PEXPIRE', KEYS[n], tonumber(ARGV[at + 4]) * 1000) end
    end
    local ends = redis.call('PTTL', KEYS[n])
    if ends < 0 then ends = tonumber(ARGV[at + 4]) * 1000 end
    answer[#answer + 1] = taken
    answer[#answer + 1] = math.max(0, quota - used - taken)
    answer[#answer + 1] = ends
end
return answer
"""

# A process takes this fraction of a quota (1/50) at a time.
_PORTIONS: Final = 50
# The number of processes that share a quota, as a guess: without Redis a process cannot count the others.
_PROCESSES_ASSUMED: Final = 4
# Seconds; longer than for other calls to Redis, because a process that gets no answer goes on alone for a whole window.
_PATIENCE: Final = 1.0
_MOST: Final = 10_000


class _Lease(Struct):
    """This process's portion of a quota, in messages: `held` may be granted until `ends` (monotonic seconds).

    `left` is what Redis had not handed out to any process when it was last asked.
    """

    held: int
    left: int
    ends: float


class RedisSubmissionQuotas:
    def __init__(self, *, redis: Redis) -> None:
        self._take = redis.register_script(_TAKE)
        # The quota is part of the key, so that a raised limit takes effect at once although the old one is used up.
        self._leases: dict[tuple[str, Quota], _Lease] = {}
        self._asking = asyncio.Lock()
        self._patience = Patience(seconds=_PATIENCE, event="submission_limits.on_their_own")

    async def take(self, wanted: Sequence[Wanted]) -> Taken | Exceeded:
        if (taken := self._grant_from_memory(wanted)) is not None:
            return taken
        async with self._asking:
            # Checked again after each wait: a request that waited for the lock may find that the one before it took
            # enough for both, and one that asked Redis may find that another has used up what it took.
            while lacking := self._lacking(wanted):
                await self._replenish(lacking)
            return self._grant(wanted)

    def _grant_from_memory(self, wanted: Sequence[Wanted]) -> Taken | None:
        """Grant from what this process holds, as for nearly every request; None if it holds too little of something."""
        now = monotonic()
        leases = []
        for each in wanted:
            lease = self._leases.get(_key(each))
            if lease is None or lease.ends <= now or lease.held < each.count:
                return None
            leases.append(lease)
        return _taken(wanted, leases, now)

    def _lacking(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """The counters to ask Redis about: too little of them is held here, and Redis may have enough left."""
        now = monotonic()
        return [
            each
            for each in wanted
            if (lease := self._leases.get(_key(each))) is None
            or lease.ends <= now
            or lease.held < each.count <= lease.held + lease.left
        ]

    def _grant(self, wanted: Sequence[Wanted]) -> Taken | Exceeded:
        now = monotonic()
        leases = [self._leases[_key(each)] for each in wanted]
        short = [
            _balance(each, lease, now) for each, lease in zip(wanted, leases, strict=True) if lease.held < each.count
        ]
        if not short:
            return _taken(wanted, leases, now)
        balances = (_balance(each, lease, now) for each, lease in zip(wanted, leases, strict=True))
        return Exceeded(max(short, key=lambda it: it.resets_in), tuple(balances))

    async def _replenish(self, lacking: Sequence[Wanted]) -> None:
        now = monotonic()
        self._forget_ended(now)
        needs = [each.count - self._held(each) for each in lacking]
        arguments: list[int] = []
        for each, need in zip(lacking, needs, strict=True):
            quota = each.policy.quota
            arguments += [need, max(need, quota.messages // _PORTIONS), quota.messages, quota.seconds]
        try:
            answer = await self._patience.run(self._take, keys=[_counted_at(each) for each in lacking], args=arguments)
        except RedisAway:
            return self._share_alone(lacking, now)
        for n, each in enumerate(lacking):
            taken, left, milliseconds = (int(number) for number in answer[3 * n : 3 * n + 3])
            # `now` was read before Redis was asked, so the window ends here before it ends in Redis, never after.
            self._leases[_key(each)] = _Lease(self._held(each) + taken, left, now + milliseconds / 1000)

    def _share_alone(self, lacking: Sequence[Wanted], now: float) -> None:
        """Start a window with this process's assumed share of the quota; Redis is asked again when the window ends."""
        for each in lacking:
            quota = each.policy.quota
            self._leases[_key(each)] = _Lease(max(1, quota.messages // _PROCESSES_ASSUMED), 0, now + quota.seconds)

    def _held(self, each: Wanted) -> int:
        lease = self._leases.get(_key(each))
        return 0 if lease is None or lease.ends <= monotonic() else lease.held

    def _forget_ended(self, now: float) -> None:
        if len(self._leases) > _MOST:
            self._leases = {key: lease for key, lease in self._leases.items() if lease.ends > now}


def _taken(wanted: Sequence[Wanted], leases: Sequence[_Lease], now: float) -> Taken:
    balances = []
    for each, lease in zip(wanted, leases, strict=True):
        lease.held -= each.count
        balances.append(_balance(each, lease, now))
    return Taken(tuple(balances))


def _balance(each: Wanted, lease: _Lease, now: float) -> Balance:
    return Balance(each.policy, lease.held + lease.left, max(0.0, lease.ends - now))


def _key(each: Wanted) -> tuple[str, Quota]:
    return each.counter, each.policy.quota


def _counted_at(each: Wanted) -> str:
    return f"messaging:submissions:{each.counter}:{each.policy.quota.seconds}"
