"""A provider has everything as soon as it is in the list: each derivation is tried with one that is nowhere else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich_click import Option

from messaging.application.tenants.accounts.connect_account import NewAccount
from messaging.application.tenants.accounts.connections import AccountCredentials, seal_credentials
from messaging.domain.shared.errors import DomainError
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.v1.accounts.bodies import (
    ConnectAccountBody,
    VerifyAccountBody,
    change_shape,
    example_of,
    one_of,
    shapes_of,
)
from messaging.entrypoints.cli.processes.commands import worker
from messaging.entrypoints.composition.health.process import lanes_carried
from messaging.entrypoints.composition.providers import CHANNELS, PROVIDERS, settings_groups
from messaging.entrypoints.observability.redaction import Redaction, redaction_of
from messaging.entrypoints.settings.settings import BadSettings, ClientSettings, ProviderGroup, Settings, load
from messaging.entrypoints.settings.shown import describe, effective
from messaging.entrypoints.worker.app import WorkerTerms
from tests.builders import ACCOUNT, an_account
from tests.fakes.pigeon_post import PIGEON_POST, PigeonCredentials, PigeonSettings
from tests.unit.application.webhooks.doubles import CIPHER

LIST = (*PROVIDERS, PIGEON_POST)
CONNECTING = shapes_of(ConnectAccountBody, "New{}Account", LIST)
PIGEON: dict[str, Any] = {"provider": "pigeon_post", "name": "Lofts", "external_id": "L123", "ring_code": "R-77"}


def connected(**given: Any) -> NewAccount:
    return Body(one_of(CONNECTING)).decode(msgspec.json.encode(given)).to_new()


def refused(body: Body[Any], given: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(DomainError) as refusal:
        body.decode(msgspec.json.encode(given))
    return {violation.pointer: violation.detail for violation in refusal.value.violations}


# --- the API's bodies -------------------------------------------------------------------------------------------------


def test_an_account_is_connected_with_its_own_credentials() -> None:
    new = connected(**PIGEON, loft=7)

    assert (new.provider, new.external_id) == ("pigeon_post", "L123")
    assert new.credentials == PigeonCredentials(ring_code="R-77", loft=7)


@pytest.mark.parametrize("shape", CONNECTING, ids=lambda shape: shape.of.name)
def test_the_example_of_every_provider_can_be_connected(shape: type[ConnectAccountBody]) -> None:
    new = connected(**example_of(shape))

    assert shape.of.account_id.fits(new.external_id)
    assert isinstance(new.credentials, shape.of.credentials)


def test_credentials_of_another_provider_are_refused_with_all_that_is_wrong_and_missing() -> None:
    found = refused(
        Body(one_of(CONNECTING)),
        {
            "provider": "pigeon_post",
            "name": "x",
            "external_id": "y",
            "access_token": "t",
            "app_secrets": ["s"],
            "loft": 0,
        },
    )

    assert sorted(found) == ["/access_token", "/app_secrets", "/loft", "/ring_code"]


@pytest.mark.parametrize("given", [{}, {"provider": "carrier_snail"}, {"provider": 7}])
def test_an_unknown_provider_is_refused_with_the_list_of_the_known(given: dict[str, Any]) -> None:
    found = refused(Body(one_of(CONNECTING)), given)

    assert set(found) == {"/provider", "/name", "/external_id"}
    assert all(provider.name in found["/provider"] for provider in LIST)


def test_the_only_provider_must_be_named_too() -> None:
    alone = Body(one_of(shapes_of(VerifyAccountBody, "{}AccountCandidate", (PIGEON_POST,))))

    assert "/provider" in refused(alone, {"external_id": "L123", "ring_code": "R-77"})


def test_a_change_takes_the_fields_of_every_provider_and_judges_what_all_agree_on() -> None:
    body = Body(change_shape(LIST))

    given = {"ring_code": "R-78", "app_secrets": ["s"], "verify_token": "longer than three"}
    assert body.decode(msgspec.json.encode(given)).to_changes().credentials == given | {"app_secrets": ("s",)}
    assert set(refused(body, {"ring_code": "R", "colour": "red"})) == {"/ring_code", "/colour"}


def test_the_contract_describes_every_provider_and_tells_them_apart() -> None:
    (reference,), components = msgspec.json.schema_components([one_of(CONNECTING)], ref_template="{name}")

    assert reference["discriminator"]["mapping"] == {it.of.name: it.__name__ for it in CONNECTING}
    pigeon = components["NewPigeonPostAccount"]
    assert pigeon["required"] == ["provider", "name", "external_id", "ring_code"]
    assert pigeon["properties"]["ring_code"]["description"] == "The code on the ring."
    assert "A loft's id" in pigeon["properties"]["external_id"]["description"]


def test_a_credential_may_not_be_called_as_something_that_every_account_has() -> None:
    class Named(msgspec.Struct):
        name: str

    with pytest.raises(TypeError, match="name"):
        shapes_of(ConnectAccountBody, "New{}Account", (msgspec.structs.replace(PIGEON_POST, credentials=Named),))


# --- stored credentials -----------------------------------------------------------------------------------------------


def test_credentials_are_stored_and_opened_as_the_provider_s_own_and_without_its_bounds() -> None:
    opened = AccountCredentials({provider.name: provider for provider in LIST})
    whole = PigeonCredentials(ring_code="R-77", loft=7)

    def stored(credentials: PigeonCredentials | dict[str, Any]) -> Any:
        sealed = seal_credentials(ACCOUNT, credentials, CIPHER)
        return opened.open(an_account(provider="pigeon_post", sealed_credentials=sealed), CIPHER)

    assert stored(whole) == whole
    assert stored({"loft": 99}) == PigeonCredentials(ring_code="", loft=99)


# --- settings ---------------------------------------------------------------------------------------------------------


def groups() -> Mapping[str, ProviderGroup]:
    return settings_groups(LIST)


ENVIRONMENT = {
    "APP_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "APP_REDIS_URL": "redis://127.0.0.1:1/0",
    "APP_MASTER_KEY": "00" * 32,
}


def settings(**given: str) -> Settings:
    return load(Settings, ENVIRONMENT | given, groups)


def problems(**given: str) -> dict[str, str]:
    with pytest.raises(BadSettings) as caught:
        settings(**given)
    return {problem.name: problem.detail for problem in caught.value.problems}


def test_every_provider_has_settings_of_its_own_under_its_prefix(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("c0rn\n")

    read = settings(APP_PIGEON_FLOCK="7", APP_PIGEON_SEED_KEY_FILE=str(tmp_path / "key")).of_providers

    assert set(read) == {provider.name for provider in LIST}
    assert read["pigeon_post"] == PigeonSettings(flock=7, seed_key="c0rn")


def test_settings_of_providers_are_judged_as_all_others_are() -> None:
    wrong = {"APP_PIGEON_BASE_URL": "ftp://lofts.example", "APP_PIGEON_FLOCK": "99", "APP_PIGEON_FLOK": "7"}

    found = problems(**wrong)

    assert set(found) == set(wrong)
    assert "Did you mean APP_PIGEON_FLOCK?" in found["APP_PIGEON_FLOK"]


def test_settings_of_providers_are_allowed_beside_those_of_every_command() -> None:
    load(ClientSettings, {"APP_API_KEY": "mpk_test_x", "APP_PIGEON_FLOCK": "7"}, groups)


def test_settings_of_providers_are_described_and_shown_without_secrets() -> None:
    given = settings(APP_PIGEON_BASE_URL="https://me:s3cret@lofts.example", APP_PIGEON_SEED_KEY="c0rn")

    shown = effective(given, groups())

    assert shown["APP_PIGEON_BASE_URL"] == "https://me:***@lofts.example"
    assert (shown["APP_PIGEON_SEED_KEY"], shown["APP_PIGEON_FLOCK"]) == ("***", "5")
    described = {it.name: (it.default, it.description) for it in describe(groups())}
    assert described["APP_PIGEON_FLOCK"] == ("5", "Pigeons that fly at once.")
    assert described["APP_PIGEON_SEED_KEY"] == ("unset", "What the corn is locked with.")


def test_no_two_settings_have_one_name_and_each_is_described() -> None:
    described = describe(groups())

    assert len(described) == len({it.name for it in described})
    assert [it.name for it in described if not it.description] == []


# --- logs -------------------------------------------------------------------------------------------------------------


def test_logs_show_no_credential_of_any_provider() -> None:
    event = redaction_of(LIST)(
        None,
        "info",
        {"ring_code": "R-77", "app_secret": "x", "loft": 7, "speed": "fly", "why": "no ring-123456 here"},
    )

    assert event == {
        "ring_code": "[redacted]",
        "app_secret": "[redacted]",
        "loft": 7,
        "speed": "fly",
        "why": "no [redacted] here",
    }


@pytest.mark.parametrize(
    ("pattern", "secret"),
    [
        (r"\bAB[0-9]{3}", "AB123"),
        (r"(?i)\bAB [0-9]{3}", "ab 123"),
        (r"abc?[0-9]{3}", "ab123"),
        (r"[a-f]{2}[0-9]{3}", "ab123"),
        ("ab1|cd2", "cd2"),
    ],
)
def test_a_secret_is_found_however_its_pattern_begins(pattern: str, secret: str) -> None:
    redaction = Redaction(patterns=(pattern,))

    assert redaction.may_hide(f"it was {secret}")
    assert secret not in redaction.text(f"it was {secret}")


# --- lanes ------------------------------------------------------------------------------------------------------------


def test_every_channel_that_a_provider_carries_has_workers_lanes_and_a_choice() -> None:
    carried = sorted({channel for provider in PROVIDERS for channel in provider.channels})

    lanes = lanes_carried({provider.name: provider.channels for provider in LIST})
    assert {lane.channel for lane in lanes} == {*carried, *PIGEON_POST.channels}
    assert sorted(WorkerTerms().channels) == list(CHANNELS) == carried
    (option,) = (option for option in worker.params if option.name == "channels")
    assert isinstance(option, Option)
    assert str(option.help).endswith(f"Of: {', '.join(carried)}")
