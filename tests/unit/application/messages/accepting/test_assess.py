"""A submission becomes a message, or a list of everything that is wrong with it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.application.messages.accepting.assess import (
    Invalid,
    Routed,
    Submission,
    Unreadable,
    assess,
    assess_rest,
    compose,
    contacts_to_look_up,
    recipient_indexes,
    window_state,
)
from messaging.application.ports.providers.descriptor import CarriedChannels
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.domain.channels.address import Channel, EmailAddress, Phone, ScopedUser
from messaging.domain.channels.whatsapp import WHATSAPP
from messaging.domain.content.email import Email
from messaging.domain.messages.message import Category, Priority
from messaging.domain.messages.retry import DURABLE, SIMPLE
from messaging.domain.messages.state import State
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import SenderId
from messaging.domain.shared.unclear import OnUnknown, UnclearByMode, UnclearChoices
from messaging.domain.templates.template import TemplateCategory
from messaging.domain.tenants.tenant import SenderStatus
from tests.builders import (
    ACCOUNT,
    MESSAGE,
    NOON,
    SENDER,
    TEMPLATE,
    TENANT,
    a_principal,
    a_rule,
    a_sender,
    a_snapshot,
    a_template,
    a_template_message,
    a_tenant,
    a_text,
)
from tests.unit.application.webhooks.doubles import CIPHER

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
VALIDITY = WHATSAPP.validity[Category.AUTHENTICATION]
BSUID = "US.13491208655302741918"


def a_submission(**changes: Any) -> Submission:
    """The template message to Ana that `a_snapshot()` can send."""
    fields: dict[str, Any] = {"to": "+14155552671", "channel": Channel.WHATSAPP, "content": a_template_message()}
    return Submission(**(fields | changes))


def judged(facts: TenantSnapshot | None = None, **changes: Any) -> Routed | Invalid:
    principal = a_principal()
    return assess(principal, a_submission(**changes), (facts or a_snapshot()).in_mode(principal.mode), now=NOON)


def routed(facts: TenantSnapshot | None = None, **changes: Any) -> Routed:
    result = judged(facts, **changes)
    assert isinstance(result, Routed)
    return result


def faults(facts: TenantSnapshot | None = None, **changes: Any) -> list[tuple[str, str]]:
    result = judged(facts, **changes)
    assert isinstance(result, Invalid)
    return [(violation.pointer, violation.code) for violation in result.violations]


def a_code() -> TenantSnapshot:
    """The template is one for authentication codes."""
    return a_snapshot(templates=(a_template(category=TemplateCategory.AUTHENTICATION),))


# --- what passes ------------------------------------------------------------------------------------------------------


def test_a_template_brings_its_category_and_that_its_priority() -> None:
    result = routed()

    assert (result.recipient, result.sender.id) == (Phone("+14155552671"), SENDER)
    assert result.template is not None
    assert (result.template.id, result.category, result.priority) == (TEMPLATE, Category.UTILITY, Priority.DEFAULT)


@pytest.mark.parametrize(
    ("asked", "category", "priority"),
    [
        ({}, Category.SERVICE, Priority.HIGH),
        ({"category": Category.MARKETING}, Category.MARKETING, Priority.LOW),
        ({"priority": Priority.CRITICAL}, Category.SERVICE, Priority.CRITICAL),
    ],
)
def test_free_text_is_service_unless_told_otherwise(
    asked: dict[str, Any], category: Category, priority: Priority
) -> None:
    result = routed(content=a_text(), **asked)

    assert (result.template, result.category, result.priority) == (None, category, priority)


def test_the_category_of_the_template_may_be_repeated() -> None:
    assert routed(category=Category.UTILITY).category is Category.UTILITY


@pytest.mark.parametrize(
    ("own", "of_template", "of_tenant", "expected"),
    [
        (None, None, None, OnUnknown.HOLD),
        (None, None, OnUnknown.RESEND, OnUnknown.RESEND),
        (None, OnUnknown.HOLD, OnUnknown.RESEND, OnUnknown.HOLD),
        (OnUnknown.RESEND, OnUnknown.HOLD, OnUnknown.HOLD, OnUnknown.RESEND),
    ],
)
def test_the_nearest_choice_for_unclear_outcomes_counts(
    own: OnUnknown | None, of_template: OnUnknown | None, of_tenant: OnUnknown | None, expected: OnUnknown
) -> None:
    tenant = a_tenant(on_unknown=UnclearByMode(live=UnclearChoices(default=of_tenant)))
    facts = a_snapshot(tenant=tenant, templates=(a_template(on_unknown=of_template),))

    assert routed(facts, on_unknown=own).on_unknown is expected


# --- what does not ----------------------------------------------------------------------------------------------------


def test_everything_wrong_is_listed_at_once() -> None:
    found = faults(
        to="nobody",
        content=a_template_message(variables={"1": "Ana"}),
        reference="x" * 500,
        expires_at=NOON - SECOND,
        category=Category.MARKETING,
    )

    assert found == [
        ("/to", "recipient_invalid"),
        ("/reference", "reference_invalid"),
        ("/expires_at", "expires_at_past"),
        ("/content/variables/2", "variable_missing"),
        ("/category", "category_mismatch"),
    ]


def test_content_is_judged_by_its_own_rules_too() -> None:
    assert faults(content=a_text(body="")) == [("/content/body", "value_empty")]


def test_a_sender_that_may_not_send_is_named_and_its_templates_are_not_judged() -> None:
    facts = a_snapshot(senders=(a_sender(status=SenderStatus.PAUSED),), templates=())

    assert faults(facts, sender_id=SENDER) == [("/from", "sender_paused")]


def test_a_channel_that_nobody_carries_is_refused_before_any_sender() -> None:
    carried: CarriedChannels = {"whatsapp_cloud": frozenset({Channel.WHATSAPP})}

    assert faults(a_snapshot(carried=carried), channel=Channel.SMS, content=a_text()) == [
        ("/channel", "channel_not_served")
    ]


CARRIED: CarriedChannels = {"whatsapp_cloud": frozenset(Channel)}


def test_a_text_message_is_read_by_the_rules_of_its_own_channel() -> None:
    facts = a_snapshot(carried=CARRIED, senders=(a_sender(channel=Channel.SMS),))

    text = routed(facts, channel=Channel.SMS, content=a_text())

    assert (text.recipient, window_state(text, (), {}, now=NOON)) == (Phone("+14155552671"), "not_needed")
    assert contacts_to_look_up([(text, (b"",))]) == []
    assert faults(facts, channel=Channel.SMS, content=a_text(body="a" * 1601), to="ana@example.com") == [
        ("/to", "recipient_channel_mismatch"),
        ("/content/body", "value_too_long"),
    ]


def test_a_name_is_refused_for_the_united_states_and_another_sender_is_chosen_where_there_is_one() -> None:
    name = a_sender(id=SenderId(UUID(int=1)), channel=Channel.SMS, address="Northwind", rank=0)
    number = a_sender(channel=Channel.SMS, address="+15550783881", rank=1)
    text = {"channel": Channel.SMS, "content": a_text()}
    alone, both = (a_snapshot(carried=CARRIED, senders=senders) for senders in ((name,), (name, number)))

    assert faults(alone, **text) == [("/from", "sender_cannot_reach")]
    assert faults(both, **text, sender_id=name.id) == [("/from", "sender_cannot_reach")]
    assert routed(both, **text).sender == number
    assert routed(both, **text, to="+447700900123").sender == name


def test_a_mail_is_addressed_by_mail_and_rules_by_prefix_pass_it_by() -> None:
    first, second = a_sender(id=SenderId(UUID(int=1)), channel=Channel.EMAIL, rank=1), a_sender(channel=Channel.EMAIL)
    rule = a_rule(channel=Channel.EMAIL, prefixes=("+1",), sender_id=first.id)
    facts = a_snapshot(carried=CARRIED, senders=(first, second), rules=(rule,))

    assert ("/to", "recipient_channel_mismatch") in faults(facts, channel=Channel.EMAIL)
    content = Email(subject="Your order", text="It has shipped.")
    mail = routed(facts, channel=Channel.EMAIL, to="Ana@Example.com", content=content)

    assert (mail.recipient, mail.sender) == (EmailAddress("Ana@example.com"), second)


def test_a_template_that_is_not_there_is_reported_where_it_is_named() -> None:
    assert faults(a_snapshot(templates=())) == [("/content/name", "template_unknown")]


def test_an_authentication_code_needs_a_phone_number() -> None:
    assert faults(a_code(), to=BSUID) == [("/to", "recipient_needs_phone")]
    assert routed(to=BSUID).recipient == ScopedUser(BSUID)
    assert routed(a_code()).category is Category.AUTHENTICATION


# --- a submission that could not be read whole ------------------------------------------------------------------------

UNREAD = Violation(pointer="/channel", code="invalid_value", detail="No such channel.")


def test_what_could_not_be_read_at_all_is_reported_alone() -> None:
    assert rest(Unreadable(violations=(UNREAD,))) == [("/channel", "invalid_value")]


@pytest.mark.parametrize(
    ("unread", "reported"),
    [
        ({"metadata"}, ["/to", "/expires_at", "/from"]),
        ({"channel"}, ["/expires_at"]),
        ({"to"}, ["/expires_at", "/from"]),
        ({"content"}, ["/expires_at", "/from"]),
        ({"send_at"}, ["/to", "/from"]),
    ],
)
def test_a_fault_that_may_be_that_of_an_unread_field_is_not_reported(unread: set[str], reported: list[str]) -> None:
    wrong = a_submission(to="nobody", expires_at=NOON, sender_id=SenderId(UUID(int=1)))

    found = rest(Unreadable(violations=(UNREAD,), unread=frozenset(unread), rest=wrong))

    assert [pointer for pointer, _ in found] == ["/channel", *reported]


@pytest.mark.parametrize(
    ("unread", "reported"), [({"content"}, []), ({"metadata"}, ["/content/variables/1", "/content/variables/2"])]
)
def test_a_fault_deep_in_a_field_that_was_not_read_is_not_reported(unread: set[str], reported: list[str]) -> None:
    empty = a_submission(content=a_template_message(variables={}))

    found = rest(Unreadable(violations=(UNREAD,), unread=frozenset(unread), rest=empty))

    assert [pointer for pointer, _ in found] == ["/channel", *reported]


def test_the_recipient_decides_which_rule_chooses_the_sender() -> None:
    first, second = a_sender(id=SenderId(UUID(int=1))), a_sender(id=SenderId(UUID(int=2)), external_id="2")
    senders = (first, second)

    for chosen in senders:
        abroad = a_rule(prefixes=("+1",), sender_id=chosen.id)
        assert routed(a_snapshot(senders=senders, rules=(abroad,))).sender == chosen


def test_a_rest_without_faults_adds_none() -> None:
    assert rest(Unreadable(violations=(UNREAD,), unread=frozenset({"channel"}), rest=a_submission())) == [
        ("/channel", "invalid_value")
    ]


def rest(item: Unreadable) -> list[tuple[str, str]]:
    principal = a_principal()
    result = assess_rest(principal, item, a_snapshot().in_mode(principal.mode), now=NOON)
    return [(violation.pointer, violation.code) for violation in result.violations]


@pytest.mark.parametrize(
    ("violations", "omitted", "most", "left"),
    [(2, 0, 2, (2, 0)), (3, 0, 2, (2, 1)), (3, 4, 1, (1, 6)), (1, 4, 2, (1, 4))],
)
def test_a_long_list_of_faults_is_cut_and_says_by_how_much(
    violations: int, omitted: int, most: int, left: tuple[int, int]
) -> None:
    cut = Invalid((UNREAD,) * violations, omitted).with_at_most(most)

    assert (len(cut.violations), cut.omitted) == left


# --- the 24-hour window -----------------------------------------------------------------------------------------------

OLD, NEW = b"old spelling", b"new spelling"
assert WHATSAPP.window is not None
OPEN = NOON - WHATSAPP.window.length + WHATSAPP.window.margin + SECOND


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ({}, "closed"),
        ({(SENDER, NEW): OPEN}, "open"),
        ({(SENDER, OLD): OPEN, (SENDER, NEW): OPEN - HOUR}, "open"),
        ({(SENDER, NEW): OPEN - SECOND}, "closed"),
        ({(SenderId(UUID(int=1)), NEW): NOON}, "closed"),
    ],
)
def test_free_text_needs_that_the_person_wrote_lately_to_this_sender(
    heard: dict[tuple[SenderId, bytes], datetime], expected: str
) -> None:
    assert window_state(routed(content=a_text()), (NEW, OLD), heard, now=NOON) == expected


def test_a_template_needs_no_window_and_nobody_is_looked_up_for_it() -> None:
    template, text = routed(), routed(content=a_text())

    assert window_state(template, (), {}, now=NOON) == "not_needed"
    assert contacts_to_look_up([(template, (NEW,)), (text, (NEW, OLD))]) == [(SENDER, NEW), (SENDER, OLD)]


def test_every_spelling_of_a_recipient_is_looked_for_only_where_the_window_matters() -> None:
    """Brazilian mobile numbers exist with and without a ninth digit."""
    template, text = (recipient_indexes(routed(to="+5511987654321", content=it), CIPHER) for it in contents())

    assert (len(template), len(text)) == (1, 2)
    assert template[0] == text[0]


def contents() -> Sequence[Any]:
    return a_template_message(), a_text()


# --- the message ------------------------------------------------------------------------------------------------------


def test_a_message_is_composed_of_what_was_asked_and_what_was_decided() -> None:
    submission = routed(reference="order-1", metadata={"shop": "1"}, expires_at=NOON + HOUR)

    message = compose(a_principal(), submission, id=MESSAGE, now=NOON)

    assert (message.tenant_id, message.account_id, message.sender_id) == (TENANT, ACCOUNT, SENDER)
    assert (message.template_id, message.policy, message.state) == (TEMPLATE, DURABLE.name, State.QUEUED)
    assert (message.reference, message.metadata, message.expires_at) == ("order-1", {"shop": "1"}, NOON + HOUR)
    assert (message.send_at, message.created_at) == (None, NOON)
    assert compose(a_principal(), routed(content=a_text()), id=MESSAGE, now=NOON).template_id is None


@pytest.mark.parametrize(
    ("send_at", "kept", "state"),
    [(NOON + SECOND, NOON + SECOND, State.SCHEDULED), (NOON, None, State.QUEUED), (NOON - SECOND, None, State.QUEUED)],
)
def test_only_a_time_to_come_is_waited_for(send_at: datetime, kept: datetime | None, state: State) -> None:
    message = compose(a_principal(), routed(send_at=send_at), id=MESSAGE, now=NOON)

    assert (message.send_at, message.state) == (kept, state)


def test_a_code_is_tried_shortly_and_expires_counted_from_when_it_may_leave() -> None:
    now, later = (
        compose(a_principal(), routed(a_code(), send_at=at), id=MESSAGE, now=NOON) for at in (None, NOON + HOUR)
    )

    assert (now.policy, now.expires_at) == (SIMPLE.name, NOON + VALIDITY)
    assert later.expires_at == NOON + HOUR + VALIDITY
