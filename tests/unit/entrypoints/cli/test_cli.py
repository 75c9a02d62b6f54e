"""The command line: quick to ask, honest exit codes, and every error names the next command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from asyncpg.exceptions import InsufficientPrivilegeError

from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.shared.errors import DomainError, Violation
from messaging.entrypoints.cli.failures import Exit, Failed, exit_code_of
from messaging.entrypoints.settings.settings import BadSettings, Problem

HEAVY = (
    "litestar",
    "sqlalchemy",
    "asyncpg",
    "redis",
    "arq",
    "httpx",
    "aiohttp",
    "uvicorn",
    "cryptography",
    "rich.table",
)


def app(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("APP_")}
    command = [sys.executable, "-P", "-m", "messaging.entrypoints.cli", *arguments]
    # No platform of the person who runs the tests.
    clean["XDG_CONFIG_HOME"] = os.devnull
    return subprocess.run(command, env=clean | environ, capture_output=True, text=True, timeout=60, check=False)


def test_every_command_of_the_contract_exists() -> None:
    shown = app("--help")

    promised = "api worker webhooks dev sandbox migrate doctor tenants keys send trace openapi config demo bench"
    assert shown.returncode == 0
    assert [name for name in promised.split() if f" {name} " not in shown.stdout] == []


def test_asking_for_help_loads_no_heavy_library() -> None:
    code = "import sys, messaging.entrypoints.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert [name for name in HEAVY if name in loaded.stdout.split()] == []


def test_a_command_without_settings_exits_with_4_and_says_which_are_missing() -> None:
    failed = app("api")

    assert failed.returncode == Exit.CONFIGURATION
    assert "APP_DATABASE_URL" in failed.stderr
    assert "APP_REDIS_URL" in failed.stderr
    assert "next: " in failed.stderr
    assert failed.stdout == ""


def test_a_typing_error_in_a_setting_exits_with_4_and_suggests_the_right_name() -> None:
    failed = app("doctor", APP_DATBASE_URL="x")

    assert failed.returncode == Exit.CONFIGURATION
    assert "Did you mean APP_DATABASE_URL?" in failed.stderr


def test_a_wrong_option_exits_with_2() -> None:
    assert app("worker", "--colour", "red").returncode == Exit.USAGE
    assert app("worker", "--priorities", "urgent").returncode == Exit.USAGE
    assert app("keys", "create").returncode == Exit.USAGE
    assert app("send", "--to", "+14155550100").returncode == Exit.USAGE


def test_a_statement_is_printed_as_it_is_sent_with_its_purpose_and_role() -> None:
    printed = app("sql", "each-change", "--week", "2026w48")

    head, role, *text = printed.stdout.splitlines()
    assert head == "-- each-change: Writes decided changes of messages nobody has locked."
    assert "messaging_system" in role
    assert "UPDATE messages_2026w48 m" in text
    assert "{" not in "".join(text)
    assert text[-1].endswith(";")


def test_statements_are_listed_by_name_and_one_that_does_not_exist_leads_to_the_list() -> None:
    listed = json.loads(app("sql", "--json").stdout)
    failed = app("sql", "everything")

    assert {"accept", "pick-due", "changes"} <= {statement["name"] for statement in listed}
    assert failed.returncode == Exit.USAGE
    assert "`app sql` lists them all" in failed.stderr
    assert app("sql", "lock", "--week", "48").returncode == Exit.USAGE


def test_a_database_that_is_away_exits_with_3() -> None:
    failed = app("migrate", APP_DATABASE_URL="postgresql://nobody:s3cret@127.0.0.1:1/nothing")

    assert failed.returncode == Exit.DEPENDENCY_DOWN
    assert "app doctor" in failed.stderr
    assert "s3cret" not in failed.stderr
    assert "Traceback" not in failed.stderr


def test_an_api_that_is_away_exits_with_3() -> None:
    failed = app("trace", "msg_x", APP_API_URL="http://127.0.0.1:1", APP_API_KEY="mpk_test_x")

    assert failed.returncode == Exit.DEPENDENCY_DOWN
    assert "app dev" in failed.stderr


def test_the_settings_reference_is_data_on_stdout() -> None:
    shown = app("config", "--reference", "--json")

    names = [setting["name"] for setting in json.loads(shown.stdout)]
    assert shown.returncode == 0
    assert "APP_DATABASE_URL" in names


def test_the_settings_in_force_are_shown_without_secrets() -> None:
    environ = {
        "APP_DATABASE_URL": "postgresql://shop:s3cret@db/messaging",
        "APP_REDIS_URL": "redis://cache",
        "APP_MASTER_KEY": "ab" * 32,
    }

    shown = app("config", "--json", **environ)

    assert json.loads(shown.stdout)["APP_DATABASE_URL"] == "postgresql://shop:***@db/messaging"
    assert "s3cret" not in shown.stdout + shown.stderr
    assert "abab" not in shown.stdout + shown.stderr


def test_the_api_description_needs_no_service() -> None:
    shown = app("openapi")

    assert shown.returncode == 0
    assert json.loads(shown.stdout)["openapi"].startswith("3.1")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (BadSettings((Problem(name="APP_X", detail="is not a setting."),)), Exit.CONFIGURATION),
        (StoreUnavailable(), Exit.DEPENDENCY_DOWN),
        (DomainError("not_found", "Nothing here."), Exit.FAILURE),
        (Failed("no", next_step="ask again", code=Exit.DEPENDENCY_DOWN), Exit.DEPENDENCY_DOWN),
        (ExceptionGroup("tasks", [StoreUnavailable()]), Exit.DEPENDENCY_DOWN),
        (InsufficientPrivilegeError("permission denied to set role"), Exit.CONFIGURATION),
        (ZeroDivisionError(), Exit.FAILURE),
    ],
)
def test_every_way_to_end_has_its_exit_code(
    error: BaseException, code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(error) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert "interrupted" in told.err or "next: " in told.err


def test_a_refusal_tells_every_reason(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = tuple(Violation(pointer=f"/{name}", code="value_empty", detail=f"No {name}.") for name in ("one", "two"))

    exit_code_of(DomainError("validation_failed", "Not accepted.", reasons))

    assert capsys.readouterr().err.splitlines()[:3] == [
        "error: validation_failed: Not accepted.",
        "  /one No one.",
        "  /two No two.",
    ]


def test_a_bug_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ZeroDivisionError("the bug")
    except ZeroDivisionError as error:
        exit_code_of(error)

    assert "Traceback" in capsys.readouterr().err


def test_the_sandbox_announces_itself_once_it_listens(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "messaging.entrypoints.cli", "sandbox", "--port", "0", "--json"]
    with subprocess.Popen(
        [*command, "--state-dir", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        announced = json.loads(running.stdout.readline())
        running.terminate()
        code = running.wait(timeout=60)

    assert announced["url"].startswith("http://127.0.0.1:")
    assert code == 0
