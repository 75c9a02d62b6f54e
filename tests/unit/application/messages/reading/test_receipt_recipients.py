"""Are the ids of people in a timeline readable for their tenant, and for nobody else?"""

import pytest

from messaging.application.messages.reading import receipt_recipients
from messaging.application.ports.secrets import CannotDecrypt
from messaging.domain.messages.change import Detail
from messaging.domain.messages.receipts import SEALED_RECIPIENT, Receipt
from tests.builders import OTHER_TENANT, WAMID, a_receipt
from tests.unit.application.webhooks.doubles import CIPHER, KEY_RING

OTHER_CIPHER = KEY_RING.cipher(OTHER_TENANT, (KEY_RING.new_data_key(OTHER_TENANT),))


def detail_of(receipt: Receipt) -> Detail:
    kept = receipt_recipients.sealed(receipt, CIPHER)
    return {"provider_message_id": WAMID, SEALED_RECIPIENT: kept.sealed_recipient, **dict(kept.facts)}


def test_the_providers_spellings_of_a_person_are_sealed_and_opened_again() -> None:
    detail = detail_of(a_receipt(recipient_ids=("14155552671", "US.1349")))

    assert "4155552671" not in str(detail)
    assert receipt_recipients.opened(detail, CIPHER) == {
        "provider_message_id": WAMID,
        "recipient_ids": "14155552671, US.1349",
    }
    with pytest.raises(CannotDecrypt):
        receipt_recipients.opened(detail, OTHER_CIPHER)


def test_people_of_a_group_are_told_apart_without_being_named() -> None:
    ana, ana_again, ben = (
        detail_of(a_receipt(recipient_ids=("120363",), participant_id=id)) for id in ("1415", "1415", "1650")
    )

    assert ana["participant"] == ana_again["participant"] != ben["participant"]
    assert receipt_recipients.opened(ben, CIPHER)["participant_id"] == "1650"


def test_where_nobody_is_named_nothing_is_sealed() -> None:
    receipt = a_receipt(recipient_ids=())

    assert receipt_recipients.sealed(receipt, CIPHER) is receipt
    assert receipt_recipients.opened({"attempt": 1}, CIPHER) == {"attempt": 1}
