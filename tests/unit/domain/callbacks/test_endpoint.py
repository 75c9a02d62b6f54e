"""Which event goes to which endpoint?"""

from uuid import UUID

import pytest

from messaging.domain.callbacks.endpoint import EndpointStatus, EventFacts, matches
from messaging.domain.shared.mode import Mode
from tests.builders import ENDPOINT, an_endpoint

DELIVERED = EventFacts(
    type="message.delivered",
    mode=Mode.LIVE,
    subject_id=UUID(int=1),
    fields={"channel": "sms", "metadata.order": "1042"},
)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("*",), True),
        (("message.*",), True),
        (("message.delivered",), True),
        (("message.read", "message.delivered"), True),
        (("message.read",), False),
        (("message",), False),
        (("template.*",), False),
    ],
)
def test_a_type_is_covered_by_its_name_its_group_or_all(patterns: tuple[str, ...], expected: bool) -> None:
    assert matches(an_endpoint(event_types=patterns), DELIVERED) is expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"channel": "sms"}, True),
        ({"channel": "email"}, False),
        ({"channel": "sms", "metadata.order": "1042"}, True),
        ({"channel": "sms", "metadata.order": "1043"}, False),
        ({"category": "utility"}, False),
    ],
)
def test_every_filter_has_to_fit_and_a_missing_field_fits_none(filters: dict[str, str], expected: bool) -> None:
    assert matches(an_endpoint(filters=filters), DELIVERED) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (EndpointStatus.ENABLED, True),
        (EndpointStatus.PAUSED, True),
        (EndpointStatus.DISABLED, True),
        (EndpointStatus.DELETED, False),
    ],
)
def test_only_a_deleted_endpoint_misses_events(status: EndpointStatus, expected: bool) -> None:
    assert matches(an_endpoint(status=status), DELIVERED) is expected


def test_the_other_mode_is_never_told() -> None:
    assert not matches(an_endpoint(mode=Mode.TEST), DELIVERED)


def test_an_endpoint_is_not_told_of_itself_but_of_others() -> None:
    failing = EventFacts(type="endpoint.failing", mode=Mode.LIVE, subject_id=ENDPOINT)
    of_another = EventFacts(type="endpoint.failing", mode=Mode.LIVE, subject_id=UUID(int=2))

    assert not matches(an_endpoint(), failing)
    assert matches(an_endpoint(), of_another)


def test_a_test_event_goes_to_its_endpoint_only_whatever_that_asks_for() -> None:
    test = EventFacts(type="endpoint.test", mode=Mode.LIVE, subject_id=ENDPOINT)
    elsewhere = EventFacts(type="endpoint.test", mode=Mode.LIVE, subject_id=UUID(int=2))
    picky = an_endpoint(event_types=("message.read",), filters={"channel": "email"})

    assert matches(picky, test)
    assert not matches(an_endpoint(), elsewhere)
