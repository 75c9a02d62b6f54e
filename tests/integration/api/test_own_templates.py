"""A template of the tenant's own: written, refused with all its faults, published, previewed, replaced and archived."""

from typing import Any

import pytest

from tests.integration.api.callers import Json, Platform, Shop, own_template_body


@pytest.fixture
async def owner(platform: Platform) -> Shop:
    return await platform.bare_shop()


async def created(owner: Shop, **changes: Any) -> str:
    answer = await owner.post("/v1/own-templates", own_template_body(**changes))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["template"]["id"])


def content(body: str, *parameters: Json) -> Json:
    return {"default_language": "en", "variants": {"en": {"body": body}}, "parameters": list(parameters)}


async def test_a_draft_is_published_and_the_next_version_written(owner: Shop) -> None:
    path = f"/v1/own-templates/{await created(owner)}"

    published = (await owner.post(f"{path}/publish")).json()
    drafted = (await owner.put(f"{path}/draft", {"content": content("Hello {{ name }}", {"name": "name"})})).json()

    assert (published["template"]["published_version"], published["draft"]) == (1, None)
    assert (drafted["published"]["version"], drafted["draft"]["version"]) == (1, 2)
    assert (await owner.get(path)).json() == drafted
    versions = (await owner.get(f"{path}/versions")).json()["data"]
    assert [(it["version"], it["published_at"] is None) for it in versions] == [(2, True), (1, False)]
    first = (await owner.get(f"{path}/versions/1")).json()
    assert first["content"]["variants"]["en"]["body"] == "Hi {{ name }}, it has shipped."
    listed = (await owner.get("/v1/own-templates?channel=sms")).json()["data"]
    assert listed == [published["template"]]


async def test_all_faults_of_a_template_are_told_at_once(owner: Shop) -> None:
    body = own_template_body(
        name="Order Shipped", content=content("Hi {{ nmae }}\n{{ name|nosuch }}", {"name": "name"})
    )

    answer = await owner.post("/v1/own-templates", body)

    assert answer.status_code == 422
    told = {(it["pointer"], it["code"]): it["detail"] for it in answer.json()["errors"]}
    assert list(told) == [
        ("/name", "template_name_invalid"),
        ("/content/variants/en/body", "template_syntax"),
        ("/content/variants/en/body", "parameter_undeclared"),
    ]
    assert "Line 2, column 9" in told["/content/variants/en/body", "template_syntax"]


async def test_a_preview_renders_or_refuses_as_a_message_would(owner: Shop) -> None:
    path = f"/v1/own-templates/{await created(owner)}/preview"

    shown = await owner.post(path, {"variables": {"name": "Ana"}, "language": "de_AT"})
    refused = await owner.post(path, {"variables": {"nmae": 1}})

    segments = {"encoding": "gsm7", "segments": 1, "units": 10, "not_gsm": []}
    parts = {"body": "Hallo Ana!"}
    assert shown.json() == {"version": 1, "language": "de", "parts": parts, "segments": segments}
    assert [(it["pointer"], it["code"]) for it in refused.json()["errors"]] == [
        ("/variables/name", "variable_missing"),
        ("/variables/nmae", "variable_unexpected"),
    ]


async def test_an_archived_template_is_closed_and_its_name_free(owner: Shop) -> None:
    id = await created(owner)
    taken = await owner.post("/v1/own-templates", own_template_body())
    assert (taken.status_code, taken.json()["code"]) == (409, "already_exists")

    archived = await owner.post(f"/v1/own-templates/{id}/archive")

    assert archived.json()["status"] == "archived"
    for answer in (
        await owner.put(f"/v1/own-templates/{id}/draft", {"content": own_template_body()["content"]}),
        await owner.post(f"/v1/own-templates/{id}/publish"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
    assert await created(owner) != id


async def test_only_a_draft_is_published(owner: Shop) -> None:
    path = f"/v1/own-templates/{await created(owner)}/publish"
    assert (await owner.post(path)).status_code == 200

    again = await owner.post(path)

    assert (again.status_code, again.json()["code"]) == (409, "state_conflict")


@pytest.mark.parametrize("version", ["0", "-1", "01", "x", "9" * 30, "2"])
async def test_a_version_that_is_none_is_not_found(owner: Shop, version: str) -> None:
    answer = await owner.get(f"/v1/own-templates/{await created(owner)}/versions/{version}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_whatsapp_has_no_templates_of_ones_own(owner: Shop) -> None:
    answer = await owner.post("/v1/own-templates", own_template_body(channel="whatsapp"))

    [told] = answer.json()["errors"]
    assert (told["pointer"], answer.status_code) == ("/channel", 422)
    assert "sms" in told["detail"]


async def test_a_key_that_reads_or_sends_changes_nothing(platform: Platform, owner: Shop) -> None:
    id = await created(owner)
    key = (await platform.issue_key(owner.tenant, role="sender"))["key"]
    sender = Shop(platform.client, key, owner.tenant)

    shown = await sender.post(f"/v1/own-templates/{id}/preview", {"variables": {"name": "Ana"}})
    published = await sender.post(f"/v1/own-templates/{id}/publish")

    assert (shown.status_code, published.status_code) == (200, 403)
