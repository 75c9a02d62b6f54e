"""What a listing of the provider's templates changes here, and what it must leave as it is."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application import jobs
from messaging.application.ports.outbox import NewJob
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.templates import ProviderTemplate, TemplateRegistry
from messaging.application.ports.unit_of_work import UnitOfWork
from messaging.application.templates.sync import SyncAccount, SyncTemplates
from messaging.application.templates.views import SyncView, TemplateView
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.shared.mode import Mode, Reach
from messaging.domain.templates.template import Components, ParameterFormat, Template, TemplateCategory, TemplateStatus
from messaging.domain.tenants.tenant import ProviderAccount
from tests.builders import ACCOUNT, NOON, TEMPLATE, a_principal, a_template, an_account, components
from tests.fakes.announcements import InMemoryAnnouncements
from tests.fakes.clock import FixedClock
from tests.fakes.configuration import InMemoryConfiguration

CONNECTION = Connection(mode=Mode.LIVE, external_id="1", credentials=Credentials(access_token="t", app_secrets=()))
BEFORE, AFTER = NOON - timedelta(minutes=5), NOON + timedelta(minutes=5)
PAUSED = TemplateStatus.PAUSED


def theirs(**changes: Any) -> ProviderTemplate:
    """As the provider lists `a_template()`."""
    fields: dict[str, Any] = {
        "external_id": "1407680676729941",
        "name": "order_update",
        "language": "en_US",
        "category": TemplateCategory.UTILITY,
        "parameter_format": ParameterFormat.POSITIONAL,
        "components": components(),
        "status": TemplateStatus.APPROVED,
    }
    return ProviderTemplate(**(fields | changes))


class World:
    """An account in memory; `asked` are the requests for work that were committed with it."""

    def __init__(self, *ours: Template) -> None:
        self.configuration = self.accounts = self.templates = self.reviewed_templates = InMemoryConfiguration()
        self.configuration.accounts_[ACCOUNT] = an_account()
        self.configuration.templates_ = {template.id: template for template in ours}
        self.outbox = self
        self.announcements = InMemoryAnnouncements()
        self.asked: list[tuple[str, Any]] = []
        self.listing: Sequence[ProviderTemplate] = ()
        gateways = cast(Mapping[str, TemplateRegistry], {"whatsapp_cloud": self})
        self.sync = SyncAccount(open_uow=self.open, registries=gateways, new_id=uuid7)

    async def __call__(self, *listing: ProviderTemplate, asked_at: datetime = NOON) -> SyncView:
        self.listing = listing
        return await self.sync(an_account(), CONNECTION, asked_at=asked_at)

    @property
    def template(self) -> Template:
        return self.configuration.templates_[TEMPLATE]

    async def list_templates(self, connection: Connection) -> Sequence[ProviderTemplate]:
        return self.listing

    @asynccontextmanager
    async def open(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[UnitOfWork]:
        yield cast(UnitOfWork, self)

    async def enqueue(self, wanted: Sequence[NewJob]) -> None:
        self.asked += [_told(new.job) for new in wanted]

    async def commit(self) -> None:
        pass


def _told(job: jobs.Job) -> tuple[str, Any]:
    assert not isinstance(job, jobs.ReleaseCallbacks)
    return ("read", job.account_id) if isinstance(job, jobs.SyncTemplates) else ("release", job.template_id)


async def test_an_edited_template_takes_its_new_blanks_and_refuses_the_old() -> None:
    world = World(a_template(changed_at=BEFORE))
    edited = Components(body="Hi {{1}}, {{2}} leaves on {{3}} at noon.")

    view = await world(theirs(components=edited))

    assert (view.changed, world.template.version, world.template.changed_at) == (1, 2, None)
    assert world.template.components.body == edited.body
    assert world.asked == [("release", TEMPLATE)]


async def test_news_that_is_younger_than_the_listing_stays() -> None:
    told = a_template(
        status=PAUSED,
        status_info={"title": "FIRST_PAUSE"},
        quality="RED",
        category=TemplateCategory.MARKETING,
        **dict.fromkeys(("status_at", "quality_at", "category_at"), AFTER),
    )
    world = World(told)

    view = await world(theirs(quality="GREEN"))

    assert (view.unchanged, world.template) == (1, told)


async def test_a_listing_that_is_younger_than_the_news_wins() -> None:
    info = {"title": "FIRST_PAUSE"}
    world = World(a_template(status=PAUSED, status_info=info, status_at=BEFORE, quality="RED", quality_at=BEFORE))

    await world(theirs(quality="GREEN"))

    assert (world.template.status, world.template.status_info) == (TemplateStatus.APPROVED, {})
    assert world.template.quality == "GREEN"
    assert world.asked == [("release", TEMPLATE)]


async def test_what_news_told_of_a_status_stays_while_the_listing_agrees() -> None:
    told = a_template(status=PAUSED, status_info={"title": "FIRST_PAUSE"}, status_at=BEFORE)
    world = World(told)

    await world(theirs(status=PAUSED))

    assert world.template == told


async def test_a_listing_older_than_the_last_is_dropped() -> None:
    world = World(a_template())

    await world(theirs(), asked_at=AFTER)
    view = await world(theirs(status=PAUSED), asked_at=BEFORE)

    assert (view.unchanged, world.template.status) == (1, TemplateStatus.APPROVED)
    assert world.configuration.listed_[ACCOUNT] == AFTER


async def test_a_change_that_was_heard_of_after_the_question_has_it_asked_again() -> None:
    world = World(a_template(changed_at=AFTER))

    await world(theirs())

    assert world.template.changed_at == AFTER
    assert world.asked == [("read", ACCOUNT)]


async def test_a_template_made_anew_under_its_name_forgets_what_was_told_of_the_former() -> None:
    world = World(a_template(status=PAUSED, status_at=AFTER, status_info={"title": "FIRST_PAUSE"}))

    await world(theirs(external_id="anew"))

    assert world.template.external_id == "anew"
    assert (world.template.status, world.template.status_at) == (TemplateStatus.APPROVED, None)


async def test_a_former_template_in_deletion_does_not_hide_its_successor() -> None:
    world = World()

    await world(theirs(external_id="anew"), theirs(status=TemplateStatus.DELETED))

    (found,) = world.configuration.templates_.values()
    assert (found.external_id, found.status) == ("anew", TemplateStatus.APPROVED)


async def test_what_the_listing_lacks_is_deleted_unless_it_is_younger() -> None:
    made_since = a_template(id=TemplateId(uuid7()), name="made_since")
    told_since = a_template(id=TemplateId(UUID(int=TEMPLATE.int + 1)), name="told_since", status_at=AFTER)
    world = World(a_template(), made_since, told_since)

    view = await world()

    assert (view.removed, view.unchanged) == (1, 2)
    assert world.template.status is TemplateStatus.DELETED


async def test_parts_that_are_not_understood_come_and_go_with_the_listing() -> None:
    world = World(a_template())

    await world(theirs(unsupported=("CAROUSEL",)))
    kept = world.template.unsupported
    await world(theirs(), asked_at=AFTER)

    assert (kept, world.template.unsupported) == (("CAROUSEL",), ())


async def test_what_a_listing_has_more_is_added_with_all_its_parts() -> None:
    world = World(a_template())
    more = theirs(external_id="2", name="another", quality="GREEN", unsupported=("CAROUSEL",))

    view = await world(theirs(), more)

    assert (view.added, view.unchanged) == (1, 1)
    [added] = [it for id, it in world.configuration.templates_.items() if id != TEMPLATE]
    assert (added.name, added.external_id, added.quality, added.unsupported) == ("another", "2", "GREEN", ("CAROUSEL",))
    assert (added.status, added.components, added.account_id) == (TemplateStatus.APPROVED, components(), ACCOUNT)


async def test_a_listing_of_the_same_second_as_the_last_counts() -> None:
    world = World(a_template())
    await world(theirs(), asked_at=NOON)

    await world(theirs(status=PAUSED), asked_at=NOON + timedelta(milliseconds=900))

    assert world.template.status is PAUSED


async def test_a_template_that_stays_deleted_is_not_counted_again() -> None:
    world = World(a_template(status=TemplateStatus.DELETED))

    assert await world() == SyncView(added=0, changed=0, removed=0, unchanged=0)
    back = await world(theirs(), asked_at=AFTER)
    assert back == SyncView(added=0, changed=1, removed=0, unchanged=0)


async def test_one_template_of_several_that_changed_since_has_the_account_read_again() -> None:
    other = a_template(id=TemplateId(UUID(int=TEMPLATE.int + 1)), name="other", external_id="2")
    world = World(a_template(changed_at=AFTER), other)

    await world(theirs(), theirs(name="other", external_id="2"))

    assert world.asked == [("read", ACCOUNT)]


async def test_a_template_that_was_stored_while_the_provider_was_asked_is_not_missing() -> None:
    at_noon = a_template(id=TemplateId(UUID(int=int(NOON.timestamp() * 1000) << 80)))

    for asked_at, removed in ((NOON - timedelta(milliseconds=1), 0), (NOON, 1)):
        world = World()
        world.configuration.templates_ = {at_noon.id: at_noon}
        assert (await world(asked_at=asked_at)).removed == removed


async def test_the_templates_of_one_account_are_read_on_request() -> None:
    world = World(a_template())
    world.listing = [theirs(status=PAUSED)]
    asked: list[Any] = []

    async def connect(account: ProviderAccount) -> Connection:
        asked.append(account.id)
        return CONNECTION

    sync = SyncTemplates(open_uow=world.open, open_connection=connect, sync=world.sync, clock=FixedClock())

    view = await sync(a_principal(), ACCOUNT)

    assert (view.changed, asked) == (1, [ACCOUNT])
    assert world.configuration.listed_[ACCOUNT] == NOON
    with pytest.raises(DomainError) as refused:
        await sync(a_principal(), AccountId(TEMPLATE))
    assert refused.value.code == "not_found"


@pytest.mark.parametrize("changed_at", [NOON, None])
def test_a_template_whose_content_has_changed_is_shown_as_changing(changed_at: datetime | None) -> None:
    assert TemplateView.of(a_template(changed_at=changed_at)).changing is (changed_at is not None)


async def test_a_missing_template_of_which_newer_news_tell_is_unchanged() -> None:
    world = World(a_template(status_at=AFTER))

    assert await world() == SyncView(added=0, changed=0, removed=0, unchanged=1)
