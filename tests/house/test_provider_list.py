"""A provider has everything as soon as it is in the list: each derivation is tried with one that is nowhere else."""

from typing import Any

import msgspec
import pytest

from messaging.application.tenants.accounts.connect_account import NewAccount
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
from messaging.entrypoints.composition.providers import PROVIDERS
from tests.fakes.pigeon_post import PIGEON_POST, PigeonCredentials

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
