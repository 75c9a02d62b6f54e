"""What is said of a channel that nobody carries, and of ids that no provider gives."""

import pytest

from messaging.domain.channels.address import Channel
from messaging.domain.tenants.carrying import channel_not_carried, channel_not_served
from messaging.domain.tenants.provider_ids import id_violations
from tests.fakes.installed import INSTALLED


def test_a_channel_that_is_not_served_is_refused_with_those_that_are() -> None:
    violation = channel_not_served(Channel.WHATSAPP, frozenset())

    assert (violation.pointer, violation.code) == ("/channel", "channel_not_served")
    assert "nothing" in violation.detail
    assert "whatsapp" in channel_not_served(Channel.WHATSAPP, {Channel.WHATSAPP}).detail


def test_a_channel_that_an_account_does_not_carry_is_refused_with_those_that_it_does() -> None:
    violation = channel_not_carried(Channel.WHATSAPP, "acme", frozenset())

    assert (violation.pointer, violation.code) == ("/channel", "channel_not_carried")
    assert "acme" in violation.detail


@pytest.mark.parametrize(
    ("provider", "id", "fits"),
    [
        ("whatsapp_cloud", "106540352242922", True),
        ("whatsapp_cloud", "1" * 40, True),
        ("whatsapp_cloud", "1" * 41, False),
        ("whatsapp_cloud", "", False),
        ("whatsapp_cloud", "+15550783881", False),
        ("whatsapp_cloud", "12/34", False),
    ],
)
def test_an_id_has_the_shape_that_its_provider_gives(provider: str, id: str, fits: bool) -> None:
    shape = INSTALLED[provider].account_id
    violations = id_violations(shape.fits(id), shape.words)

    assert [(it.pointer, it.code) for it in violations] == ([] if fits else [("/external_id", "provider_id_invalid")])
