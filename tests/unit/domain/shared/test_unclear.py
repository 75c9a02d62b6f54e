"""Whose choice counts when the outcome of a send stays unclear?"""

import pytest

from messaging.domain.shared.unclear import OnUnknown, UnclearChoices, on_unknown

HOLD, RESEND = OnUnknown.HOLD, OnUnknown.RESEND
CODES_AGAIN = UnclearChoices(categories={"authentication": RESEND})
ALL_AGAIN_BUT_MARKETING = UnclearChoices(default=RESEND, categories={"marketing": HOLD})


@pytest.mark.parametrize(
    ("own", "template", "tenant", "category", "expected"),
    [
        (None, None, None, "utility", HOLD),
        (None, None, UnclearChoices(), "utility", HOLD),
        (None, None, CODES_AGAIN, "authentication", RESEND),
        (None, None, CODES_AGAIN, "utility", HOLD),
        (None, None, ALL_AGAIN_BUT_MARKETING, "service", RESEND),
        (None, None, ALL_AGAIN_BUT_MARKETING, "marketing", HOLD),
        (None, RESEND, ALL_AGAIN_BUT_MARKETING, "marketing", RESEND),
        (HOLD, RESEND, ALL_AGAIN_BUT_MARKETING, "service", HOLD),
        (RESEND, HOLD, None, "utility", RESEND),
    ],
)
def test_the_nearest_choice_counts(
    own: OnUnknown | None, template: OnUnknown | None, tenant: UnclearChoices | None, category: str, expected: OnUnknown
) -> None:
    assert on_unknown(own, template, tenant, category) is expected
