"""Logs never say a secret or a person; health and metrics tell what an orchestrator needs."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from prometheus_client import CollectorRegistry

from messaging.application.ports.health import Check
from messaging.application.ports.job_records import JobCount
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.entrypoints.composition.health.process import lanes_carried
from messaging.entrypoints.composition.providers import PROVIDERS
from messaging.entrypoints.observability.logs import configure_logging
from messaging.entrypoints.observability.operations import Operations
from messaging.entrypoints.observability.redaction import redaction_of

REDACTION = redaction_of(PROVIDERS)
CRITICAL = DeliverLane(Channel.WHATSAPP, Priority.CRITICAL)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the process writes to stderr, with the logging of the test run put back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("info", process="api", redaction=REDACTION)
    yield stream
    root.handlers, root.level = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_log_line_is_json_with_the_ids_of_its_task(written: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(request_id="req_1", trace_id="abc")

    logging.getLogger("messaging.x").info("message.attempted", extra={"message_id": "msg_1", "ms": 12, "code": None})

    (line,) = lines(written)
    assert line["event"] == "message.attempted"
    assert (line["request_id"], line["trace_id"], line["message_id"]) == ("req_1", "abc", "msg_1")
    assert (line["process"], line["level"], line["ms"], line["code"]) == ("api", "info", 12, None)


async def test_lines_of_one_turn_are_written_when_it_ends(written: io.StringIO) -> None:
    log = logging.getLogger("messaging.x")
    log.info("one")
    log.info("two")

    before = lines(written)
    await asyncio.sleep(0)

    assert before == []
    assert [line["event"] for line in lines(written)] == ["one", "two"]


async def test_a_warning_is_written_at_once_with_all_that_waits(written: io.StringIO) -> None:
    log = logging.getLogger("messaging.x")
    log.info("one")

    log.warning("two")

    assert [line["event"] for line in lines(written)] == ["one", "two"]


async def test_lines_of_a_turn_that_never_ends_are_written_with_the_process_s_last(written: io.StringIO) -> None:
    logging.getLogger("messaging.x").info("one")

    logging.getLogger().handlers[0].flush()

    assert [line["event"] for line in lines(written)] == ["one"]


@pytest.mark.parametrize("extra", [{"reason": "call +14155550100"}, {"to": "Ana"}, {"nested": {"token": "x"}}])
def test_a_line_with_something_to_blank_is_blanked(written: io.StringIO, extra: dict[str, object]) -> None:
    logging.getLogger("messaging.x").info("message.attempted", extra=extra)

    (line,) = lines(written)
    assert "[redacted]" in str(line)
    assert not any(told in str(line) for told in ("4155550100", "Ana", "'x'"))


def test_structlog_and_the_standard_library_write_the_same_way(written: io.StringIO) -> None:
    structlog.get_logger("access").info("request", status=200, route="/v1")
    logging.getLogger("access").info("%s", "request", extra={"status": 200, "route": "/v1"})

    line, other = lines(written)
    assert (line["event"], line["status"], line["logger"], line["process"]) == ("request", 200, "access", "api")
    assert line | {"at": ""} == other | {"at": ""}


def test_an_exception_is_logged_without_what_it_quotes(written: io.StringIO) -> None:
    try:
        raise RuntimeError("could not send to +14155550100 with Bearer abc.def")
    except RuntimeError:
        logging.getLogger("messaging.x").exception("job.failed")

    (line,) = lines(written)
    assert "RuntimeError" in str(line["exception"])
    assert "4155550100" not in str(line)
    assert "abc.def" not in str(line)


@pytest.mark.parametrize(
    "secret",
    [
        "mpk_live_abcdefghijkl_0123456789012345678901234567890123ABCDEF",
        "Authorization: Bearer abcdef",
        "postgresql://shop:hush@db/messaging",
        "EAAGm0PX4ZCpsBAIZAs5zZ",
        "/webhooks/whatsapp_cloud/AbCdEfGhIjKlMnOpQrSt",
        "550 5.1.1 <ana.silva@example.com>: no such user",
        "GET /v1/messages?to=ana.silva%40example.com",
        "to +4930231250123 please",
    ],
)
def test_what_looks_like_a_secret_or_a_person_is_blanked_in_any_text(secret: str) -> None:
    kept = ("hush", "mpk_live_abc", "abcdef", "EAAGm0", "AbCdEfGhIj", "4930231250123", "ana.silva")

    event = REDACTION(None, "info", {"event": "x", "detail": secret, "list": [secret], "nested": {"deep": secret}})

    assert not any(part in str(event) for part in kept)


def test_fields_that_name_content_or_people_are_blanked_whatever_they_hold() -> None:
    event = REDACTION(
        None, "info", {"event": "x", "to": "Ana", "body": b"hi", "nested": {"token": 1}, "message_id": "msg_1"}
    )

    assert event == {
        "event": "x",
        "to": "[redacted]",
        "body": "[redacted]",
        "nested": {"token": "[redacted]"},
        "message_id": "msg_1",
    }


class Stub:
    """The `Health` port with fixed answers; None for a database that is away."""

    def __init__(
        self,
        *,
        checks: Sequence[Check] = (),
        depths: Sequence[LaneDepth] | None = (),
        jobs: Sequence[JobCount] = (),
    ) -> None:
        self._checks = checks
        self._depths = depths
        self._jobs = jobs

    async def job_counts(self) -> Sequence[JobCount]:
        return self._jobs

    async def checks(self) -> Sequence[Check]:
        return self._checks

    async def lane_workers(self) -> Mapping[DeliverLane, int]:
        return {CRITICAL: 0}

    async def lane_depths(self) -> Sequence[LaneDepth]:
        if self._depths is None:
            raise StoreUnavailable
        return self._depths


async def test_a_process_is_ready_when_every_check_is() -> None:
    good, bad = Check(name="logins", ok=True, detail=""), Check(name="postgres", ok=False, detail="run `app doctor`")
    worse = Check(name="redis", ok=False, detail="run `app doctor`", tolerable=True)

    ready = await Operations(Stub(checks=[good]), CollectorRegistry()).answer("/readyz")
    degraded = await Operations(Stub(checks=[good, worse]), CollectorRegistry()).answer("/readyz")
    not_ready = await Operations(Stub(checks=[good, worse, bad]), CollectorRegistry()).answer("/readyz")

    assert [answer.status for answer in (ready, degraded, not_ready)] == [200, 200, 503]
    told = [json.loads(answer.body)["status"] for answer in (ready, degraded, not_ready)]
    assert told == ["ready", "degraded", "not_ready"]
    assert json.loads(not_ready.body)["checks"][2] == {"name": "postgres", "ok": False, "detail": "run `app doctor`"}


async def test_a_process_is_alive_even_when_nothing_else_is() -> None:
    answer = await Operations(Stub(depths=None), CollectorRegistry()).answer("/healthz")

    assert answer.status == 200


async def test_metrics_tell_of_the_jobs_of_every_kind() -> None:
    since = datetime.now(UTC) - timedelta(seconds=30)
    counts = [JobCount(kind="release_held", due=3, running=2, waiting=7, dead=1, oldest_due_at=since)]

    answer = await Operations(Stub(jobs=counts), CollectorRegistry()).answer("/metrics")

    samples = dict(line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#"))
    told = {name: samples[f'messaging_jobs_{name}{{kind="release_held"}}'] for name in ("due", "running", "waiting")}
    assert told == {"due": "3.0", "running": "2.0", "waiting": "7.0"}
    assert samples['messaging_jobs_dead{kind="release_held"}'] == "1.0"
    assert 30 <= float(samples['messaging_jobs_oldest_due_seconds{kind="release_held"}']) < 600
    assert samples['messaging_jobs_due{kind="sync_templates"}'] == "0.0"


async def test_metrics_tell_depth_and_age_of_every_lane() -> None:
    due_since = datetime.now(UTC) - timedelta(seconds=30)
    depths = [LaneDepth(lane=CRITICAL, due=3, waiting=7, oldest_due_at=due_since)]

    lanes = lanes_carried({"one": frozenset({Channel.WHATSAPP}), "two": frozenset({Channel.EMAIL})})

    answer = await Operations(Stub(depths=depths), CollectorRegistry(), lanes=lanes).answer("/metrics")

    samples = dict(line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#"))
    assert samples['messaging_lane_due{channel="whatsapp",priority="critical"}'] == "3.0"
    assert samples['messaging_lane_waiting{channel="whatsapp",priority="critical"}'] == "7.0"
    assert 30 <= float(samples['messaging_lane_oldest_due_seconds{channel="whatsapp",priority="critical"}']) < 40
    assert samples['messaging_lane_due{channel="whatsapp",priority="low"}'] == "0.0"
    assert samples['messaging_lane_due{channel="email",priority="high"}'] == "0.0"
    assert not any('channel="sms"' in name for name in samples)
    assert samples['messaging_lane_workers{channel="whatsapp",priority="critical"}'] == "0.0"


async def test_metrics_of_the_process_are_there_without_the_database() -> None:
    answer = await Operations(Stub(depths=None), CollectorRegistry()).answer("/metrics")

    assert answer.status == 200
    assert b"messaging_postgres_answers 0.0" in answer.body


async def test_metrics_tell_that_the_database_answers() -> None:
    answer = await Operations(Stub(), CollectorRegistry()).answer("/metrics")

    assert b"messaging_postgres_answers 1.0" in answer.body


async def test_any_other_path_is_not_found() -> None:
    assert (await Operations(Stub(), CollectorRegistry()).answer("/secret")).status == 404
