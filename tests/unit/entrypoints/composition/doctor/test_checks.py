"""What each check of `app doctor` says about what it sees, and what it names to mend it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from messaging.application.ports.health import Check
from messaging.application.ports.job_records import JobCount
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.survey import AccountSeen
from messaging.application.tenants.views import SenderHealthView
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.pacing.breaker import Breaker, BreakerState, Trouble
from messaging.domain.messages.pacing.sender_health import HEALTHY, Health
from messaging.entrypoints.cli.failures import Exit
from messaging.entrypoints.cli.in_database.database import exit_code_of_findings
from messaging.entrypoints.composition.doctor.finding import Finding, Kind, Severity, failed, some, warning
from messaging.entrypoints.composition.doctor.installation import clock, disk
from messaging.entrypoints.composition.doctor.installation.public_url import ExaminePublicUrl
from messaging.entrypoints.composition.doctor.installation.readiness import as_findings
from messaging.entrypoints.composition.doctor.traffic import jobs, lanes, senders, webhooks
from messaging.entrypoints.settings.settings import Settings, load
from tests.builders import ACCOUNT, NOON, SENDER, an_account

OK, WARNING, FAILED = Severity.OK, Severity.WARNING, Severity.FAILED


def severities(findings: Sequence[Finding]) -> list[Severity]:
    return [finding.severity for finding in findings]


def test_every_check_of_readiness_that_fails_names_what_mends_it() -> None:
    names = ("postgres", "migrations", "partitions", "relay_lag", "logins", "workers", "redis")
    bad = as_findings([Check(name=name, ok=False, detail="", tolerable=True) for name in names])
    good = as_findings([Check(name="workers", ok=True, detail="1 live")])

    assert severities(bad) == [FAILED] * len(names)
    assert [finding.name for finding in bad if finding.mend in (None, "app doctor")] == []
    assert {finding.name: finding.kind for finding in bad if finding.kind is not Kind.FAILURE} == {
        "postgres": Kind.DEPENDENCY,
        "redis": Kind.DEPENDENCY,
        "logins": Kind.CONFIGURATION,
    }
    assert (good[0].severity, good[0].mend) == (OK, None)


def depth(priority: Priority, seconds: float) -> LaneDepth:
    lane = DeliverLane(Channel.WHATSAPP, priority)
    return LaneDepth(lane=lane, due=3, waiting=0, oldest_due_at=NOON - timedelta(seconds=seconds))


def test_how_late_a_lane_may_be_depends_on_its_priority() -> None:
    late = {priority: severities(lanes.judge([depth(priority, 300)], now=NOON)) for priority in Priority}
    (told,) = lanes.judge([depth(Priority.CRITICAL, 300), depth(Priority.LOW, 300)], now=NOON)

    assert late == {
        Priority.CRITICAL: [FAILED],
        Priority.HIGH: [FAILED],
        Priority.DEFAULT: [OK],
        Priority.LOW: [OK],
    }
    assert told.detail == "too late: whatsapp/critical 3 due, the oldest for 300 s"
    assert lanes.judge([], now=NOON)[0].detail == "nothing is due"


def held(trouble: Trouble, code: str) -> Health:
    return Health(
        breaker=Breaker(state=BreakerState.OPEN, since=0.0, retry_at=60.0, trouble=trouble, code=code, openings=1),
        pace=HEALTHY.pace,
    )


def test_a_sender_that_is_held_back_is_told_with_its_trouble_and_what_to_do() -> None:
    view = SenderHealthView.of(HEALTHY, held(Trouble.UNAUTHORIZED, "190"), now=1.0)
    (told,) = senders.judge({SENDER: view}, active=1)
    (well,) = senders.judge({SENDER: SenderHealthView.of(HEALTHY, HEALTHY, now=1.0)}, active=1)

    assert (told.severity, well.severity) == (FAILED, OK)
    assert "1 of 1 held back as unauthorized" in told.detail
    assert "(account, code 190)" in told.detail
    assert "PATCH /v1/provider-accounts" in str(told.mend)


def test_senders_whose_health_nobody_can_tell_are_not_called_well() -> None:
    assert severities(senders.judge({}, active=3)) == [WARNING]
    assert severities(senders.judge({}, active=0)) == [OK]


def seen(**changes: Any) -> AccountSeen:
    fields: dict[str, Any] = {"account": an_account(), "has_senders": True, "last_webhook_at": NOON}
    return AccountSeen(**(fields | changes))


def test_webhooks_that_were_set_aside_or_never_came_are_warned_of() -> None:
    well = webhooks.judge([seen()], {}, now=NOON + timedelta(seconds=5))
    silent = webhooks.judge([seen(last_webhook_at=None)], {}, now=NOON)
    unused = webhooks.judge([seen(last_webhook_at=None, has_senders=False)], {}, now=NOON)
    aside = webhooks.judge([seen()], {ACCOUNT: 7}, now=NOON)

    assert (severities(well), well[0].detail) == ([OK], "the last one came 5 s ago")
    assert (severities(silent), severities(unused), severities(aside)) == ([WARNING], [OK], [WARNING, OK])
    assert "subscribe" in str(silent[0].mend)
    assert (aside[0].detail.startswith("7 set aside: acc_"), "app webhooks replay" in str(aside[0].mend)) == (
        True,
        True,
    )


def test_a_clock_is_judged_by_what_cannot_be_the_way_to_the_database() -> None:
    slow_answer = clock.judge(NOON, NOON + timedelta(seconds=4), NOON + timedelta(seconds=5))
    behind = clock.judge(NOON, NOON + timedelta(seconds=4), NOON + timedelta(seconds=1))
    ahead = clock.judge(NOON, NOON - timedelta(seconds=4), NOON + timedelta(seconds=1))

    assert (severities(slow_answer), severities(behind), severities(ahead)) == ([OK], [FAILED], [FAILED])
    assert "3.0 s apart" in behind[0].detail


def test_a_disk_with_less_than_a_tenth_of_room_fails() -> None:
    assert disk.judge(11 << 30, 100 << 30).severity is OK
    assert disk.judge(9 << 30, 100 << 30).severity is FAILED


def settings(url: str) -> Settings:
    return load(
        Settings,
        {
            "APP_DATABASE_URL": "postgresql://localhost/x",
            "APP_REDIS_URL": "redis://localhost:6379/0",
            "APP_MASTER_KEY": bytes(32).hex(),
            "APP_WEBHOOKS_PUBLIC_URL": url,
        },
    )


async def examined(url: str, answer: httpx.Response | None) -> Finding:
    def respond(request: httpx.Request) -> httpx.Response:
        assert request.url.path.startswith("/webhooks/")
        if answer is None:
            raise httpx.ConnectError("refused")
        return answer

    (finding,) = await ExaminePublicUrl(settings=settings(url), transport=httpx.MockTransport(respond))()
    return finding


OURS = {"type": "about:blank", "title": "Not Found", "status": 404}


@pytest.mark.parametrize(
    ("url", "answer", "severity", "kind"),
    [
        ("https://hooks.example.com", httpx.Response(404, json=OURS), OK, Kind.FAILURE),
        ("https://hooks.example.com", httpx.Response(200, text="It works!"), FAILED, Kind.FAILURE),
        ("https://hooks.example.com", httpx.Response(308, json=OURS | {"status": 308}), FAILED, Kind.FAILURE),
        ("https://hooks.example.com", None, FAILED, Kind.FAILURE),
        ("http://hooks.example.com", httpx.Response(404, json=OURS), FAILED, Kind.CONFIGURATION),
        ("https://10.0.0.7", httpx.Response(404, json=OURS), FAILED, Kind.CONFIGURATION),
        ("https://hooks", httpx.Response(404, json=OURS), FAILED, Kind.CONFIGURATION),
        # Development: a loopback address.
        ("http://127.0.0.1:8001", httpx.Response(404, json=OURS), OK, Kind.FAILURE),
        ("http://127.0.0.1:8001", None, WARNING, Kind.FAILURE),
    ],
)
async def test_the_address_of_webhooks_is_https_public_and_ours(
    url: str, answer: httpx.Response | None, severity: Severity, kind: Kind
) -> None:
    finding = await examined(url, answer)

    assert (finding.severity, finding.kind, finding.mend is None) == (severity, kind, severity is OK)


def test_the_exit_code_is_of_what_is_to_be_mended_first() -> None:
    broken = failed("workers", "", mend="")
    setting = failed("logins", "", mend="", kind=Kind.CONFIGURATION)
    store = failed("redis", "", mend="", kind=Kind.DEPENDENCY)

    assert exit_code_of_findings([broken]) == Exit.FAILURE
    assert exit_code_of_findings([broken, setting]) == Exit.CONFIGURATION
    assert exit_code_of_findings([setting, broken, store]) == Exit.DEPENDENCY_DOWN
    assert exit_code_of_findings([warning("webhooks", "", mend="")]) is None


def test_many_things_are_told_by_a_few() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcdefg")) == "a, b, c, d, e and 2 more"


def a_count(*, seconds: float | None = None, dead: int = 0) -> JobCount:
    since = None if seconds is None else NOON - timedelta(seconds=seconds)
    return JobCount(kind="release_held", due=2, running=0, waiting=0, dead=dead, oldest_due_at=since)


def test_jobs_that_nobody_takes_up_and_jobs_that_are_dead_are_told_by_their_kinds() -> None:
    assert severities(jobs.judge([], now=NOON)) == [OK]
    assert severities(jobs.judge([a_count(), a_count(seconds=600)], now=NOON)) == [OK]

    late, dead = jobs.judge([a_count(seconds=601, dead=3)], now=NOON)

    assert [late.severity, dead.severity] == [FAILED, WARNING]
    assert late.detail == "too late: release_held 2 due, the oldest for 601 s"
    assert dead.detail == "dead: release_held 3"
    assert None not in (late.mend, dead.mend)
