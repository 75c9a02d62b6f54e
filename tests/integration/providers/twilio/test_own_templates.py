"""A message of the tenant's own template, from its draft to what the provider was given."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from messaging.application.templates.own.create import NewOwnTemplate
from messaging.domain.channels.address import Channel
from messaging.domain.content.content import TemplateMessage
from messaging.domain.content.parameters import Scalar, Value
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import OwnTemplateId, Prefix, parse_typeid
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.own.definition import Definition, Parameter, ParameterType, Parts
from messaging.domain.templates.template import TemplateCategory
from messaging.entrypoints.lab.dev.servers.logins import Logins
from tests.builders import a_principal
from tests.integration.providers.twilio.platform import Platform, running

OWNER = a_principal(mode=Mode.TEST)
ROWS = Parameter(name="rows", type=ParameterType.LIST, fields=("sku", "count"))
FIRST = "{{ name }}:{% for row in rows %} {{ row.count }}x{{ row.sku }}{% endfor %}"


def saying(body: str) -> Definition:
    return Definition(
        default_language="en", parameters=(Parameter(name="name"), ROWS), variants={"en": Parts(body=body)}
    )


def order(**changes: Value) -> TemplateMessage:
    variables: dict[str, Value] = {"name": "Ana", "rows": [{"sku": "A", "count": 2}, {"sku": "B", "count": 1}]}
    return TemplateMessage(name="order", language="en_US", variables=variables | changes)


@pytest.fixture
async def platform(database: str, redis_url: str, logins: Logins, tmp_path: Path) -> AsyncIterator[Platform]:
    async with running(database, redis_url, logins, tmp_path) as platform:
        yield platform


async def published(platform: Platform) -> OwnTemplateId:
    templates = platform.application.templates
    new = NewOwnTemplate(name="order", channel=Channel.SMS, category=TemplateCategory.UTILITY, definition=saying(FIRST))
    made = await templates.create_own()(OWNER, new)
    id = parse_typeid(Prefix.OWN_TEMPLATE, made.template.id)
    assert id is not None
    await templates.publish_own_draft()(OWNER, OwnTemplateId(id))
    return OwnTemplateId(id)


async def test_a_message_is_sent_as_it_was_accepted_though_its_template_changed_and_ended(platform: Platform) -> None:
    id = await published(platform)
    message = await platform.submit("+14155550100", order())
    templates = platform.application.templates
    await templates.write_own_draft()(OWNER, id, saying("New: {{ name }} {% if rows %}!{% endif %}"))
    await templates.publish_own_draft()(OWNER, id)
    newer = await platform.submit("+14155550100", order())
    await templates.archive_own()(OWNER, id)

    for sent in (message, newer):
        await platform.until(sent, "delivered")

    entries = (await platform.sandbox.get("/_ledger")).json()["data"]
    assert {entry["body"]["Body"] for entry in entries} == {"Ana: 2xA 1xB", "New: Ana !"}
    name = "SELECT template_name FROM messages WHERE id = $1::uuid"
    assert await platform.value(name, message) == "order"
    with pytest.raises(DomainError) as refused:
        await platform.submit("+14155550100", order())
    assert [it.code for it in refused.value.violations] == ["template_unknown"]


async def test_what_would_be_sent_is_checked_when_it_is_submitted(platform: Platform) -> None:
    await published(platform)
    row: dict[str, Scalar] = {"sku": "x" * 20, "count": 1}
    many: list[Scalar | dict[str, Scalar]] = [row] * 100

    for content, codes in (
        (order(rows=many), ["value_too_long"]),
        (order(rows=[{"sku": "A"}], extra=1), ["variable_type", "variable_unexpected"]),
    ):
        with pytest.raises(DomainError) as refused:
            await platform.submit("+14155550100", content)
        assert [it.code for it in refused.value.violations] == codes
