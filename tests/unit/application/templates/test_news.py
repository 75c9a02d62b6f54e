"""News of templates are written where they are newer, and ask for what they do not tell themselves."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from messaging.application import jobs
from messaging.application.ports.outbox import NewJob
from messaging.application.templates.news import take_in_news
from messaging.domain.shared.ids import AccountId, TemplateId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import Template, TemplateStatus
from tests.builders import ACCOUNT, NOON, OTHER_TENANT, TEMPLATE, TENANT, a_template, an_account
from tests.fakes.announcements import InMemoryAnnouncements
from tests.fakes.configuration import InMemoryConfiguration
from tests.fakes.templates import InMemoryProviderTemplates

SECOND = timedelta(seconds=1)
APPROVED, PAUSED = TemplateStatus.APPROVED, TemplateStatus.PAUSED
SECOND_ID = TemplateId(TENANT)


def news(**changes: Any) -> TemplateNews:
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "external_id": "1407680676729941",
        "name": "order_update",
        "language": "en_US",
        "at": NOON,
        "heard_at": NOON,
    }
    return TemplateNews(**(fields | changes))


class Shelf:
    """`asked` are the accounts that are to be listed, `freed` the templates whose messages may go."""

    def __init__(self, *templates: Template, listed_at: datetime | None = None) -> None:
        self.configuration = InMemoryConfiguration()
        self.configuration.templates_ = {template.id: template for template in templates or (a_template(),)}
        if listed_at is not None:
            self.configuration.listed_[ACCOUNT] = listed_at
        self.configuration.accounts_[ACCOUNT] = an_account()
        self.jobs: list[jobs.Job] = []
        self.announcements = InMemoryAnnouncements()

    async def hears(self, *items: TemplateNews) -> Template:
        """The first template afterwards."""
        uow: Any = SimpleNamespace(
            templates=InMemoryProviderTemplates(self.configuration), outbox=self, announcements=self.announcements
        )
        await take_in_news(uow, items)
        return self.configuration.templates_[TEMPLATE]

    async def enqueue(self, wanted: Sequence[NewJob]) -> None:
        self.jobs += [new.job for new in wanted]

    @property
    def asked(self) -> list[AccountId]:
        return [job.account_id for job in self.jobs if isinstance(job, jobs.SyncTemplates)]

    @property
    def freed(self) -> list[TemplateId]:
        return [job.template_id for job in self.jobs if isinstance(job, jobs.ReleaseHeld)]


async def test_a_report_that_changes_a_template_is_announced_with_what_was_before() -> None:
    shelf = Shelf()
    await shelf.hears(news(status=TemplateStatus.PAUSED))
    await shelf.hears(news(status=TemplateStatus.PAUSED))

    (told,) = shelf.announcements.announced
    assert (told.type, told.subject_id, told.mode, told.occurred_at) == ("template.paused", TEMPLATE, Mode.LIVE, NOON)
    assert (told.data["status"], told.data["previous"]["status"]) == ("paused", "approved")


async def test_a_report_changes_the_template_it_is_about() -> None:
    shelf = Shelf(a_template(), a_template(id=SECOND_ID, name="other", external_id="2"))

    found = await shelf.hears(news(status=PAUSED, quality="RED"))

    assert found == a_template(status=PAUSED, quality="RED", status_at=NOON, quality_at=NOON)
    assert shelf.configuration.templates_[SECOND_ID] == a_template(id=SECOND_ID, name="other", external_id="2")
    assert (shelf.asked, shelf.freed) == ([], [])


async def test_no_news_is_nothing_to_do() -> None:
    assert await Shelf().hears() == a_template()


async def test_reports_count_in_the_order_of_their_times_however_they_come() -> None:
    assert (await Shelf().hears(news(status=PAUSED, at=NOON + SECOND), news(status=APPROVED))).status is PAUSED


async def test_a_report_that_is_older_than_the_last_listing_changes_nothing() -> None:
    shelf = Shelf(listed_at=NOON + SECOND)

    assert await shelf.hears(news(status=PAUSED)) == a_template()


@pytest.mark.parametrize(
    ("unclear", "asked"),
    [
        ({"name": "never_heard_of", "external_id": "new"}, [ACCOUNT]),
        ({"name": "gone", "external_id": "new", "status": TemplateStatus.DELETED}, []),
        ({"external_id": "made_anew", "status": PAUSED}, [ACCOUNT]),
        ({"rewritten": True}, [ACCOUNT]),
        ({"doubtful": True}, [ACCOUNT]),
        ({"quality": "GREEN"}, []),
    ],
)
async def test_what_a_report_does_not_tell_is_asked_of_the_provider(unclear: dict[str, Any], asked: list[Any]) -> None:
    shelf = Shelf()

    await shelf.hears(news(**unclear))

    assert shelf.asked == asked


async def test_a_template_whose_id_is_not_known_yet_is_found_by_its_name_and_learns_it() -> None:
    shelf = Shelf(a_template(external_id=None))

    found = await shelf.hears(
        news(external_id="learnt", status=PAUSED), news(external_id="learnt", name=None, language=None, quality="RED")
    )

    assert (found.external_id, found.status, found.quality) == ("learnt", PAUSED, "RED")


async def test_a_report_under_a_name_whose_template_has_another_id_is_not_about_it() -> None:
    assert await Shelf().hears(news(external_id="made_anew", status=PAUSED)) == a_template()


async def test_a_report_of_another_tenants_account_is_not_about_this_template() -> None:
    assert await Shelf().hears(news(tenant_id=OTHER_TENANT, status=PAUSED)) == a_template()


@pytest.mark.parametrize(
    ("before", "after", "freed"),
    [(PAUSED, APPROVED, [TEMPLATE]), (APPROVED, APPROVED, []), (APPROVED, PAUSED, [])],
)
async def test_an_approval_lets_the_messages_go_that_wait_for_it(
    before: TemplateStatus, after: TemplateStatus, freed: list[TemplateId]
) -> None:
    shelf = Shelf(a_template(status=before))

    await shelf.hears(news(status=after, quality="GREEN"))

    assert shelf.freed == freed
