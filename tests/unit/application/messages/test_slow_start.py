"""Do few sends leave before the first is answered, and all that may once answers come?"""

import asyncio
from uuid import UUID

from messaging.application.messages.pacing.slow_start import FIRST, Departure, SlowStart
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import AccountId

ONE, OTHER = AccountId(UUID(int=1)), AccountId(UUID(int=2))
LONG = 60.0


class Sends:
    """Everybody who wants to leave; `left` are on their way, in the order in which they began."""

    def __init__(self, start: SlowStart) -> None:
        self.left: list[Departure] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._start = start

    async def want(self, count: int, *, account: AccountId = ONE, priority: Priority = Priority.DEFAULT) -> None:
        self.tasks += [asyncio.create_task(self._one(account, priority)) for _ in range(count)]
        await self.settle()

    async def answered(self, count: int, *, clear: bool | None = True) -> None:
        for departure in self.left[:count]:
            departure.ended(clear)
        del self.left[:count]
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _one(self, account: AccountId, priority: Priority) -> None:
        self.left.append(await self._start.enter(account, priority))


def slow_start(*, most: int = 64, patience: float = LONG, idle: float = LONG) -> SlowStart:
    return SlowStart(most=most, patience=patience, idle=idle)


async def test_a_burst_leaves_a_few_at_a_time_and_doubles_with_each_round_trip() -> None:
    sends = Sends(slow_start())
    await sends.want(100)

    widths = []
    while sends.left:
        widths.append(len(sends.left))
        await sends.answered(len(sends.left))

    assert widths == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, 100 - 15 * FIRST]


async def test_there_are_never_more_on_their_way_than_all() -> None:
    sends = Sends(slow_start(most=6))
    await sends.want(40)

    await sends.answered(4)
    await sends.answered(6)

    assert len(sends.left) == 6


async def test_even_where_fewer_than_the_first_may_leave_at_once_they_do() -> None:
    sends = Sends(slow_start(most=1))

    await sends.want(3)

    assert len(sends.left) == 1


async def test_what_gets_no_clear_answer_makes_the_others_begin_anew() -> None:
    sends = Sends(slow_start())
    await sends.want(100)
    await sends.answered(4)
    await sends.answered(8)

    await sends.answered(1, clear=False)
    # Those on their way are, and nobody follows until they have become few.
    follow_early = len(sends.left)
    await sends.answered(12, clear=None)

    assert follow_early == 15
    assert len(sends.left) == FIRST


async def test_what_was_never_asked_says_nothing() -> None:
    sends = Sends(slow_start())
    await sends.want(30)

    await sends.answered(4, clear=None)

    assert len(sends.left) == FIRST


async def test_an_account_in_trouble_does_not_hold_up_another() -> None:
    sends = Sends(slow_start())
    await sends.want(20, account=ONE)
    await sends.want(20, account=OTHER)

    assert len(sends.left) == 2 * FIRST


async def test_the_most_urgent_do_not_wait() -> None:
    sends = Sends(slow_start())
    await sends.want(20)

    await sends.want(3, priority=Priority.CRITICAL)

    assert len(sends.left) == FIRST + 3


async def test_a_slow_answer_does_not_hold_up_the_others() -> None:
    sends = Sends(slow_start(patience=0.01))
    await sends.want(3 * FIRST)

    await asyncio.wait(sends.tasks, timeout=60)

    assert len(sends.left) == 3 * FIRST


async def test_a_rare_sender_has_been_widened_by_nothing() -> None:
    sends = Sends(slow_start())
    for _ in range(50):
        await sends.want(1)
        await sends.answered(1)

    await sends.want(20)

    assert len(sends.left) == FIRST


async def test_after_a_while_without_sends_it_begins_anew() -> None:
    sends = Sends(slow_start(idle=0.3))
    await sends.want(12)
    await sends.answered(4)
    await sends.answered(8)
    await asyncio.sleep(0.4)

    await sends.want(20)

    assert len(sends.left) == FIRST


async def test_whoever_stops_waiting_leaves_the_turn_to_the_next() -> None:
    sends = Sends(slow_start())
    await sends.want(FIRST + 2)
    waiting = sends.tasks[FIRST]

    waiting.cancel()
    await sends.answered(1, clear=None)

    assert len(sends.left) == FIRST
    assert sends.tasks[FIRST + 1].done()


async def test_a_turn_that_came_too_late_is_given_back() -> None:
    sends = Sends(slow_start())
    await sends.want(FIRST + 2)

    sends.left.pop().ended(None)
    sends.tasks[FIRST].cancel()  # its turn has come in this very moment
    await sends.settle()

    assert len(sends.left) == FIRST
    assert sends.tasks[FIRST + 1].done()
