"""From which addresses messages leave, by channel, and whom they cannot reach."""

import pytest

from messaging.domain.channels.address import Channel, EmailAddress, Phone
from messaging.domain.channels.table import CHANNELS
from messaging.domain.shared.errors import Violation


@pytest.mark.parametrize(
    ("channel", "text", "canonical"),
    [
        (Channel.WHATSAPP, "+1 555-078-3881", "+15550783881"),
        (Channel.SMS, "+1 555-078-3881", "+15550783881"),
        (Channel.SMS, "22395", "22395"),
        (Channel.SMS, "Northwind", "Northwind"),
        (Channel.SMS, "A", "A"),
        (Channel.SMS, "24 Hours UK", "24 Hours UK"),
        (Channel.EMAIL, "orders@Example.com", "orders@example.com"),
        (Channel.EMAIL, '"Northwind Orders" <orders@Example.com>', "Northwind Orders <orders@example.com>"),
    ],
)
def test_a_senders_address_is_read_into_one_form(channel: Channel, text: str, canonical: str) -> None:
    rules = CHANNELS[channel]

    assert rules.read_sender(text) == canonical
    assert rules.read_sender(canonical) == canonical


@pytest.mark.parametrize(
    ("channel", "text", "code"),
    [
        *((Channel.WHATSAPP, text, "recipient_invalid") for text in ("Northwind", "22395a", "US.1349", "a@b.example")),
        (Channel.WHATSAPP, "5550783881", "country_code_missing"),
        (Channel.SMS, "5550783881", "country_code_missing"),
        *((Channel.SMS, text, "recipient_invalid") for text in ("Northwinds12", "Nørthwind", "North-wind", "+123456")),
        *((Channel.SMS, text, "recipient_invalid") for text in (" North", "North ", "a\nb", "", "a@b.example")),
        *((Channel.SMS, text, "country_code_missing") for text in ("12", "123456789")),
        *((Channel.EMAIL, text, "mailbox_invalid") for text in ("Northwind", "+14155550100", "Orders <>")),
        (Channel.EMAIL, "Orders\r\n <orders@example.com>", "header_injection"),
    ],
)
def test_what_a_channel_cannot_send_from_is_refused(channel: Channel, text: str, code: str) -> None:
    refusal = CHANNELS[channel].read_sender(text)

    assert isinstance(refusal, Violation)
    assert (refusal.pointer, refusal.code) == ("/address", code)


@pytest.mark.parametrize("number", ["+14155550100", "+16135550100", "+17875550100"])
def test_a_name_does_not_reach_the_united_states_and_canada(number: str) -> None:
    [violation] = CHANNELS[Channel.SMS].reach_violations("Northwind", Phone(number))

    assert (violation.pointer, violation.code) == ("/from", "sender_cannot_reach")
    assert "United States and Canada" in violation.detail


@pytest.mark.parametrize(
    ("channel", "sender", "number"),
    [
        (Channel.SMS, "Northwind", "+447700900123"),
        # Jamaica and Bermuda have +1 too, and take names.
        (Channel.SMS, "Northwind", "+18765550100"),
        (Channel.SMS, "Northwind", "+14415550100"),
        (Channel.SMS, "+15550783881", "+14155550100"),
        (Channel.SMS, "22395", "+14155550100"),
        (Channel.WHATSAPP, "+15550783881", "+14155550100"),
    ],
)
def test_other_senders_and_other_countries_are_free(channel: Channel, sender: str, number: str) -> None:
    assert CHANNELS[channel].reach_violations(sender, Phone(number)) == ()


def test_a_mailbox_reaches_everybody() -> None:
    assert CHANNELS[Channel.EMAIL].reach_violations("a@b.example", EmailAddress("+14155550100@example.com")) == ()
