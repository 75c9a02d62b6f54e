"""A callback endpoint: created with a secret that is shown once, refused with all its faults, changed, deleted."""

from typing import Any

import jsonschema_rs
import pytest

from messaging.domain.callbacks.signature import secret_key
from messaging.entrypoints.composition.containers import Application
from tests.integration.api.callers import Json, Platform, Shop

URL = "https://hooks.example.com/messaging?token=42"
PATH = "/v1/callback-endpoints"


@pytest.fixture
async def owner(platform: Platform) -> Shop:
    return await platform.bare_shop("live")


async def created(owner: Shop, **changes: Any) -> Json:
    answer = await owner.post(PATH, {"url": URL, **changes})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_the_secret_is_shown_once_and_what_is_secret_is_stored_encrypted(
    owner: Shop, application: Application
) -> None:
    made = await created(owner, headers={"Authorization": "Bearer 42"}, event_types=["message.*"])

    path = f"{PATH}/{made['id']}"
    secret = made.pop("secret")
    assert len(secret_key(secret)) == 32
    assert (made["url"], made["url_host"], made["headers"]) == (URL, "hooks.example.com", ["Authorization"])
    assert (await owner.get(path)).json() == {**made, "previous_secret_expires_at": None}
    assert (await owner.get(PATH)).json()["data"] == [made]
    async with application.resources().engines.system.connect() as connection:
        for table in ("callback_endpoints", "callback_secrets"):
            rows = (await connection.exec_driver_sql(f"SELECT t::text FROM {table} t")).scalars()
            assert not [it for row in rows for it in (secret, "token=42", "Bearer 42") if it in row]


async def test_a_repetition_is_answered_with_the_same_secret(owner: Shop) -> None:
    once = {"headers": {"Idempotency-Key": "create-1"}}

    first = await owner.post(PATH, {"url": URL}, **once)
    again = await owner.post(PATH, {"url": URL}, **once)

    assert first.json() == again.json()
    assert len((await owner.get(PATH)).json()["data"]) == 1


async def test_a_reader_sees_the_host_but_not_the_url(platform: Platform, owner: Shop) -> None:
    made = await created(owner)
    reader = Shop(platform.client, (await platform.issue_key(owner.tenant, "live", "reader"))["key"], owner.tenant)

    shown = (await reader.get(f"{PATH}/{made['id']}")).json()

    assert (shown["url"], shown["url_host"]) == (None, "hooks.example.com")
    assert (await reader.post(PATH, {"url": URL})).status_code == 403


async def test_everything_that_is_wrong_is_listed(owner: Shop) -> None:
    answer = await owner.post(
        PATH,
        {
            "url": "http://hooks.example.com:22/",
            "event_types": ["message.delievered"],
            "filters": {"channel": "fax"},
            "headers": {"Host": "x"},
        },
    )

    assert answer.status_code == 422
    found = [(it["pointer"], it["code"]) for it in answer.json()["errors"]]
    assert found == [
        *(("/url", "callback_url_invalid"),) * 2,
        ("/event_types/0", "event_type_unknown"),
        ("/filters/channel", "filter_invalid"),
        ("/headers/Host", "callback_header_invalid"),
    ]


async def test_only_what_is_given_is_changed(owner: Shop) -> None:
    made = await created(owner, headers={"x-a": "1"}, filters={"channel": "sms"}, rate=7)
    path = f"{PATH}/{made['id']}"

    changed = (await owner.patch(path, {"url": "https://new.example.com/", "rate": None})).json()

    assert (changed["url_host"], changed["rate"], changed["headers"]) == ("new.example.com", None, ["x-a"])
    assert (changed["filters"], changed["updated_at"] > made["updated_at"]) == ({"channel": "sms"}, True)
    refused = await owner.patch(path, {"url": "http://new.example.com/"})
    assert [it["pointer"] for it in refused.json()["errors"]] == ["/url"]


async def test_a_second_rotation_within_the_overlap_has_to_be_forced(owner: Shop) -> None:
    made = await created(owner)
    path = f"{PATH}/{made['id']}"

    first = (await owner.post(f"{path}/rotate-secret")).json()
    refused = await owner.post(f"{path}/rotate-secret", {"overlap_seconds": 60})
    forced = (await owner.post(f"{path}/rotate-secret", {"overlap_seconds": 60, "force": True})).json()

    assert len({made["secret"], first["secret"], forced["secret"]}) == 3
    assert (refused.status_code, refused.json()["code"]) == (409, "rotation_in_progress")
    shown = (await owner.get(path)).json()
    assert shown["previous_secret_expires_at"] == forced["previous_secret_expires_at"]
    revoked = (await owner.post(f"{path}/revoke-previous-secret")).json()
    assert revoked["previous_secret_expires_at"] is None
    leaked = (await owner.post(f"{path}/rotate-secret", {"overlap_seconds": 0})).json()
    assert leaked["previous_secret_expires_at"] is None


async def test_a_deleted_endpoint_is_gone_with_its_secrets(owner: Shop, application: Application) -> None:
    made = await created(owner)

    deleted = (await owner.request("DELETE", f"{PATH}/{made['id']}")).json()

    assert (deleted["status"], deleted["url"], deleted["url_host"]) == ("deleted", None, None)
    assert (await owner.get(f"{PATH}/{made['id']}")).status_code == 404
    assert (await owner.get(PATH)).json()["data"] == []


async def test_an_endpoint_without_a_url_has_no_secret_and_stays_so(owner: Shop) -> None:
    made = await created(owner, url=None)
    path = f"{PATH}/{made['id']}"

    assert (made["url_host"], made["secret"]) == (None, None)
    for refused in (
        await owner.post(f"{path}/rotate-secret"),
        await owner.patch(path, {"url": URL}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")


async def test_a_test_event_is_announced_for_the_endpoint(owner: Shop, application: Application) -> None:
    made = await created(owner, event_types=["message.read"])
    path = f"{PATH}/{made['id']}"

    sent = await owner.post(f"{path}/test")
    await owner.post(f"{path}/pause")
    refused = await owner.post(f"{path}/test")

    assert (sent.status_code, sent.json()["links"]) == (202, {"deliveries": f"{path}/deliveries"})
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
    async with application.resources().engines.system.connect() as connection:
        pending = (await connection.exec_driver_sql("SELECT type, data ->> 'id' FROM pending_events")).all()
    assert ("endpoint.test", made["id"]) in [tuple(row) for row in pending]


async def test_test_mode_has_five_endpoints_and_may_use_http(platform: Platform) -> None:
    tester = await platform.bare_shop()
    for number in range(5):
        await created(tester, url=f"http://localhost:{8100 + number}/hook")

    refused = await tester.post(PATH, {"url": URL})

    assert (refused.status_code, refused.json()["code"]) == (409, "quota_exceeded")


async def test_the_catalogue_has_samples_that_fit_their_schemas(owner: Shop) -> None:
    types = (await owner.get("/v1/event-types")).json()["data"]

    assert len(types) > 20
    for type in types:
        jsonschema_rs.validator_for(type["schema"], validate_formats=True).validate(type["sample"])
