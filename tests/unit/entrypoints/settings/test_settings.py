"""Settings: typed, complete, and every mistake told at once, without repeating a secret."""

from datetime import timedelta
from pathlib import Path

import pytest

from messaging.adapters.providers.whatsapp_cloud.settings import WhatsAppSettings
from messaging.application.ports.health import Retention
from messaging.entrypoints.composition.providers import settings_groups
from messaging.entrypoints.composition.terms import retention
from messaging.entrypoints.settings.settings import (
    BadSettings,
    ClientSettings,
    MigrationSettings,
    ProviderGroup,
    Settings,
    load,
)
from messaging.entrypoints.settings.shown import effective
from messaging.entrypoints.settings.values import LogLevel

GOOD = {
    "APP_DATABASE_URL": "postgresql://shop:s3cret@db.internal/messaging",
    "APP_REDIS_URL": "redis://:hush@cache.internal:6379/0",
    "APP_MASTER_KEY": "ab" * 32,
}


def problems_of(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(BadSettings) as caught:
        load(Settings, environ, settings_groups)
    return {problem.name: problem.detail for problem in caught.value.problems}


def test_values_are_converted_to_their_types() -> None:
    settings = load(Settings, GOOD | {"APP_API_PORT": "9000", "APP_RATE_LIMIT_SHARE": "0.5", "APP_LOG_LEVEL": "debug"})

    assert (settings.api_port, settings.rate_limit_share, settings.log_level) == (9000, 0.5, LogLevel.DEBUG)
    assert settings.master_key.as_bytes == bytes.fromhex("ab" * 32)


@pytest.mark.parametrize("text", ["fb" * 32, "+/v7" * 10 + "+/s=", "-_v7" * 10 + "-_s="])
def test_the_master_key_may_be_hex_or_either_base64(text: str) -> None:
    settings = load(Settings, GOOD | {"APP_MASTER_KEY": text})

    assert len(settings.master_key.as_bytes) == 32


def test_retention_is_for_ever_or_longer_than_late_echoes_take() -> None:
    settings = load(Settings, GOOD | {"APP_RETENTION_DAYS": "0", "APP_WEBHOOK_RETENTION_DAYS": "30"})

    assert retention(settings) == Retention(messages=None, raw_webhooks=timedelta(days=30))
    assert "between 30 and" in problems_of(GOOD | {"APP_RETENTION_DAYS": "7"})["APP_RETENTION_DAYS"]


def test_every_missing_setting_is_listed_with_what_to_do() -> None:
    problems = problems_of({})

    assert set(problems) == {"APP_DATABASE_URL", "APP_REDIS_URL", "APP_MASTER_KEY"}
    assert "openssl rand" in problems["APP_MASTER_KEY"]
    assert "app dev" in problems["APP_DATABASE_URL"]


def test_an_unknown_name_is_refused_with_a_suggestion() -> None:
    problems = problems_of(GOOD | {"APP_DATBASE_URL": "x"})

    assert problems == {"APP_DATBASE_URL": "is not a setting. Did you mean APP_DATABASE_URL?"}


def test_names_of_other_programs_do_not_matter() -> None:
    assert load(Settings, GOOD | {"APPLICATION": "x", "PATH": "/bin"}).api_port == 8000


def test_settings_of_another_command_are_allowed() -> None:
    assert load(Settings, GOOD | {"APP_API_KEY": "mpk_test_x"}).api_port == 8000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_API_PORT", "70000"),
        ("APP_API_PORT", "http"),
        ("APP_MASTER_KEY", "c2hvcnQ="),
        ("APP_DATABASE_URL", "mysql://db/messaging"),
        ("APP_REDIS_URL", "cache.internal:6379"),
        ("APP_WHATSAPP_BASE_URL", "ftp://graph.example"),
        ("APP_WHATSAPP_GRAPH_VERSION", "25"),
        ("APP_RATE_LIMIT_SHARE", "1.5"),
        ("APP_LOG_LEVEL", "loud"),
        ("APP_DELIVERY_CONCURRENCY", "0"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    assert set(problems_of(GOOD | {name: value})) == {name}


def test_no_problem_repeats_the_value_of_a_secret() -> None:
    told = str(problems_of(GOOD | {"APP_MASTER_KEY": "not-a-key-but-secret", "APP_DATABASE_URL": "my://u:s3cret@h"}))

    assert "not-a-key-but-secret" not in told
    assert "s3cret" not in told


def test_all_problems_come_at_once() -> None:
    problems = problems_of({"APP_REDIS_URL": "nope", "APP_API_PORT": "0", "APP_TYPO": "1"})

    assert set(problems) == {"APP_DATABASE_URL", "APP_REDIS_URL", "APP_MASTER_KEY", "APP_API_PORT", "APP_TYPO"}


def test_a_secret_can_be_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("cd" * 32 + "\n")
    environ = {name: value for name, value in GOOD.items() if name != "APP_MASTER_KEY"}

    settings = load(Settings, environ | {"APP_MASTER_KEY_FILE": str(path)})

    assert settings.master_key.as_bytes == bytes.fromhex("cd" * 32)


def test_an_unreadable_file_is_a_problem_of_its_own(tmp_path: Path) -> None:
    environ = {name: value for name, value in GOOD.items() if name != "APP_MASTER_KEY"}

    problems = problems_of(environ | {"APP_MASTER_KEY_FILE": str(tmp_path / "missing")})

    assert set(problems) == {"APP_MASTER_KEY_FILE"}


def test_a_value_and_a_file_for_it_are_refused(tmp_path: Path) -> None:
    assert "set twice" in problems_of(GOOD | {"APP_MASTER_KEY_FILE": str(tmp_path)})["APP_MASTER_KEY"]


def test_an_empty_value_counts_as_not_set() -> None:
    assert load(Settings, GOOD | {"APP_ECHO_GRACE_SECONDS": ""}).echo_grace_seconds is None


def test_what_is_shown_holds_no_secret() -> None:
    settings = load(Settings, GOOD, settings_groups)

    shown = str(effective(settings, settings_groups())) + repr(settings)

    assert effective(settings, settings_groups())["APP_DATABASE_URL"] == "postgresql://shop:***@db.internal/messaging"
    assert not any(secret in shown for secret in ("s3cret", "hush", "abab"))


def test_providers_have_settings_of_their_own_that_one_environment_may_hold_for_every_command() -> None:
    environ = GOOD | {"APP_WHATSAPP_BASE_URL": "https://graph.test", "APP_WHATSAPP_MESSAGE_HISTORY": "true"}

    settings = load(Settings, environ, settings_groups)

    assert settings.of_providers["whatsapp_cloud"] == WhatsAppSettings(
        base_url="https://graph.test", message_history=True
    )
    assert effective(settings, settings_groups())["APP_WHATSAPP_MESSAGE_HISTORY"] == "True"
    assert load(MigrationSettings, environ, settings_groups).owner_url.value == GOOD["APP_DATABASE_URL"]
    assert problems_of(environ | {"APP_WHATSAPP_HISTORY": "1"}) == {
        "APP_WHATSAPP_HISTORY": "is not a setting. Did you mean APP_WHATSAPP_MESSAGE_HISTORY?"
    }


def test_providers_are_asked_for_only_if_a_name_may_be_theirs() -> None:
    def slow() -> dict[str, ProviderGroup]:
        raise AssertionError("the adapters are loaded")

    assert load(MigrationSettings, GOOD, slow).owner_url.value == GOOD["APP_DATABASE_URL"]


def test_a_migration_needs_the_owner_url_or_else_the_database_url() -> None:
    owner = "postgresql://owner:pw@db.internal/messaging"

    assert load(MigrationSettings, GOOD).owner_url.value == GOOD["APP_DATABASE_URL"]
    assert load(MigrationSettings, GOOD | {"APP_DATABASE_OWNER_URL": owner}).owner_url.value == owner


def test_a_client_needs_a_key_only() -> None:
    settings = load(ClientSettings, {"APP_API_KEY": "mpk_test_x"})

    assert (settings.api_url.value, settings.api_key.value) == ("http://127.0.0.1:8000", "mpk_test_x")


@pytest.mark.parametrize(
    ("environ", "both"),
    [
        ({"APP_ACCEPT_WRITERS": "9"}, ("APP_ACCEPT_WRITERS", "APP_DATABASE_POOL_SIZE")),
        ({"APP_RESEND_CLOCK_MARGIN_SECONDS": "580"}, ("APP_RESEND_CLOCK_MARGIN_SECONDS", "APP_ECHO_GRACE_SECONDS")),
        ({"APP_ECHO_GRACE_SECONDS": "600"}, ("APP_RESEND_CLOCK_MARGIN_SECONDS", "APP_ECHO_GRACE_SECONDS")),
    ],
)
def test_settings_that_exclude_each_other_are_refused_and_both_are_named(
    environ: dict[str, str], both: tuple[str, str]
) -> None:
    [(name, detail)] = problems_of(GOOD | environ).items()

    assert (name, both[1] in detail) == (both[0], True)


def test_a_longer_margin_is_fine_where_a_code_can_still_be_proven_lost_in_time() -> None:
    settings = load(Settings, GOOD | {"APP_RESEND_CLOCK_MARGIN_SECONDS": "560", "APP_ECHO_GRACE_SECONDS": "599"})

    assert settings.resend_clock_margin_seconds == 560


def test_who_sets_the_old_name_of_a_setting_is_told_the_new_one() -> None:
    problems = problems_of(GOOD | {"APP_WITNESSES": "30", "APP_CALLBACK_RETENTION_DAYS": "30"})

    assert "APP_RESEND_MIN_LATER_RECEIPTS" in problems["APP_WITNESSES"]
    assert "APP_WEBHOOK_RETENTION_DAYS" in problems["APP_CALLBACK_RETENTION_DAYS"]
