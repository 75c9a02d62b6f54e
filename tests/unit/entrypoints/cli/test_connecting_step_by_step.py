"""`app connect PROVIDER`: a command for each provider of the list, the steps each of them has, and where they stop."""

import json
from typing import Any

import httpx
import pytest
import respx
import rich_click as click
from click.testing import CliRunner, Result
from msgspec.structs import replace

from messaging.application.ports.providers.descriptor import Provider, Steps, Subscription
from messaging.domain.channels.capabilities import Capabilities
from messaging.entrypoints.cli import app
from messaging.entrypoints.cli.failures import Failed
from messaging.entrypoints.cli.through_api.connecting.command import connecting
from messaging.entrypoints.composition.providers import PROVIDERS, prefix_of
from tests.fakes.pigeon_post import PIGEON_POST

API = "http://api.test"
URL = "https://hooks.example/webhooks/pigeon_post/t"
ACCOUNT = {"id": "acc_1", "provider": "pigeon_post", "external_id": "L123", "webhook_url": URL}
PIGEON = {"external_id": "P001", "address": "+1415", "name": "Lofts", "status": "CONNECTED", "per_second": 3}
SENDER = {"id": "snd_1", "account_id": "acc_1", "external_id": "P001", "address": "+1415"}
# A provider with everything that can be told of one.
GRAND = replace(
    PIGEON_POST,
    capabilities=Capabilities(reviews_templates=True),
    account_id=replace(PIGEON_POST.account_id, called="loft-id"),
    sender_id=replace(PIGEON_POST.sender_id, called="ring", pattern="P[0-9]{3}|[A-Z][a-z]+", unlisted="[A-Z][a-z]+"),
    steps=Steps(
        subscription=Subscription(override=True, otherwise="to whom the corn is due"),
        registers_numbers=True,
        chosen=frozenset({"verify_token"}),
    ),
)
PLAIN = ("--external-id", "L123", "--ring-code", "R-77")
LOFT = ("--loft-id", "L123", "--ring-code", "R-77")


class Platform:
    """The API as one tenant sees it, with what the provider says of the account."""

    def __init__(self, *numbers: dict[str, Any], ok: bool = True, account: bool = False, sender: bool = False) -> None:
        self.api = respx.mock(base_url=API, assert_all_called=False)
        told = {"ok": ok, "checks": [{"part": "ring", "ok": ok, "detail": "seen"}], "numbers": numbers}
        answers: dict[tuple[str, str], Any] = {
            ("POST", "/verify"): told,
            ("GET", ""): {"data": [ACCOUNT] if account else [], "has_more": False},
            ("POST", ""): ACCOUNT,
            ("PATCH", "/acc_1"): ACCOUNT,
            ("POST", "/acc_1/subscribe"): ACCOUNT,
            ("POST", "/acc_1/register-number"): PIGEON,
            ("POST", "/acc_1/sync-templates"): {"added": 2, "changed": 0, "unchanged": 1},
        }
        for (method, path), answer in answers.items():
            self.api.route(method=method, path=f"/v1/provider-accounts{path}").respond(json=answer)
        self.api.get("/v1/senders").respond(json={"data": [SENDER] if sender else [], "has_more": False})
        self.api.post("/v1/senders").respond(201, json=SENDER)
        self._asked: list[httpx.Request] = []

    def connect(self, provider: Provider, *arguments: str, **options: Any) -> Result:
        command = connecting(provider, prefix_of(provider))
        environment = {"APP_API_URL": API, "APP_API_KEY": "mpk_test_key"} | options.pop("env", {})
        with self.api:
            ended = CliRunner().invoke(command, list(arguments), env=environment, **options)
            self._asked = [call.request for call in self.api.calls]
        return ended

    def changes(self) -> list[tuple[str, Any]]:
        """What was asked for that changes something, with its body."""
        requests = [it for it in self._asked if it.method != "GET"]
        paths = [it.url.path.removeprefix("/v1/").removeprefix("provider-accounts") for it in requests]
        return [
            (path, json.loads(it.content or "null"))
            for path, it in zip(paths, requests, strict=True)
            if path != "/verify"
        ]


def test_there_is_a_command_for_every_provider_of_the_list() -> None:
    connect = app.commands["connect"]
    assert isinstance(connect, click.Group)

    assert set(connect.commands) == {prefix_of(provider).lower().replace("_", "-") for provider in PROVIDERS}


@pytest.mark.parametrize("provider", [*PROVIDERS, PIGEON_POST, GRAND], ids=lambda it: it.name)
def test_no_two_options_of_a_command_have_one_name(provider: Provider) -> None:
    names = [name for option in connecting(provider, "X").params for name in (*option.opts, option.name)]

    assert len(names) == len(set(names))


