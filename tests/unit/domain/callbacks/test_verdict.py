"""What an endpoint's answer, or its silence, means for the callback."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from messaging.domain.callbacks.verdict import (
    Delivered,
    Discarded,
    Failed,
    Gone,
    Verdict,
    of_answer,
    of_no_answer,
    result_label,
    retry_after,
)
from tests.builders import NOON

ABORT = {"webhook-delivery": "abort-message"}
BUSY = {"retry-after": "90"}
PAUSE = timedelta(seconds=90)


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (200, {}, Delivered()),
        (204, {}, Delivered()),
        (299, {"retry-after": "5"}, Delivered()),
        (410, {}, Gone()),
        (410, ABORT, Gone()),
        (200, ABORT, Discarded("by_receiver")),
        (404, {"webhook-delivery": " Abort-Message "}, Discarded("by_receiver")),
        (500, ABORT, Failed(failure="http_500")),
        (302, ABORT, Failed(failure="redirect")),
        (301, {"location": "https://elsewhere.example"}, Failed(failure="redirect")),
        (400, {}, Failed(failure="http_400")),
        (404, BUSY, Failed(failure="http_404")),
        (429, BUSY, Failed(failure="http_429", throttle=PAUSE, at_least=PAUSE, uses_step=False)),
        (429, {}, Failed(failure="http_429")),
        (429, {"retry-after": "soon"}, Failed(failure="http_429")),
        (502, BUSY, Failed(failure="http_502", throttle=PAUSE, at_least=PAUSE)),
        (503, BUSY, Failed(failure="http_503", throttle=PAUSE, at_least=PAUSE)),
        (504, BUSY, Failed(failure="http_504", throttle=PAUSE, at_least=PAUSE)),
        (500, BUSY, Failed(failure="http_500")),
        (503, {}, Failed(failure="http_503")),
        (102, {}, Failed(failure="http_102")),
    ],
)
def test_an_answer_decides(status: int, headers: Mapping[str, str], verdict: Verdict) -> None:
    assert of_answer(status, headers, now=NOON) == verdict


@pytest.mark.parametrize("failure", ["timeout", "dns", "tls", "refused", "reset", "head_too_long"])
def test_silence_is_a_failure(failure: str) -> None:
    assert of_no_answer(failure) == Failed(failure=failure)


def test_an_address_that_is_refused_is_not_tried_again_soon() -> None:
    assert of_no_answer("address_not_public") == Failed(
        failure="address_not_public", at_least=timedelta(minutes=15), from_step=3
    )


@pytest.mark.parametrize(
    ("told", "pause"),
    [
        ("0", timedelta(0)),
        (" 120 ", timedelta(minutes=2)),
        ("Mon, 04 May 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Mon, 04 May 2026 12:05:00 -0000", timedelta(minutes=5)),
        ("Mon, 04 May 2026 11:00:00 GMT", timedelta(0)),
        ("9" * 400, timedelta(seconds=10**9)),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
    ],
)
def test_the_pause_is_told_in_seconds_or_as_a_date(told: str, pause: timedelta | None) -> None:
    assert retry_after({"retry-after": told}, now=NOON) == pause


@pytest.mark.parametrize(
    ("status", "failure", "label"),
    [
        (204, None, "2xx"),
        (308, "redirect", "3xx"),
        (410, None, "410"),
        (429, "http_429", "429"),
        (404, "http_404", "4xx"),
        (503, "http_503", "5xx"),
        (None, "timeout", "timeout"),
    ],
)
def test_results_have_few_labels(status: int | None, failure: str | None, label: str) -> None:
    assert result_label(status, failure) == label
