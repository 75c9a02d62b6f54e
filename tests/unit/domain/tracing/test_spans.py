"""Ids of spans, and which traces are sampled."""

from random import Random

import pytest

from messaging.domain.tracing.spans import is_sampled, sampling_bound, span_id, trace_id_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_steps_id_is_the_same_wherever_it_is_told_and_another_for_every_step() -> None:
    ids = [span_id(TRACE, "m", "send", 1), span_id(TRACE, "m", "send", 2), span_id(TRACE, "n", "send", 1)]

    assert ids[0] == span_id(TRACE, "m", "send", 1)
    assert len({*ids, span_id("0" * 31 + "1", "m", "send", 1)}) == 4
    assert all(len(id) == 16 and int(id, 16) for id in ids)
    assert span_id(TRACE, "a", "bc") != span_id(TRACE, "ab", "c")


def test_a_subject_without_a_trace_gets_one() -> None:
    assert trace_id_of("webhook", 1) == trace_id_of("webhook", 1) != trace_id_of("webhook", 2)
    assert len(trace_id_of("webhook", 1)) == 32


@pytest.mark.parametrize(
    ("last", "ratio", "sampled"),
    [
        ("0000000000000000", 0.01, True),
        ("028f5c28f5c28f5b", 0.01, True),
        ("028f5c28f5c29000", 0.01, False),
        ("ffffffffffffffff", 0.99, False),
        ("ffffffffffffffff", 1.0, True),
        ("0000000000000000", 0.0, False),
        ("7fffffffffffffff", 0.5, True),
        ("8000000000000000", 0.5, False),
    ],
)
def test_the_last_64_bits_decide_as_in_opentelemetrys_ratio_sampler(last: str, ratio: float, sampled: bool) -> None:
    assert is_sampled("f" * 16 + last, sampling_bound(ratio)) is sampled


def test_about_the_given_part_of_random_traces_is_sampled() -> None:
    random, bound = Random(7), sampling_bound(0.1)

    found = sum(is_sampled(f"{random.getrandbits(128):032x}", bound) for _ in range(10_000))

    assert 900 < found < 1_100
