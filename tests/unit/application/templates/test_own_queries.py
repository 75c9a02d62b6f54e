"""A tenant's own templates as they are shown: page by page, and one with what is sent now and what is being written."""

from typing import Any
from uuid import UUID

import pytest

from messaging.application.templates.own.queries import FindOwnTemplate, ListOwnTemplates
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import OwnTemplateId
from tests.builders import NOON, OWN_TEMPLATE, a_principal, a_version, an_own_template
from tests.fakes.own_templates import InMemoryOwnRoles


def opened(roles: InMemoryOwnRoles) -> Any:
    return roles.open


@pytest.fixture
def roles() -> InMemoryOwnRoles:
    return InMemoryOwnRoles()


async def test_a_page_is_as_long_as_asked_for_and_tells_whether_more_follow(roles: InMemoryOwnRoles) -> None:
    for number in (1, 2, 3):
        await roles.own_templates.add(an_own_template(id=OwnTemplateId(UUID(int=number)), name=f"t{number}"))
    list_templates = ListOwnTemplates(open_uow=opened(roles))

    first = await list_templates(a_principal(), before=None, limit=2)
    last = await list_templates(a_principal(), before=UUID(int=2), limit=2)

    assert [view.name for view in first.items] == ["t3", "t2"]
    assert first.next_after is not None
    assert ([view.name for view in last.items], last.next_after) == (["t1"], None)


async def test_a_template_is_shown_with_what_is_sent_now_and_with_what_is_being_written(
    roles: InMemoryOwnRoles,
) -> None:
    await roles.own_templates.add(an_own_template(published=1))
    await roles.own_versions.put_draft(OWN_TEMPLATE, a_version(number=1, published_at=NOON))
    await roles.own_versions.put_draft(OWN_TEMPLATE, a_version(number=2))
    find = FindOwnTemplate(open_uow=opened(roles))

    shown = await find(a_principal(), OWN_TEMPLATE)

    assert shown.published is not None
    assert shown.draft is not None
    assert (shown.published.version, shown.draft.version) == (1, 2)


async def test_a_template_that_is_there_without_either_shows_neither(roles: InMemoryOwnRoles) -> None:
    await roles.own_templates.add(an_own_template())
    find = FindOwnTemplate(open_uow=opened(roles))

    shown = await find(a_principal(), OWN_TEMPLATE)

    assert (shown.published, shown.draft) == (None, None)
    with pytest.raises(DomainError):
        await find(a_principal(), OwnTemplateId(UUID(int=9)))
