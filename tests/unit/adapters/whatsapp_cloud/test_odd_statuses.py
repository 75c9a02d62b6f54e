"""Is everything that Meta tells of a message kept, and is it taken for what it means?"""

from typing import Any

import pytest

from messaging.application.ports.providers.webhooks import OtherEvent
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.messages.state import Signal
from tests.unit.adapters.whatsapp_cloud.bodies import SAID_AT, a_status, one_status

ERROR = {
    "code": 131026,
    "title": "Message undeliverable",
    "message": "Message undeliverable",
    "error_data": {"details": "Message Undeliverable to +1 650 555 1234."},
}
OTHER_ERROR = {"code": 470, "title": "Re-engagement message"}


@pytest.mark.parametrize(
    ("name", "kind", "signal"),
    [
        ("sent", ReceiptKind.SENT, Signal.RECEIPT_SENT),
        ("DELIVERED", ReceiptKind.DELIVERED, Signal.RECEIPT_DELIVERED),
        ("Read", ReceiptKind.READ, Signal.RECEIPT_READ),
        ("played", ReceiptKind.PLAYED, Signal.RECEIPT_READ),
        ("FAILED", ReceiptKind.FAILED, Signal.RECEIPT_FAILED),
        ("deleted", ReceiptKind.OTHER, Signal.ACCEPT),
        ("warning", ReceiptKind.OTHER, Signal.ACCEPT),
        ("something_new", ReceiptKind.OTHER, Signal.ACCEPT),
    ],
)
def test_every_status_is_a_receipt_and_proves_acceptance(name: str, kind: ReceiptKind, signal: Signal) -> None:
    receipt = one_status(a_status(status=name))

    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.kind.signal, receipt.occurred_at) == (kind, signal, SAID_AT)
    assert dict(receipt.facts).get("status") == (name if kind is ReceiptKind.OTHER else None)


@pytest.mark.parametrize(
    ("errors", "code", "further"),
    [
        ([ERROR], "131026", None),
        (ERROR, "131026", None),
        ([None, ERROR], "131026", None),
        ([{}, ERROR, OTHER_ERROR], "131026", "470: "),
        ([OTHER_ERROR, ERROR, ERROR], "470", "131026: "),
        (["It broke."], "unspecified", None),
        ([{"title": "It broke."}], "unspecified", None),
        ([], "unspecified", None),
        (None, "unspecified", None),
        (7, "unspecified", None),
    ],
)
def test_every_error_is_kept_in_whatever_form_they_come(errors: Any, code: str, further: str | None) -> None:
    receipt = one_status(a_status(status="failed", errors=errors))

    assert receipt.error.code == code
    told = dict(receipt.facts).get("further_errors")
    assert str(told).startswith(str(further))
    assert "650" not in f"{receipt.error.reason}{told}"
    if errors and code == "unspecified" and errors != 7:
        assert receipt.error.reason == "It broke."


def test_what_a_delivery_costs_and_belongs_to_is_kept() -> None:
    pricing = {"billable": False, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"}
    conversation = {"id": "72b1", "origin": {"type": "service"}, "expiration_timestamp": "1777982400"}

    receipt = one_status(a_status(pricing=pricing, conversation=conversation, recipient_user_id="US.1349"))

    assert dict(receipt.facts) == {
        "pricing_category": "service",
        "pricing_model": "PMP",
        "pricing_type": "free_customer_service",
        "billable": "false",
        "conversation_id": "72b1",
        "conversation_origin": "service",
        "conversation_expires_at": "2026-05-05T12:00:00+00:00",
    }
    assert receipt.recipient_ids == ("16505551234", "US.1349")


def test_what_is_kept_is_bounded() -> None:
    long = "x" * 100_000
    errors = [{"code": n, "title": long} for n in range(1_000)]

    receipt = one_status(
        a_status(id=long, status="failed", recipient_id=long, pricing={"category": long}, errors=errors)
    )

    assert len(receipt.provider_message_id) < 200
    assert sum(len(str(fact)) for _, fact in receipt.facts) < 1_500
    assert len(receipt.recipient_ids[0]) == 200


@pytest.mark.parametrize("name", ["sent", "delivered", "read", "played"])
def test_what_one_of_a_group_did_is_not_what_became_of_the_message(name: str) -> None:
    receipt = one_status(
        a_status(status=name, recipient_type="group", recipient_id="120363", recipient_participant_id="16505551234")
    )

    assert (receipt.kind, receipt.kind.signal) == (ReceiptKind.PARTICIPANT, Signal.RECEIPT_SENT)
    assert (receipt.participant_id, receipt.recipient_ids) == ("16505551234", ("120363",))
    assert dict(receipt.facts) == {"status": name, "recipient_type": "group"}


def test_a_message_that_failed_for_one_of_a_group_has_not_failed() -> None:
    receipt = one_status(a_status(status="failed", recipient_participant_id="16505551234", errors=[ERROR]))

    assert (receipt.kind, receipt.kind.signal, receipt.error.code) == (ReceiptKind.OTHER, Signal.ACCEPT, "131026")


def test_a_payment_that_failed_is_not_a_message_that_failed() -> None:
    event = one_status(a_status(status="failed", type="payment", payment={"reference_id": "order-7"}))

    assert isinstance(event, OtherEvent)
    assert event.kind == "status.payment"


@pytest.mark.parametrize("at", [None, "yesterday", "99999999999999999999", -1])
def test_a_status_without_a_readable_time_counts_all_the_same(at: Any) -> None:
    receipt = one_status(a_status(timestamp=at))

    assert (receipt.kind, receipt.occurred_at) == (ReceiptKind.SENT, None)