def test_all_steps_of_a_provider_are_taken_in_order() -> None:
    platform = Platform({**PIGEON, "status": "PENDING"})

    ended = platform.connect(GRAND, *LOFT, "--pin", "150954", "--name", "Northwind", "--json")

    changes = dict(platform.changes())
    assert list(changes) == ["", "/acc_1/subscribe", "/acc_1/register-number", "senders", "/acc_1/sync-templates"]
    made_up = changes[""].pop("verify_token")
    assert len(made_up) > 20
    assert made_up in ended.stderr
    assert changes[""] == {
        **{"provider": "pigeon_post", "external_id": "L123", "name": "Northwind"},
        **{"ring_code": "R-77"},
    }
    assert changes["/acc_1/subscribe"] == {"override": True}
    assert changes["/acc_1/register-number"] == {"phone_number_id": "P001", "pin": "150954"}
    assert changes["senders"] == {
        **{"account_id": "acc_1", "channel": "sms", "external_id": "P001"},
        **{"address": "+1415", "name": "Lofts", "per_second": 3},
    }
    assert json.loads(ended.stdout) == {"account": "acc_1", "sender": "snd_1", "webhook_url": URL}


def test_steps_that_a_provider_does_not_have_are_left_out() -> None:
    platform = Platform(PIGEON)

    ended = platform.connect(PIGEON_POST, *PLAIN)

    assert [path for path, _ in platform.changes()] == ["", "senders"]
    assert "app send --channel sms" in ended.stderr
    assert platform.connect(PIGEON_POST, *PLAIN, "--pin", "1").exit_code == 2


def test_what_is_connected_already_gets_the_credentials_and_is_not_made_twice() -> None:
    platform = Platform(PIGEON, account=True, sender=True)

    platform.connect(GRAND, *LOFT, "--no-override")

    assert platform.changes() == [
        ("/acc_1", {"ring_code": "R-77"}),
        ("/acc_1/subscribe", {"override": False}),
        ("/acc_1/sync-templates", None),
    ]


def test_a_sender_that_no_list_has_is_taken_as_it_is() -> None:
    platform = Platform(PIGEON)

    platform.connect(GRAND, *LOFT, "--ring", "Hedwig", "--per-second", "7")

    assert dict(platform.changes())["senders"] == {
        **{"account_id": "acc_1", "channel": "sms", "external_id": "Hedwig"},
        **{"address": "Hedwig", "name": "Hedwig", "per_second": 7},
    }


@pytest.mark.parametrize(
    ("numbers", "given", "why"),
    [
        ((), (), "lists no sender"),
        ((PIGEON, {**PIGEON, "external_id": "P002"}), (), "has several senders"),
        ((PIGEON,), ("--ring", "P009"), "has no such sender"),
        (({**PIGEON, "address": ""},), (), "what its recipients see"),
        (({**PIGEON, "status": "PENDING"},), (), "not registered"),
    ],
)
def test_nothing_is_stored_while_it_is_unclear_what_to_send_from(
    numbers: tuple[dict[str, Any], ...], given: tuple[str, ...], why: str
) -> None:
    platform = Platform(*numbers)

    ended = platform.connect(GRAND, *LOFT, *given)

    assert isinstance(ended.exception, Failed)
    assert why in str(ended.exception)
    assert platform.changes() == []


def test_nothing_is_stored_while_the_provider_finds_something_wrong() -> None:
    platform = Platform(ok=False)

    ended = platform.connect(GRAND, *LOFT)

    assert "FAIL  ring: seen" in ended.stderr
    assert isinstance(ended.exception, Failed)
    assert platform.changes() == []


def test_a_secret_comes_from_the_environment_or_is_asked_for_without_an_echo() -> None:
    asked = Platform(PIGEON)
    ended = asked.connect(PIGEON_POST, "--external-id", "L123", input="R-99\n")
    assert dict(asked.changes())[""]["ring_code"] == "R-99"
    assert "R-99" not in ended.output

    known = Platform(PIGEON)
    known.connect(PIGEON_POST, "--external-id", "L123", env={"PIGEON_RING_CODE": "R-88"})
    assert dict(known.changes())[""]["ring_code"] == "R-88"


def test_a_credential_with_several_values_is_asked_for_and_may_be_given_in_the_singular() -> None:
    twilio = next(provider for provider in PROVIDERS if provider.name == "twilio")
    account = ("--account-sid", twilio.account_id.example, "--sender", "Acme")

    for arguments, environment, typed in (
        (("--auth-token", "one"), {}, ""),
        ((), {"TWILIO_AUTH_TOKEN": "one"}, ""),
        ((), {}, "one\n"),
    ):
        platform = Platform()
        platform.connect(twilio, *account, *arguments, env=environment, input=typed)
        assert dict(platform.changes())[""]["auth_tokens"] == ["one"]
