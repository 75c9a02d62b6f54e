"""Does a process die where it was told to, and only there, and are the places real?"""

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from messaging.application.crashpoints import EXIT_CODE, POINTS, Crash, arm, parse, reach
from messaging.domain.shared.ids import Prefix, typeid
from messaging.entrypoints.settings.settings import BadSettings, Settings, load
from tests.builders import MESSAGE, TENANT

SOURCES = Path(__file__).parents[3] / "src"
ONE = typeid(Prefix.MESSAGE, MESSAGE)

# Passes a point as often as told, with a message where one is given, and says how far it came.
PASSING = """
import logging, sys
from uuid import UUID
from messaging.application import crashpoints
logging.basicConfig(level="WARNING")
crashpoints.arm(crashpoints.parse(sys.argv[1]))
for number, subject in enumerate(sys.argv[3:], start=1):
    crashpoints.reach(sys.argv[2], UUID(subject) if subject != "-" else None)
    print(number, flush=True)
"""


def passing(plan: str, point: str, *subjects: str) -> tuple[int, int]:
    """The exit code, and how many passages the process survived."""
    command = [sys.executable, "-c", PASSING, plan, point, *subjects]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=dict(os.environ), check=False)
    if ended.returncode == EXIT_CODE:
        assert "crashpoint.reached" in ended.stderr
    return ended.returncode, len(ended.stdout.split())


def test_a_process_dies_at_the_passage_it_was_told() -> None:
    assert passing("mark_started.after_commit:3", "mark_started.after_commit", *"-----") == (EXIT_CODE, 2)


def test_without_a_number_it_dies_the_first_time() -> None:
    assert passing("relay.after_wakeup, mark_started.after_commit", "mark_started.after_commit", "-") == (EXIT_CODE, 0)


def test_it_passes_all_other_points_and_passages() -> None:
    armed = "mark_started.after_commit:9,mark_started.before_commit"
    assert passing(armed, "mark_started.after_commit", *"-----") == (0, 5)


def test_it_dies_of_one_message_whenever_that_comes_by() -> None:
    plan = f"render.before_start@{ONE}"

    assert passing(plan, "render.before_start", str(TENANT), "-", str(TENANT)) == (0, 3)
    assert passing(plan, "render.before_start", str(TENANT), str(MESSAGE), "-") == (EXIT_CODE, 1)


def test_a_plan_may_name_several_crashes() -> None:
    assert parse(f"accept.before_commit, outcome.after_commit:12,send.after_reply@{ONE}") == (
        Crash(point="accept.before_commit"),
        Crash(point="outcome.after_commit", passage=12),
        Crash(point="send.after_reply", subject=MESSAGE),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("claim.afer_commit", r"does not exist\. There are: accept\.before_commit, .*webhook_apply\.after_commit"),
        ("", "does not exist"),
        ("mark_started.after_commit,", "does not exist"),
        ("mark_started.after_commit:", "something else than a number"),
        ("mark_started.after_commit:0", "something else than a number"),
        ("mark_started.after_commit:-1", "something else than a number"),
        ("mark_started.after_commit:²", "something else than a number"),
        ("mark_started.after_commit@order-1", "something else than one message id"),
        (f"mark_started.after_commit:2@{ONE}", "something else than one message id"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(text)


def test_a_process_does_not_start_with_a_point_that_does_not_exist() -> None:
    environ = {
        "APP_DATABASE_URL": "postgresql://shop@db.internal/messaging",
        "APP_REDIS_URL": "redis://cache.internal",
        "APP_MASTER_KEY": "ab" * 32,
    }

    armed = load(Settings, environ | {"APP_CRASHPOINT": "mark_started.after_commit:17"})
    with pytest.raises(BadSettings) as caught:
        load(Settings, environ | {"APP_CRASHPOINT": "mark_started.nowhere"})

    assert armed.crashpoint is not None
    assert armed.crashpoint.crashes == (Crash(point="mark_started.after_commit", passage=17),)
    assert load(Settings, environ).crashpoint is None
    [problem] = caught.value.problems
    assert problem.name == "APP_CRASHPOINT"
    assert problem.detail.startswith("names a crash point that does not exist. There are: accept.before_commit")


def test_being_armed_is_told_loudly(caplog: pytest.LogCaptureFixture) -> None:
    arm(parse("mark_started.after_commit:17"))
    try:
        reach("mark_started.after_commit")
    finally:
        arm(())

    assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", "crashpoint.armed")]


def test_every_point_is_somewhere_in_the_code_and_every_place_is_a_point() -> None:
    """`claim` is passed by batches and by messages that are claimed alone, `mark_started` and `outcome` without locks
    and, if need be, with them; everything else happens in one place.
    """
    reached: Counter[str] = Counter()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "crashpoints.reach":
                reached[ast.literal_eval(node.args[0])] += 1

    assert set(reached) == set(POINTS)
    twice = {f"{step}.{when}_commit" for step in ("claim", "mark_started", "outcome") for when in ("before", "after")}
    assert {point for point, concurrency in reached.items() if concurrency > 1} == twice
