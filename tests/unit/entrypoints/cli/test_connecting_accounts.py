"""`app accounts` and `app senders`: options per provider, secrets from the environment, what is sent and printed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import respx
import rich_click as click
from click.testing import CliRunner, Result

from messaging.entrypoints.cli import app
from messaging.entrypoints.cli.failures import Failed
from messaging.entrypoints.cli.through_api.accounts import connecting
from messaging.entrypoints.composition.providers import PROVIDERS
from tests.fakes.pigeon_post import PIGEON_POST

API = "http://api.test"
ACCOUNT = {"id": "acc_1", "provider": "pigeon_post", "webhook_url": "https://hooks.example/webhooks/pigeon_post/t"}
SURROUNDINGS = {"APP_API_URL": API, "APP_API_KEY": "mpk_test_key"}

Call = Callable[..., Result]


@pytest.fixture
def call() -> Call:
    def call(command: click.Command, *arguments: str, **options: Any) -> Result:
        environment = SURROUNDINGS | options.pop("env", {})
        return CliRunner().invoke(command, list(arguments), env=environment, **options)

    return call


@pytest.fixture
def api() -> respx.MockRouter:
    return respx.mock(base_url=API)


def sent(api: respx.MockRouter) -> Any:
    return json.loads(api.calls.last.request.content)


def test_there_is_a_command_for_every_provider() -> None:
    accounts = app.commands["accounts"]
    assert isinstance(accounts, click.Group)
    connect = accounts.commands["connect"]
    assert isinstance(connect, click.Group)

    assert set(connect.commands) == {provider.name.replace("_", "-") for provider in PROVIDERS}


def test_credentials_are_options_named_as_the_fields_and_come_from_the_environment(
    api: respx.MockRouter, call: Call
) -> None:
    with api:
        api.post("/v1/provider-accounts").respond(201, json=ACCOUNT)
        ended = call(
            connecting(PIGEON_POST, "PIGEON"),
            *("--external-id", "L123", "--loft", "7", "--speed", "walk", "--no-verify", "--json"),
            env={"PIGEON_RING_CODE": "R-77"},
        )
        assert sent(api) == {
            **{"provider": "pigeon_post", "external_id": "L123", "name": "Pigeon Post", "verify": False},
            **{"ring_code": "R-77", "loft": 7, "speed": "walk"},
        }

    assert json.loads(ended.stdout) == ACCOUNT
    assert ACCOUNT["webhook_url"] in ended.stderr
    assert "app senders add --account acc_1" in ended.stderr


def test_a_required_secret_that_is_not_given_is_asked_for_without_an_echo(api: respx.MockRouter, call: Call) -> None:
    with api:
        api.post("/v1/provider-accounts").respond(201, json=ACCOUNT)
        ended = call(connecting(PIGEON_POST, "PIGEON"), "--external-id", "L123", input="R-99\n")
        assert sent(api)["ring_code"] == "R-99"

    assert "R-99" not in ended.output


def test_a_check_stores_nothing_and_fails_if_the_provider_refuses(api: respx.MockRouter, call: Call) -> None:
    told = {"ok": False, "checks": [{"part": "ring", "ok": False, "detail": "unknown"}], "numbers": []}
    with api:
        api.post("/v1/provider-accounts/verify").respond(json=told)
        ended = call(connecting(PIGEON_POST, "PIGEON"), "--external-id", "L123", "--ring-code", "R-77", "--check")
        assert sent(api) == {"provider": "pigeon_post", "external_id": "L123", "ring_code": "R-77"}

    assert "unknown" in ended.stdout
    assert isinstance(ended.exception, Failed)


def test_an_account_is_changed_with_credentials_from_stdin(api: respx.MockRouter, call: Call, tmp_path: Path) -> None:
    with api:
        api.patch("/v1/provider-accounts/acc_1").respond(json=ACCOUNT)
        call(app, "accounts", "change", "acc_1", "--credentials", "-", "--name", "Lofts", input='{"ring_code": "R-78"}')
        assert sent(api) == {"name": "Lofts", "ring_code": "R-78"}

    (tmp_path / "list.json").write_text("[]")
    assert call(app, "accounts", "change", "acc_1", "--credentials", str(tmp_path / "list.json")).exit_code == 2
    assert isinstance(call(app, "accounts", "change", "acc_1").exception, Failed)


def test_a_sender_is_called_by_its_address_unless_told_otherwise(api: respx.MockRouter, call: Call) -> None:
    with api:
        api.post("/v1/senders").respond(201, json={"id": "snd_1"})
        given = ("--account", "acc_1", "--channel", "whatsapp", "--external-id", "1", "--address", "+14155550100")
        ended = call(app, "senders", "add", *given, "--json")
        assert sent(api) == {
            **{"account_id": "acc_1", "channel": "whatsapp", "external_id": "1"},
            **{"address": "+14155550100", "name": "+14155550100"},
        }

    assert json.loads(ended.stdout) == {"id": "snd_1"}
