"""When does a breaker open, when may a probe go, and what closes it again?"""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.messages.pacing.breaker import (
    PROBE_SECONDS,
    RULES,
    Breaker,
    BreakerState,
    Trouble,
    answer,
    fail,
    probe,
    renew,
    succeed,
)

NOW = 1_000.0


def failed(times: int, trouble: Trouble = Trouble.UNAVAILABLE, *, breaker: Breaker | None = None) -> Breaker:
    breaker = breaker or Breaker()
    for _ in range(times):
        breaker = fail(breaker, trouble, code="x", began=NOW, now=NOW, credentials="old")
    return breaker


@pytest.mark.parametrize("trouble", Trouble)
def test_it_opens_after_as_many_failures_in_a_row_as_the_trouble_asks_for(trouble: Trouble) -> None:
    before, after = failed(RULES[trouble].failures - 1, trouble), failed(RULES[trouble].failures, trouble)

    assert before.state is BreakerState.CLOSED
    assert after.state is BreakerState.OPEN
    assert (after.since, after.retry_at, after.trouble, after.code) == (NOW, NOW + RULES[trouble].first, trouble, "x")


def test_a_success_in_between_begins_the_row_anew() -> None:
    breaker = succeed(failed(4), began=NOW, now=NOW)

    assert failed(4, breaker=breaker).state is BreakerState.CLOSED


def test_refused_credentials_open_it_at_once() -> None:
    assert failed(1, Trouble.UNAUTHORIZED).state is BreakerState.OPEN


def test_failures_of_what_was_under_way_when_it_opened_do_not_prolong_the_wait() -> None:
    opened = failed(5)

    assert failed(60, breaker=opened) == opened


def test_a_failed_probe_doubles_the_wait_up_to_the_longest() -> None:
    breaker, waits, now = failed(5), [], NOW
    for _ in range(6):
        waits.append(breaker.retry_at - now)
        now = breaker.retry_at
        breaker = fail(probe(breaker, now=now), Trouble.UNAVAILABLE, code="x", began=now, now=now)

    assert waits == [1, 2, 4, 8, 15, 15]


def test_a_successful_probe_closes_it_and_the_next_outage_begins_with_the_shortest_wait() -> None:
    twice = failed(1, breaker=probe(failed(5), now=NOW))
    closed = succeed(probe(twice, now=NOW + 2), began=NOW + 2, now=NOW + 3)
    again = closed
    for _ in range(5):
        again = fail(again, Trouble.UNAVAILABLE, code="x", began=NOW + 4, now=NOW + 4)

    assert (closed.state, closed.openings) == (BreakerState.CLOSED, 0)
    assert again.retry_at == NOW + 5


def test_a_probe_without_news_makes_room_for_another() -> None:
    probing = probe(failed(5), now=NOW + 1)

    assert (probing.state, probing.retry_at) == (BreakerState.HALF_OPEN, NOW + 1 + PROBE_SECONDS)


def test_what_began_before_the_probe_says_nothing_about_it() -> None:
    probing = probe(failed(5), now=NOW + 1)

    assert fail(probing, Trouble.UNAVAILABLE, code="x", began=NOW, now=NOW + 2) == probing
    assert succeed(probing, began=NOW, now=NOW + 2) == probing


def test_what_began_before_it_closed_does_not_open_it_again() -> None:
    closed = succeed(probe(failed(5), now=NOW + 1), began=NOW + 1, now=NOW + 2)

    assert failed(60, breaker=closed) == closed


def test_a_judgement_of_the_message_proves_that_the_provider_is_back_but_not_that_a_restriction_ended() -> None:
    unavailable, restricted = failed(5), failed(5, Trouble.RESTRICTED)

    assert answer(probe(unavailable, now=NOW), began=NOW, now=NOW).state is BreakerState.CLOSED
    assert answer(probe(restricted, now=NOW), began=NOW, now=NOW).state is BreakerState.HALF_OPEN


def test_other_credentials_close_what_the_old_ones_opened_and_nothing_else() -> None:
    unauthorized, unavailable = failed(1, Trouble.UNAUTHORIZED), failed(5)

    assert renew(unauthorized, credentials="old", now=NOW) == unauthorized
    assert renew(unauthorized, credentials="new", now=NOW).state is BreakerState.CLOSED
    assert renew(unavailable, credentials="new", now=NOW) == unavailable


@dataclass
class _Run:
    """A provider that is away for a while, seen through a breaker that is asked before each send."""

    breaker: Breaker
    now: float = NOW
    sent: int = 0

    def step(self, seconds: float, *, away: bool) -> None:
        self.now += seconds
        if self.breaker.state is not BreakerState.CLOSED:
            if self.now < self.breaker.retry_at:
                return
            self.breaker = probe(self.breaker, now=self.now)
        self.sent += 1
        if away:
            self.breaker = fail(self.breaker, Trouble.UNAVAILABLE, code="x", began=self.now, now=self.now)
        else:
            self.breaker = succeed(self.breaker, began=self.now, now=self.now)


@given(outage=st.lists(st.floats(0.01, 5), min_size=5, max_size=200), back=st.lists(st.floats(0.01, 5), max_size=5))
def test_an_outage_costs_few_sends_and_its_end_is_noticed_within_the_longest_wait(
    outage: list[float], back: list[float]
) -> None:
    run = _Run(Breaker())
    for seconds in outage:
        run.step(seconds, away=True)
    lasted, spent = run.now - NOW, run.sent
    for seconds in [*back, *[1.0] * 16]:
        run.step(seconds, away=False)

    # Five to open it, four while the wait doubles, then one in fifteen seconds.
    assert spent <= 5 + 4 + lasted / 15 + 1
    assert run.breaker.state is BreakerState.CLOSED
