"""What does each role's key open, and does the answer say what is missing?"""

import re

import pytest

from messaging.domain.tenants.tenant import KeyRole
from messaging.entrypoints.api.edge.roles import ROLES
from messaging.entrypoints.api.reference.openapi import routes
from tests.integration.api.answers import problem
from tests.integration.api.callers import Platform, Shop

UNKNOWN = {
    "message_id": "msg_01kaf8v3e5f8k9m2n4p6q8r0st",
    "template_id": "tpl_01kaf8v3e5f8k9m2n4p6q8r0st",
    "own_template_id": "own_01kaf8v3e5f8k9m2n4p6q8r0st",
    "version": "1",
    "sender_id": "snd_01kaf8v3e5f8k9m2n4p6q8r0st",
    "account_id": "acc_01kaf8v3e5f8k9m2n4p6q8r0st",
    "event_id": "evt_01kaf8v3e5f8k9m2n4p6q8r0st",
    "endpoint_id": "cbe_01kaf8v3e5f8k9m2n4p6q8r0st",
}


async def with_role(platform: Platform, shop: Shop, role: str) -> Shop:
    """The same tenant, through a key of this role."""
    return Shop(platform.client, (await platform.issue_key(shop.tenant, role=role))["key"], shop.tenant)


@pytest.mark.parametrize("role", list(KeyRole))
async def test_a_key_opens_exactly_the_operations_of_its_role(
    platform: Platform, quiet_shop: Shop, role: KeyRole
) -> None:
    caller = await with_role(platform, quiet_shop, role)

    shut = set()
    for route in routes():
        if not route.admin:
            path = re.sub(r"\{(\w+)\}", lambda name: UNKNOWN[name[1]], route.path)
            # Without a body and about nothing that exists: whoever gets in is refused for another reason.
            response = await caller.request(route.method.upper(), path)
            if response.status_code == 403:
                problem(response, 403, "role_not_allowed")
                shut.add(route.operation.id)

    assert shut == {id for id, roles in ROLES.items() if role not in roles}


async def test_a_refusal_names_the_role_and_what_is_needed(platform: Platform, quiet_shop: Shop) -> None:
    reader = await with_role(platform, quiet_shop, "reader")

    refused = problem(await reader.post("/v1/operator-actions", {"action": "discard"}), 403, "role_not_allowed")

    assert "reader" in refused["detail"]
    assert "operator, owner" in refused["detail"]


async def test_which_methods_an_address_has_is_told_to_any_key(platform: Platform, quiet_shop: Shop) -> None:
    reader = await with_role(platform, quiet_shop, "reader")

    told = await reader.request("OPTIONS", "/v1/operator-actions")

    assert (told.status_code, told.headers["allow"]) == (204, "OPTIONS, POST")


async def test_a_bad_key_is_not_told_about_roles(platform: Platform) -> None:
    problem(await platform.client.post("/v1/operator-actions"), 401, "unauthorized")


async def test_a_keys_role_is_shown_where_the_key_is(platform: Platform, quiet_shop: Shop) -> None:
    issued = await platform.issue_key(quiet_shop.tenant, role="sender")
    caller = Shop(platform.client, issued["key"], quiet_shop.tenant)

    listed = (await platform.get(f"/admin/v1/tenants/{quiet_shop.tenant}/keys")).json()["data"]

    assert issued["role"] == "sender"
    assert (await caller.get("/v1/key")).json()["role"] == "sender"
    assert {key["role"] for key in listed if key["id"] == issued["id"]} == {"sender"}


async def test_a_key_is_an_owners_unless_told_otherwise(platform: Platform) -> None:
    tenant = await platform.tenant()

    issued = await platform.post(f"/admin/v1/tenants/{tenant}/keys", {"name": "backend", "mode": "test"})

    assert issued.json()["role"] == "owner"
