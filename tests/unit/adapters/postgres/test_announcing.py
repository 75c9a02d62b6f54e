"""Do the statements of accepting and delivering stay as they are where nobody listens?"""

from itertools import product

import pytest

from messaging.adapters.postgres.announcing import of_messages as announcing
from messaging.adapters.postgres.messages.apply_changes import Parts, statement
from messaging.adapters.postgres.messages.submissions import ACCEPT, ACCEPT_ANNOUNCED
from messaging.domain.messages.change import Change, Entry
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode
from tests.builders import MESSAGE, OTHER_TENANT, TENANT
from tests.fakes.listening import InMemoryListening

EVERY = [Parts(*chosen) for chosen in product((False, True), repeat=5)]


def delivered(tenant_id: TenantId = TENANT) -> Change:
    return Change(
        key=MessageKey(tenant_id, MESSAGE),
        expected_seq=3,
        previous=State.SUBMITTED,
        state=State.DELIVERED,
        entries=(Entry(type="receipt.delivered", state=State.DELIVERED),),
        epoch=1,
        attempts=1,
        checks=0,
        claim_failures=0,
    )


@pytest.mark.parametrize("parts", EVERY)
def test_a_change_that_is_announced_is_the_same_statement_with_one_step_more(parts: Parts) -> None:
    plain, told = statement(parts), statement(parts._replace(announced=True))
    step = announcing.step(4 if parts.news else 3)

    assert "pending_events" not in plain
    assert told.replace(f", announced AS ({step})", "").replace(", m.mode", "") == plain


def test_an_acceptance_that_is_announced_is_the_same_statement_with_one_step_more() -> None:
    begin, end = ACCEPT_ANNOUNCED.index(", announced AS ("), ACCEPT_ANNOUNCED.index("\nSELECT key FROM claimed")

    assert "pending_events" not in ACCEPT
    assert ACCEPT_ANNOUNCED[:begin] + ACCEPT_ANNOUNCED[end:] == ACCEPT


def test_a_change_of_a_tenant_that_does_not_listen_has_no_row() -> None:
    assert announcing.rows([delivered(OTHER_TENANT)], InMemoryListening((TENANT, Mode.LIVE))) == []


def test_a_change_has_a_row_for_each_mode_in_which_its_tenant_listens() -> None:
    listening = InMemoryListening((TENANT, Mode.LIVE), (TENANT, Mode.TEST))

    rows = announcing.rows([delivered(), delivered(OTHER_TENANT)], listening)

    assert rows == [(TENANT, mode, MESSAGE, 4, "message.delivered") for mode in ("live", "test")]
