"""Do the fake and Postgres keep a tenant's own templates alike?"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import pytest
from msgspec.structs import replace
from sqlalchemy.exc import DBAPIError

from messaging.adapters.postgres.configuration.own_templates import PostgresOwnTemplates
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.configuration import Duplicate
from messaging.application.ports.own_templates import OwnTemplates, OwnVersions
from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import OwnTemplateId
from messaging.domain.shared.mode import Mode, TenantScope
from messaging.domain.templates.own.definition import OwnStatus
from tests.builders import NOON, OWN_TEMPLATE, TENANT, a_version, an_own_template
from tests.fakes.own_templates import InMemoryOwnTemplates
from tests.seeding import seed_tenant

SECOND = OwnTemplateId(UUID("019df2d9-4c00-7000-8000-0000000000ff"))


class Both(OwnTemplates, OwnVersions, Protocol):
    """Both roles in one, as they are kept together."""


@pytest.fixture(params=["in_memory", "postgres"])
async def own(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[Both]:
    if request.param == "in_memory":
        yield InMemoryOwnTemplates()
        return
    await seed_tenant(engines)
    scope = TenantScope(TENANT, Mode.LIVE)
    async with transaction(engines.app, scope=scope) as opened:
        yield PostgresOwnTemplates(opened.core, scope, lambda: None)


async def test_a_template_is_found_changed_and_listed_newest_first(own: Both) -> None:
    mail = an_own_template(id=SECOND, channel=Channel.EMAIL)
    await own.add(an_own_template())
    await own.add(mail)
    changed = an_own_template(published=1, status=OwnStatus.ARCHIVED)
    await own.update(changed)

    assert await own.template(OWN_TEMPLATE) == await own.lock(OWN_TEMPLATE) == changed
    assert await own.template(OwnTemplateId(TENANT)) is None
    assert list(await own.templates(before=None, limit=9)) == [mail, changed]
    assert list(await own.templates(before=None, limit=1)) == [mail]
    assert list(await own.templates(before=SECOND, limit=9)) == [changed]
    assert list(await own.templates(before=None, limit=9, channel="email")) == [mail]
    assert list(await own.templates(before=None, limit=9, status="archived")) == [changed]
    assert list(await own.templates(before=None, limit=9, name="other")) == []


async def test_a_name_is_taken_until_its_template_is_archived(own: Both) -> None:
    await own.add(an_own_template(status=OwnStatus.ARCHIVED))
    await own.add(an_own_template(id=SECOND))

    with pytest.raises(Duplicate):
        await own.add(an_own_template(id=OwnTemplateId(UUID(int=SECOND.int + 1))))


async def test_there_is_room_for_so_many_active_ones(own: Both) -> None:
    await own.add(an_own_template())

    assert await own.has_room(2)
    assert not await own.has_room(1)
    await own.update(an_own_template(status=OwnStatus.ARCHIVED))
    assert await own.has_room(1)


async def test_a_draft_is_replaced_and_then_published(own: Both) -> None:
    await own.add(an_own_template())
    await own.put_draft(OWN_TEMPLATE, a_version())
    other = replace(a_version().definition, default_language="de")
    later = a_version(definition=other, created_at=NOON + timedelta(hours=1))
    await own.put_draft(OWN_TEMPLATE, later)
    assert await own.newest(OWN_TEMPLATE) == later

    await own.publish(OWN_TEMPLATE, 1, at=NOON)

    published = replace(later, published_at=NOON)
    assert await own.newest(OWN_TEMPLATE) == await own.version(OWN_TEMPLATE, 1) == published
    assert await own.version(OWN_TEMPLATE, 2) is None
    draft = a_version(number=2)
    await own.put_draft(OWN_TEMPLATE, draft)
    assert await own.newest(OWN_TEMPLATE) == draft
    assert list(await own.versions(OWN_TEMPLATE, before=0, limit=9)) == [draft, published]
    assert list(await own.versions(OWN_TEMPLATE, before=2, limit=9)) == [published]


async def test_the_database_refuses_to_change_what_is_published(engines: Engines) -> None:
    await seed_tenant(engines)
    scope = TenantScope(TENANT, Mode.LIVE)
    async with transaction(engines.app, scope=scope) as opened:
        own = PostgresOwnTemplates(opened.core, scope, lambda: None)
        await own.add(an_own_template())
        await own.put_draft(OWN_TEMPLATE, a_version())
        await own.publish(OWN_TEMPLATE, 1, at=NOON)

        with pytest.raises(DBAPIError, match="is published"):
            await own.put_draft(OWN_TEMPLATE, a_version(created_at=NOON + timedelta(hours=1)))


async def test_what_is_of_the_other_mode_is_not_there(engines: Engines) -> None:
    await seed_tenant(engines)
    live, test = TenantScope(TENANT, Mode.LIVE), TenantScope(TENANT, Mode.TEST)
    async with transaction(engines.app, scope=live) as opened:
        own = PostgresOwnTemplates(opened.core, live, lambda: None)
        await own.add(an_own_template())
        await own.put_draft(OWN_TEMPLATE, a_version())
        await opened.commit()

    async with transaction(engines.app, scope=test) as opened:
        other = PostgresOwnTemplates(opened.core, test, lambda: None)

        assert await other.template(OWN_TEMPLATE) is None
        assert await other.version(OWN_TEMPLATE, 1) is None
        # The names of the two modes are two names.
        await other.add(an_own_template(id=SECOND, mode=Mode.TEST))
