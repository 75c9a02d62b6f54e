"""Which sender does a message leave from?"""

from datetime import timedelta
from uuid import UUID

import pytest

from messaging.domain.channels.address import Channel, Phone, Recipient, ScopedUser
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import SenderId
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.routing import RoutingRule, route
from messaging.domain.tenants.tenant import Sender, SenderStatus
from tests.builders import ANA, NOON, SENDER, a_rule, a_sender

FIRST, SECOND, THIRD = (SenderId(UUID(int=number)) for number in (1, 2, 3))


def choose(
    *senders: Sender,
    rules: tuple[RoutingRule, ...] = (),
    recipient: Recipient | None = ANA,
    requested: SenderId | None = None,
    mode: Mode = Mode.LIVE,
) -> Sender | Violation:
    return route(
        channel=Channel.WHATSAPP, mode=mode, recipient=recipient, requested=requested, senders=senders, rules=rules
    )


def chosen(choice: Sender | Violation) -> SenderId:
    assert isinstance(choice, Sender)
    return choice.id


def refused(choice: Sender | Violation) -> tuple[str, str]:
    assert isinstance(choice, Violation)
    return choice.pointer, choice.code


def test_the_callers_choice_comes_first() -> None:
    senders = (a_sender(id=FIRST, rank=0), a_sender(id=SECOND, rank=1))

    assert chosen(choose(*senders, requested=SECOND, rules=(a_rule(sender_id=FIRST),))) == SECOND


def test_without_rules_the_lowest_rank_is_taken_then_the_oldest_then_the_lowest_id() -> None:
    by_rank = (a_sender(id=FIRST, rank=2), a_sender(id=SECOND, rank=1))
    by_age = (a_sender(id=FIRST, created_at=NOON), a_sender(id=SECOND, created_at=NOON - timedelta(days=1)))
    by_id = (a_sender(id=SECOND), a_sender(id=FIRST))

    assert chosen(choose(*by_rank)) == SECOND
    assert chosen(choose(*by_age)) == SECOND
    assert chosen(choose(*by_id)) == FIRST


def test_the_first_rule_that_matches_the_recipient_decides() -> None:
    senders = (a_sender(id=FIRST), a_sender(id=SECOND), a_sender(id=THIRD))
    rules = (
        a_rule(sender_id=THIRD, position=9),
        a_rule(sender_id=SECOND, position=1, prefixes=("+49", "+1415")),
        a_rule(sender_id=FIRST, position=0, prefixes=("+44",)),
    )

    assert chosen(choose(*senders, rules=rules, recipient=Phone("+14155552671"))) == SECOND
    assert chosen(choose(*senders, rules=rules, recipient=Phone("+4915123456789"))) == SECOND
    assert chosen(choose(*senders, rules=rules, recipient=Phone("+447700900123"))) == FIRST
    assert chosen(choose(*senders, rules=rules, recipient=Phone("+5511987654321"))) == THIRD


@pytest.mark.parametrize("recipient", [None, ScopedUser("US.13491208655302741918")])
def test_rules_by_prefix_do_not_match_who_has_no_number(recipient: Recipient | None) -> None:
    senders = (a_sender(id=FIRST), a_sender(id=SECOND))
    rules = (a_rule(sender_id=SECOND, prefixes=("+1",)),)

    assert chosen(choose(*senders, rules=rules, recipient=recipient)) == FIRST


@pytest.mark.parametrize(
    "unusable",
    [
        {"status": SenderStatus.PAUSED},
        {"mode": Mode.TEST},
        {"channel": Channel.SMS},
    ],
)
def test_a_rule_cannot_lead_to_a_sender_that_may_not_be_used(unusable: dict[str, object]) -> None:
    senders = (a_sender(id=FIRST), a_sender(id=SECOND, **unusable))

    assert chosen(choose(*senders, rules=(a_rule(sender_id=SECOND),))) == FIRST


def test_rules_of_other_channels_are_passed_over() -> None:
    senders = (a_sender(id=FIRST), a_sender(id=SECOND))

    assert chosen(choose(*senders, rules=(a_rule(channel=Channel.SMS, sender_id=SECOND),))) == FIRST


@pytest.mark.parametrize(
    ("sender", "code"),
    [
        (a_sender(id=SECOND), "sender_unknown"),
        (a_sender(mode=Mode.TEST), "sender_unknown"),
        (a_sender(channel=Channel.SMS), "sender_channel_mismatch"),
        (a_sender(status=SenderStatus.PAUSED), "sender_paused"),
    ],
)
def test_a_chosen_sender_that_does_not_fit_is_refused_with_its_reason(sender: Sender, code: str) -> None:
    assert refused(choose(sender, requested=SENDER)) == ("/from", code)


def test_a_test_key_never_reaches_a_live_sender() -> None:
    assert refused(choose(a_sender(), mode=Mode.TEST)) == ("/channel", "no_sender")
    assert refused(choose(a_sender(), mode=Mode.TEST, requested=SENDER)) == ("/from", "sender_unknown")


def test_without_any_usable_sender_the_channel_is_refused() -> None:
    assert refused(choose()) == ("/channel", "no_sender")
    assert refused(choose(a_sender(status=SenderStatus.PAUSED))) == ("/channel", "no_sender")
