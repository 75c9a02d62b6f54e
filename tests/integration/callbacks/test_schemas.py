"""Do the bodies that are written fit the schemas that receivers are given?"""

import json

import jsonschema_rs

from messaging.application.templates.news import told_of
from messaging.domain.callbacks.endpoint import Include
from messaging.domain.callbacks.event_types import CATALOGUE
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import TemplateStatus
from messaging.entrypoints.api.v1.callbacks.event_bodies import schema_of
from tests.builders import TENANT, a_template
from tests.integration.callbacks.telling import Telling

SCHEMAS = {type.name: jsonschema_rs.validator_for(dict(schema_of(type)), validate_formats=True) for type in CATALOGUE}
ALL = (Include.RECIPIENT, Include.CONTENT)


async def test_what_is_told_of_messages_and_templates_fits_its_schema(telling: Telling) -> None:
    await telling.add_endpoint(include=ALL)
    (key,) = await telling.accept(reference="A-1042", metadata={"order": "1042"})
    await telling.deliver(key)
    before = a_template(status=TemplateStatus.PENDING)
    async with telling.open(TENANT, Mode.LIVE) as uow:
        await uow.announcements.announce(told_of(before, a_template(), Mode.LIVE))
        await uow.commit()

    await telling.until_nothing_waits()

    written = [json.loads(body) for it in await telling.bodies() for body in (it.thin, it.of(ALL))]
    assert {body["type"] for body in written} >= {"message.delivered", "template.approved"}
    for body in written:
        SCHEMAS[body["type"]].validate(body)
        (subject,) = body["data"].keys() - {"event_id", "sequence", "api_version", "mode"}
        assert set(body["data"][subject]) <= described(body["type"], subject)


def described(name: str, subject: str) -> set[str]:
    """The fields of a subject that its schema describes."""
    schema = schema_of(next(type for type in CATALOGUE if type.name == name))
    reference = schema["properties"]["data"]["properties"][subject]["$ref"]
    return set(schema["$defs"][reference.rpartition("/")[2]]["properties"])
