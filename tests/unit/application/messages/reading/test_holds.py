"""What keeps an accepted message back, as far as the configuration tells."""

from typing import Any
from uuid import UUID

import pytest

from messaging.application.messages.reading.holds import SENDER_PAUSED, TEMPLATE_CHANGED, TEMPLATE_PAUSED, Hold, hold_of
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.domain.shared.ids import AccountId, SenderId
from messaging.domain.templates.template import TemplateStatus
from messaging.domain.tenants.tenant import AccountStatus, SenderStatus
from tests.builders import (
    ACCOUNT,
    NOON,
    SENDER,
    a_sender,
    a_snapshot,
    a_template,
    a_template_message,
    a_text,
    an_account,
)

NOBODY = UUID(int=1)


def held(facts: TenantSnapshot, content: Any = None) -> Hold | None:
    return hold_of(facts, ACCOUNT, SENDER, content or a_template_message())


@pytest.mark.parametrize(
    ("facts", "template", "text"),
    [
        (a_snapshot(), None, None),
        (a_snapshot(senders=(a_sender(status=SenderStatus.PAUSED),)), SENDER_PAUSED, SENDER_PAUSED),
        (a_snapshot(accounts=(an_account(status=AccountStatus.DISABLED),)), SENDER_PAUSED, SENDER_PAUSED),
        (a_snapshot(templates=(a_template(status=TemplateStatus.PAUSED),)), TEMPLATE_PAUSED, None),
        (a_snapshot(templates=(a_template(changed_at=NOON),)), TEMPLATE_CHANGED, None),
        (a_snapshot(templates=(a_template(status=TemplateStatus.REJECTED),)), None, None),
        (a_snapshot(templates=()), None, None),
    ],
)
def test_a_message_waits_for_its_sender_and_for_its_own_template(
    facts: TenantSnapshot, template: Hold | None, text: Hold | None
) -> None:
    assert (held(facts), held(facts, a_text())) == (template, text)


def test_a_sender_that_is_off_is_told_before_its_template() -> None:
    facts = a_snapshot(
        senders=(a_sender(status=SenderStatus.PAUSED),), templates=(a_template(status=TemplateStatus.PAUSED),)
    )

    assert held(facts) is SENDER_PAUSED


def test_what_is_gone_holds_nothing() -> None:
    content = a_template_message()

    assert hold_of(a_snapshot(), AccountId(NOBODY), SENDER, content) is None
    assert hold_of(a_snapshot(), ACCOUNT, SenderId(NOBODY), content) is None
