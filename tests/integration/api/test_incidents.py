"""Administrators tell of incidents, step by step; nobody else may."""

from tests.integration.api.answers import problem, violations
from tests.integration.api.callers import Platform, Shop

INCIDENTS = "/admin/v1/incidents"
DRAFT = {"title": "SMS arrive late", "impact": "degraded", "components": ["delivery_sms"], "text": "We look."}


async def test_an_incident_is_drafted_published_told_of_resolved_and_explained(platform: Platform) -> None:
    drafted = await platform.post(INCIDENTS, DRAFT)
    at = f"{INCIDENTS}/{drafted.json()['id']}"
    early = await platform.post(f"{at}/resolve", {"text": "Over."})
    steps = [
        await platform.post(f"{at}/publish"),
        await platform.post(f"{at}/updates", {"text": "It is the route."}),
        await platform.post(f"{at}/resolve", {"text": "Over."}),
        await platform.post(f"{at}/post-mortem", {"text": "A route was down."}),
    ]

    assert (drafted.status_code, drafted.json()["status"]) == (201, "draft")
    problem(early, 409, "state_conflict")
    assert [step.json()["status"] for step in steps] == ["published", "published", "resolved", "resolved"]
    [listed, *_] = (await platform.get(INCIDENTS)).json()["data"]
    assert listed == steps[-1].json()
    assert [update["text"] for update in listed["updates"]] == ["We look.", "It is the route.", "Over."]
    assert listed["post_mortem"] == "A route was down."
    assert listed["post_mortem_due_at"] > listed["resolved_at"]


async def test_everything_wrong_with_a_draft_is_told(platform: Platform) -> None:
    refused = await platform.post(INCIDENTS, {"title": "", "impact": "bad", "components": ["fax"]})

    assert set(violations(refused)) == {"/title", "/impact", "/components/0", "/text"}


async def test_tenants_have_no_business_here(quiet_shop: Shop) -> None:
    problem(await quiet_shop.post(INCIDENTS, DRAFT), 401, "unauthorized")
