"""What happens to unclear sends is chosen once: for the tenant, a category, a template, or a single message."""

from tests.integration.api.callers import Json, Platform, Shop


async def checked(shop: Shop, **changes: object) -> Json:
    """What would happen to a message of the shop's template, which is in category utility."""
    return dict((await shop.post("/v1/messages/check", shop.message(**changes))).json())


async def test_without_a_choice_unclear_sends_are_held(shop: Shop) -> None:
    settings = (await shop.get("/v1/settings")).json()

    assert settings == {"on_unknown": {"default": None, "categories": {}}}
    assert (await checked(shop))["on_unknown"] == "hold"


async def test_a_tenants_choice_holds_for_what_is_submitted_afterwards_and_a_message_may_differ(shop: Shop) -> None:
    before = await shop.sent()

    changed = await shop.patch("/v1/settings", {"on_unknown": {"categories": {"utility": "resend"}}})
    await shop.post_until("/v1/messages/check", shop.message(), lambda r: r.json()["on_unknown"] == "resend")

    assert changed.json() == {"on_unknown": {"default": None, "categories": {"utility": "resend"}}}
    assert (await checked(shop, on_unknown="hold"))["on_unknown"] == "hold"
    assert [(await shop.get(f"/v1/messages/{id}")).json()["on_unknown"] for id in (before, await shop.sent())] == [
        "hold",
        "resend",
    ]


async def test_a_templates_choice_comes_before_the_tenants_and_survives_a_synchronisation(shop: Shop) -> None:
    chosen = await shop.patch(f"/v1/templates/{shop.template}", {"on_unknown": "resend"})
    await shop.post(f"/v1/provider-accounts/{shop.account}/sync-templates")
    await shop.post_until("/v1/messages/check", shop.message(), lambda r: r.json()["on_unknown"] == "resend")

    assert (chosen.status_code, chosen.json()["on_unknown"]) == (200, "resend")
    assert (await shop.get(f"/v1/templates/{shop.template}")).json()["on_unknown"] == "resend"


async def test_an_administrator_chooses_for_a_tenant_and_takes_it_back(platform: Platform, shop: Shop) -> None:
    path = f"/admin/v1/tenants/{shop.tenant}"

    chosen = (await platform.patch(path, {"on_unknown": {"test": {"default": "resend"}}})).json()
    seen = (await shop.get("/v1/settings")).json()
    taken_back = (await platform.patch(path, {"on_unknown": {"test": None}})).json()

    assert chosen["on_unknown"] == {"live": None, "test": seen["on_unknown"]}
    assert seen["on_unknown"] == {"default": "resend", "categories": {}}
    assert (taken_back["on_unknown"], taken_back["status"]) == ({"live": None, "test": None}, "active")


async def test_what_a_test_key_chooses_touches_no_live_message(platform: Platform, shop: Shop) -> None:
    live = await platform.bare_shop("live", tenant=shop.tenant)

    await shop.patch("/v1/settings", {"on_unknown": {"default": "resend"}})

    assert (await live.get("/v1/settings")).json()["on_unknown"] == {"default": None, "categories": {}}
