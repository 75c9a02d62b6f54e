"""Whom does a result blame, and what follows for the sender and for its account?"""

from datetime import timedelta

import pytest

from messaging.domain.messages.pacing.breaker import BreakerState, Trouble
from messaging.domain.messages.pacing.pace import LOWERED, factor_at
from messaging.domain.messages.pacing.sender_health import HEALTHY, Health, Observation, blame, held_until, record
from messaging.domain.messages.retry import (
    Rejected,
    Scope,
    SendResult,
    Sent,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
)

NOW = 1_000.0


def after(*results: SendResult, scope: Scope = Scope.SENDER) -> Health:
    health = HEALTHY
    for result in results:
        health = record(health, scope, Observation(result=result, began=NOW), now=NOW)
    return health


def rejected(scope: Scope) -> Rejected:
    return Rejected(code="1", reason="no", scope=scope)


def unavailable(scope: Scope) -> Unavailable:
    return Unavailable(code="1", reason="not now", scope=scope)


def throttled(scope: Scope) -> Throttled:
    return Throttled(code="1", reason="too fast", scope=scope, retry_after=timedelta(seconds=5))


@pytest.mark.parametrize(
    ("result", "blamed"),
    [
        (Sent(provider_message_id="wamid.1"), None),
        (rejected(Scope.MESSAGE), None),
        (rejected(Scope.RECIPIENT), None),
        (rejected(Scope.TEMPLATE), None),
        (rejected(Scope.SENDER), (Scope.SENDER, Trouble.RESTRICTED)),
        (rejected(Scope.ACCOUNT), (Scope.ACCOUNT, Trouble.RESTRICTED)),
        (unavailable(Scope.TEMPLATE), None),
        (unavailable(Scope.SENDER), (Scope.SENDER, Trouble.UNAVAILABLE)),
        (unavailable(Scope.CREDENTIAL), (Scope.ACCOUNT, Trouble.UNAUTHORIZED)),
        (throttled(Scope.SENDER), None),
        (Uncertain(reason="no answer"), (Scope.SENDER, Trouble.UNAVAILABLE)),
        (Unreachable(reason="refused"), (Scope.SENDER, Trouble.UNAVAILABLE)),
        (Unreachable(reason="busy", code="no_free_connection"), None),
        (Unreachable(reason="no database", code="start_not_written"), None),
        (Unreachable(reason="no time", code="no_slot"), None),
    ],
)
def test_only_what_would_have_failed_any_message_is_blamed(
    result: SendResult, blamed: tuple[Scope, Trouble] | None
) -> None:
    assert blame(result) == blamed


def test_refusals_of_messages_never_open_a_breaker() -> None:
    health = after(*[rejected(Scope.MESSAGE), rejected(Scope.RECIPIENT), rejected(Scope.TEMPLATE)] * 20)

    assert health == HEALTHY


def test_refused_credentials_stop_the_account_and_not_the_sender() -> None:
    refused = unavailable(Scope.CREDENTIAL)

    assert after(refused, scope=Scope.ACCOUNT).breaker.state is BreakerState.OPEN
    assert after(refused, scope=Scope.SENDER) == HEALTHY


def test_a_complaint_about_speed_slows_whom_it_names() -> None:
    sender = after(throttled(Scope.ACCOUNT), scope=Scope.SENDER)
    account = after(throttled(Scope.ACCOUNT), scope=Scope.ACCOUNT)

    assert sender == HEALTHY
    assert factor_at(account.pace, NOW) == LOWERED
    assert held_until(account) == NOW + 5


def test_a_complaint_about_a_pair_or_a_template_slows_nobody_else() -> None:
    assert after(throttled(Scope.RECIPIENT), throttled(Scope.TEMPLATE)) == HEALTHY


def test_our_own_shortages_neither_open_nor_close() -> None:
    failing = after(*[Uncertain(reason="no answer")] * 4)
    own = Unreachable(reason="busy", code="no_free_connection")

    assert record(failing, Scope.SENDER, Observation(result=own, began=NOW), now=NOW) == failing


def test_nothing_holds_a_sender_in_good_health() -> None:
    assert held_until(HEALTHY) == 0.0
