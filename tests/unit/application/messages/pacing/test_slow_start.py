"""Few sends of an account leave before the first is answered, and all that may once answers come."""

import asyncio
from datetime import timedelta
from uuid import UUID

from messaging.application.messages.pacing.concurrency_limit import FIRST, ConcurrencyLimit, CountedSend, SendPace
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import AccountId
from tests.builders import a_state

ONE, OTHER = AccountId(UUID(int=1)), AccountId(UUID(int=2))
LONG = timedelta(seconds=60)


class Sends:
    """Sends that want to begin; `left` have begun, in that order."""

    def __init__(self, *, most: int = 64, answer_within: timedelta = LONG, idle: timedelta = LONG) -> None:
        pace = SendPace(answer_within=answer_within, idle=idle)
        self.left: list[CountedSend] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._limit = ConcurrencyLimit(concurrency=most, batch=100, pace=pace)

    async def want(self, count: int, *, account: AccountId = ONE, priority: Priority = Priority.DEFAULT) -> None:
        self.tasks += [asyncio.create_task(self._one(account, priority)) for _ in range(count)]
        await self.settle()

    async def answered(self, count: int, *, clear: bool | None = True) -> None:
        for send in self.left[:count]:
            self._limit.answered(send, clear)
            self._limit.leave(send)
        del self.left[:count]
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _one(self, account: AccountId, priority: Priority) -> None:
        send = self._limit.enter(a_state(account_id=account, priority=priority))
        await self._limit.begin(send)
        self.left.append(send)


async def test_a_burst_leaves_a_few_at_a_time_and_doubles_with_each_round_trip() -> None:
    sends = Sends()
    await sends.want(100)

    widths = []
    while sends.left:
        widths.append(len(sends.left))
        await sends.answered(len(sends.left))

    assert widths == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, 100 - 15 * FIRST]


async def test_there_are_never_more_on_their_way_than_all() -> None:
    sends = Sends(most=6)
    await sends.want(40)

    await sends.answered(4)
    await sends.answered(6)

    assert len(sends.left) == 6


async def test_even_where_fewer_than_the_first_may_leave_at_once_they_do() -> None:
    sends = Sends(most=1)

    await sends.want(3)

    assert len(sends.left) == 1


async def test_what_gets_no_clear_answer_makes_the_others_begin_anew() -> None:
    sends = Sends()
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
    sends = Sends()
    await sends.want(30)

    await sends.answered(4, clear=None)

    assert len(sends.left) == FIRST


async def test_an_account_in_trouble_does_not_hold_up_another() -> None:
    sends = Sends()
    await sends.want(20, account=ONE)
    await sends.want(20, account=OTHER)

    assert len(sends.left) == 2 * FIRST


async def test_the_most_urgent_do_not_wait() -> None:
    sends = Sends()
    await sends.want(20)

    await sends.want(3, priority=Priority.CRITICAL)

    assert len(sends.left) == FIRST + 3


async def test_a_slow_answer_does_not_hold_up_the_others() -> None:
    sends = Sends(answer_within=timedelta(milliseconds=10))
    await sends.want(3 * FIRST)

    await asyncio.wait(sends.tasks, timeout=60)

    assert len(sends.left) == 3 * FIRST


async def test_a_rare_sender_has_been_widened_by_nothing() -> None:
    sends = Sends()
    for _ in range(50):
        await sends.want(1)
        await sends.answered(1)

    await sends.want(20)

    assert len(sends.left) == FIRST


async def test_after_a_while_without_sends_it_begins_anew() -> None:
    sends = Sends(idle=timedelta(seconds=0.3))
    await sends.want(12)
    await sends.answered(4)
    await sends.answered(8)
    await asyncio.sleep(0.4)

    await sends.want(20)

    assert len(sends.left) == FIRST


async def test_whoever_stops_waiting_leaves_the_turn_to_the_next() -> None:
    sends = Sends()
    await sends.want(FIRST + 2)
    waiting = sends.tasks[FIRST]

    waiting.cancel()
    await sends.answered(1, clear=None)

    assert len(sends.left) == FIRST
    assert sends.tasks[FIRST + 1].done()


async def test_a_turn_that_came_too_late_is_given_back() -> None:
    sends = Sends()
    await sends.want(FIRST + 2)

    sends._limit.answered(sends.left.pop(), None)
    sends.tasks[FIRST].cancel()  # its turn has come in this very moment
    await sends.settle()

    assert len(sends.left) == FIRST
    assert sends.tasks[FIRST + 1].done()
