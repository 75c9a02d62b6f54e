"""Lines about one trouble are condensed; nothing about another is lost."""

import logging
from collections.abc import Iterator

import pytest
from structlog.contextvars import bound_contextvars

from messaging.entrypoints.observability.log_condenser import Condenser


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, int]] = []
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.lines.append((record.getMessage(), getattr(record, "repeated", 0)))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def log(clock: Clock, kept: Kept) -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.condenser")
    logger.propagate, logger.level = False, logging.INFO
    kept.addFilter(Condenser(clock))
    logger.addHandler(kept)
    yield logger
    logger.removeHandler(kept)


def test_a_store_that_is_down_for_fifteen_seconds_costs_a_handful_of_lines(
    log: logging.Logger, clock: Clock, kept: Kept
) -> None:
    works = ("partitions", "retention", "recover_failover", "expire_held", "recover_crashed_sends", "inbound")
    for second in range(16):
        clock.now = float(second)
        log.warning("relay.store_unavailable", extra={"store": "postgres"})
        for work in works:
            log.warning("upkeep.store_unavailable", extra={"store": "postgres", "work": work})
    clock.now = 16.5
    log.info("relay.store_back", extra={"store": "postgres", "back": True})

    assert kept.lines == [
        ("relay.store_unavailable", 0),
        ("upkeep.store_unavailable", 0),
        ("relay.store_unavailable", 5 + 7 * 9),
        ("relay.store_back", 6 + 7 * 5),
    ]
    assert kept.records[-1].__dict__["seconds"] == 16.5


def test_a_store_that_was_never_away_is_not_back(log: logging.Logger, kept: Kept) -> None:
    log.info("relay.store_back", extra={"store": "postgres", "back": True})

    assert kept.lines == []


def test_the_next_outage_is_told_at_once(log: logging.Logger, clock: Clock, kept: Kept) -> None:
    for start in (0.0, 3.0):
        clock.now = start
        log.warning("queue.unavailable", extra={"store": "redis", "queue": "a"})
        log.warning("queue.unavailable", extra={"store": "redis", "queue": "b"})
        log.info("queue.back", extra={"store": "redis", "back": True})

    assert [event for event, _ in kept.lines] == ["queue.unavailable", "queue.back"] * 2


def test_a_defect_in_a_loop_is_told_once_and_then_counted(log: logging.Logger, clock: Clock, kept: Kept) -> None:
    for second in range(21):
        clock.now = float(second)
        try:
            raise KeyError("lane")
        except KeyError:
            log.exception("relay.failed")

    assert kept.lines == [("relay.failed", 0), ("relay.failed", 9), ("relay.failed", 9)]


def test_lines_that_differ_in_anything_are_all_kept(log: logging.Logger, kept: Kept) -> None:
    for number in range(3):
        log.warning("webhook.set_aside", extra={"webhook_id": f"whk_{number}"})
    for text in ("one", "another"):
        try:
            raise ValueError(text)
        except ValueError:
            log.exception("job.failed")
    for number in range(2):
        with bound_contextvars(request_id=f"req_{number}"):
            log.error("request.failed")
    for _ in range(3):
        log.info("message.attempted")

    assert len(kept.lines) == 3 + 2 + 2 + 3


def test_the_same_trouble_after_a_quiet_while_is_a_new_one(log: logging.Logger, clock: Clock, kept: Kept) -> None:
    for clock.now in (0.0, 1.0, 40.0):
        log.warning("queue.unavailable", extra={"store": "redis"})

    assert kept.lines == [("queue.unavailable", 0), ("queue.unavailable", 0)]
