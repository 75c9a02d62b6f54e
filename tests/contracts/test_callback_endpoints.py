"""Do the fake and Postgres keep callback endpoints and their secrets alike?"""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace
from sqlalchemy.exc import IntegrityError

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.application.ports.unit_of_work import CallbackRoles
from messaging.domain.callbacks.endpoint import CallbackSecret, DisabledReason, EndpointStatus, Include, Ordering
from messaging.domain.shared.ids import CallbackEndpointId, CallbackSecretId
from messaging.domain.shared.mode import Mode
from tests.builders import ENDPOINT, NOON, TENANT, an_endpoint
from tests.fakes.callback_endpoints import InMemoryCallbackRoles
from tests.seeding import seed_tenant

SECOND = CallbackEndpointId(UUID("019df2d9-4c00-7000-8000-0000000000ff"))
HOUR = timedelta(hours=1)


@pytest.fixture(params=["in_memory", "postgres"])
async def kept(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[CallbackRoles]:
    if request.param == "in_memory":
        yield InMemoryCallbackRoles()
        return
    await seed_tenant(engines)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        yield uow


def a_secret(number: int, **changes: object) -> CallbackSecret:
    fields = {"endpoint_id": ENDPOINT, "id": CallbackSecretId(UUID(int=number)), "created_at": NOON + number * HOUR}
    return CallbackSecret(**(fields | {"secret_encrypted": b"%d" % number} | changes))  # type: ignore[arg-type]


async def test_an_endpoint_is_found_changed_and_listed_newest_first(kept: CallbackRoles) -> None:
    endpoints = kept.callback_endpoints
    pulled = an_endpoint(id=SECOND, url_encrypted=None, url_host=None)
    await endpoints.add(an_endpoint())
    await endpoints.add(pulled)
    changed = an_endpoint(
        url_encrypted=b"new",
        url_host="new.example",
        description="CRM",
        event_types=("message.*", "template.approved"),
        filters={"channel": "sms", "metadata.order": "1042"},
        include=(Include.CONTENT,),
        ordering=Ordering.NONE,
        status=EndpointStatus.DISABLED,
        disabled_reason=DisabledReason.GONE,
        max_in_flight=32,
        rate=7,
        headers_encrypted=b"headers",
        updated_at=NOON + HOUR,
    )
    await endpoints.update(changed)

    assert await endpoints.endpoint(ENDPOINT) == await endpoints.lock(ENDPOINT) == changed
    assert list(await endpoints.endpoints(before=None, limit=9)) == [pulled, changed]
    assert list(await endpoints.endpoints(before=None, limit=1)) == [pulled]
    assert list(await endpoints.endpoints(before=SECOND, limit=9)) == [changed]


async def test_a_deleted_endpoint_is_not_there_and_makes_room(kept: CallbackRoles) -> None:
    endpoints = kept.callback_endpoints
    await endpoints.add(an_endpoint())
    assert not await endpoints.has_room(1)

    await endpoints.update(an_endpoint(status=EndpointStatus.DELETED))

    assert await endpoints.endpoint(ENDPOINT) is None
    assert await endpoints.lock(ENDPOINT) is None
    assert list(await endpoints.endpoints(before=None, limit=9)) == []
    assert await endpoints.has_room(1)


async def test_secrets_sign_until_they_expire(kept: CallbackRoles) -> None:
    await kept.callback_endpoints.add(an_endpoint())
    secrets = kept.callback_secrets
    await secrets.add(a_secret(1))
    await secrets.expire(ENDPOINT, at=NOON + 9 * HOUR)
    await secrets.add(a_secret(2))
    old = replace(a_secret(1), expires_at=NOON + 9 * HOUR)

    assert list(await secrets.live(ENDPOINT, at=NOON + 8 * HOUR)) == [a_secret(2), old]
    assert list(await secrets.live(ENDPOINT, at=NOON + 9 * HOUR)) == [a_secret(2)]
    assert list(await secrets.live(SECOND, at=NOON)) == []


async def test_secrets_are_forgotten_all_or_all_but_the_current_one(kept: CallbackRoles) -> None:
    await kept.callback_endpoints.add(an_endpoint())
    secrets = kept.callback_secrets
    await secrets.add(a_secret(1, expires_at=NOON + 9 * HOUR))
    await secrets.add(a_secret(2))

    assert await secrets.forget(ENDPOINT, keep_current=True) == 1
    assert list(await secrets.live(ENDPOINT, at=NOON)) == [a_secret(2)]
    assert await secrets.forget(ENDPOINT, keep_current=False) == 1
    assert list(await secrets.live(ENDPOINT, at=NOON)) == []


async def test_the_database_keeps_an_endpoint_from_a_second_current_secret(engines: Engines) -> None:
    await seed_tenant(engines)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        await uow.callback_endpoints.add(an_endpoint())
        await uow.callback_secrets.add(a_secret(1))

        with pytest.raises(IntegrityError, match="callback_secrets_current_key"):
            await uow.callback_secrets.add(a_secret(2))
