"""Is everything bad answered with a problem document that names it, and does nothing of it stay behind?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.api.answers import nothing_was_stored, problem, violations
from tests.integration.api.callers import Json, Platform, Shop

TEMPLATE = {"type": "template", "name": "order_update", "language": "en_US", "variables": {"1": "Ana", "2": "A-1"}}


def template(**changes: Any) -> Json:
    return {"content": TEMPLATE | changes}


def variables(first: str, second: str = "A-1") -> Json:
    return template(variables={"1": first, "2": second})


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    "changes, pointer, code",
    [
        ({"colour": "red"}, "/colour", "unknown_field"),
        ({"to": 14155550100}, "/to", "wrong_type"),
        ({"to": "4155550100"}, "/to", "country_code_missing"),
        ({"to": "+1 415 CALL-NOW"}, "/to", "recipient_invalid"),
        ({"to": "+14155\0"}, "/to", "nul_character"),
        ({"reference": "a\0b"}, "/reference", "nul_character"),
        ({"from": "snd_nonsense"}, "/from", "sender_unknown"),
        ({"from": "snd_01kaf8v3e5f8k9m2n4p6q8r0st"}, "/from", "sender_unknown"),
        (template(name="no_such_template"), "/content/name", "template_unknown"),
        (template(language="pt_BR"), "/content/language", "template_language_unavailable"),
        (template(variables={"1": "Ana"}), "/content/variables/2", "variable_missing"),
        (template(variables={"1": "Ana", "2": "A", "3": "?"}), "/content/variables/3", "variable_unexpected"),
        (variables(""), "/content/variables/1", "value_empty"),
        (variables("x" * 5_000), "/content/variables/1", "value_too_long"),
        (variables("Ana\nMaria"), "/content/variables/1", "parameter_whitespace"),
        (variables("Ana\tMaria"), "/content/variables/1", "parameter_whitespace"),
        (variables("Ana     Maria"), "/content/variables/1", "parameter_whitespace"),
        ({"expires_at": in_days(-1)}, "/expires_at", "expires_at_past"),
        ({"send_at": in_days(365)}, "/send_at", "send_at_too_far"),
        ({"send_at": "2026-11-20T12:00:00"}, "/send_at", "invalid_value"),
        ({"content": {"type": "text", "body": "Hello?"}}, "/content", "window_closed"),
    ],
)
async def test_a_message_that_breaks_a_rule_is_refused_where_it_does(
    quiet_shop: Shop, changes: Json, pointer: str, code: str
) -> None:
    response = await quiet_shop.post("/v1/messages", quiet_shop.message(**changes))

    assert violations(response).get(pointer) == code, response.text
    assert await nothing_was_stored(quiet_shop)


async def test_an_id_that_is_none_is_refused_along_with_the_rest(quiet_shop: Shop) -> None:
    body = quiet_shop.message(to="4155550100", **{"from": "snd_nonsense"})

    found = violations(await quiet_shop.post("/v1/messages", body))
    told = (await quiet_shop.post("/v1/messages/check", body)).json()

    assert found == {"/to": "country_code_missing", "/from": "sender_unknown"}
    assert {error["pointer"]: error["code"] for error in told["errors"]} == found


async def test_a_refusal_lists_every_violation(quiet_shop: Shop) -> None:
    body = quiet_shop.message(
        to="4155550100",
        expires_at=in_days(-1),
        **template(variables={"1": "Ana\tMaria"}),
    )

    found = violations(await quiet_shop.post("/v1/messages", body))

    assert found["/to"] == "country_code_missing"
    assert found["/expires_at"] == "expires_at_past"
    assert found["/content/variables/1"] == "parameter_whitespace"
    assert found["/content/variables/2"] == "variable_missing"


async def test_a_wrong_shape_does_not_hide_what_else_is_wrong(quiet_shop: Shop) -> None:
    body = quiet_shop.message(
        to="4155550100", metadata=3, colour="red", expires_at=in_days(-1), **template(variables={"1": "Ana"})
    )
    expected = {
        "/metadata": "wrong_type",
        "/colour": "unknown_field",
        "/to": "country_code_missing",
        "/expires_at": "expires_at_past",
        "/content/variables/2": "variable_missing",
    }

    single = violations(await quiet_shop.post("/v1/messages", body))
    checked = violations(await quiet_shop.post("/v1/messages/check", body))
    (item,) = (await quiet_shop.post("/v1/messages/batch", {"messages": [body]})).json()["data"]

    assert single == expected
    assert checked == expected
    assert {error["pointer"]: error["code"] for error in item["errors"]} == expected


@pytest.mark.parametrize("missing", ["to", "channel", "content"])
async def test_a_missing_field_is_not_blamed_on_others(quiet_shop: Shop, missing: str) -> None:
    body = {name: value for name, value in quiet_shop.message().items() if name != missing}

    assert violations(await quiet_shop.post("/v1/messages", body)) == {f"/{missing}": "missing_field"}


async def test_a_misspelt_template_is_told_which_was_meant(quiet_shop: Shop) -> None:
    response = await quiet_shop.post("/v1/messages", quiet_shop.message(**template(name="order_updaet")))

    assert "Did you mean order_update?" in response.json()["errors"][0]["detail"]


async def test_a_plus_that_was_not_encoded_is_understood_in_an_instant(quiet_shop: Shop) -> None:
    plain = await quiet_shop.get("/v1/messages?created_after=2026-01-01T00:00:00+01:00")
    encoded = await quiet_shop.get("/v1/messages?created_after=2026-01-01T00:00:00%2B01:00")

    assert (plain.status_code, encoded.status_code) == (200, 200)


@pytest.mark.parametrize(
    "content, status, code",
    [
        (b"", 400, "malformed_json"),
        (b"hello", 400, "malformed_json"),
        (b'{"to": "+14155550100"', 400, "malformed_json"),
        (b'{"to": "\\ud83d"}', 400, "malformed_json"),
        (b'{"to": "\xff"}', 400, "malformed_json"),
        (b"[" * 10_000 + b"]" * 10_000, 400, "nesting_too_deep"),
        (b'{"content": ' * 10_000 + b"{}" + b"}" * 10_000, 400, "nesting_too_deep"),
        (b"[]", 422, "validation_failed"),
        (b"null", 422, "validation_failed"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batch", "/v1/messages/check", "/v1/senders"])
async def test_a_body_that_is_not_usable_json_is_refused(
    quiet_shop: Shop, path: str, content: bytes, status: int, code: str
) -> None:
    response = await quiet_shop.post(path, content=content, headers={"Content-Type": "application/json"})

    problem(response, status, code)


@pytest.mark.parametrize("announced", [True, False], ids=["with a length", "in chunks"])
async def test_a_body_with_a_file_of_30_mb_is_refused_unread_with_the_limit(quiet_shop: Shop, announced: bool) -> None:
    taken = 0

    async def chunks() -> Any:
        nonlocal taken
        for _ in range(30 * 16):
            taken += 1
            yield b" " * 65_536

    content: Any = b" " * 30_000_000 if announced else chunks()
    response = await quiet_shop.post("/v1/messages", content=content, headers={"Content-Type": "application/json"})

    refusal = problem(response, 413, "body_too_large")
    assert "may have 524288 bytes together" in refusal["detail"]
    assert taken < 30 * 16


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {},
    ],
)
async def test_only_plain_json_is_taken(quiet_shop: Shop, headers: dict[str, str]) -> None:
    response = await quiet_shop.post("/v1/messages", content=b"{}", headers=headers)

    problem(response, 415, "unsupported_media_type")


async def test_each_item_of_a_batch_is_judged_by_itself(shop: Shop) -> None:
    items: list[Any] = [
        shop.message(),
        shop.message(to="4155550100"),
        "not an object",
        shop.message(colour="red", to=7),
        shop.message(reference="a\0b"),
        shop.message(**{"from": "snd_nonsense"}),
    ]

    response = await shop.post("/v1/messages/batch", {"messages": items})

    assert response.status_code == 202, response.text
    body = response.json()
    assert (body["accepted"], body["refused"]) == (1, 5)
    told = [{error["pointer"]: error["code"] for error in item.get("errors", [])} for item in body["data"]]
    assert told == [
        {},
        {"/to": "country_code_missing"},
        {"": "wrong_type"},
        {"/to": "wrong_type", "/colour": "unknown_field"},
        {"/reference": "nul_character"},
        {"/from": "sender_unknown"},
    ]
    assert len((await shop.get("/v1/messages")).json()["data"]) == 1


@pytest.mark.parametrize("count", [0, 1_001])
async def test_a_batch_has_between_one_and_a_thousand_items(quiet_shop: Shop, count: int) -> None:
    response = await quiet_shop.post("/v1/messages/batch", {"messages": [{}] * count})

    assert violations(response) == {"/messages": "invalid_value"}


@pytest.mark.parametrize(
    "query, pointer",
    [
        ("limit=0", "/limit"),
        ("limit=1000", "/limit"),
        ("limit=ten", "/limit"),
        ("limit=5&limit=6", "/limit"),
        ("status=gone", "/status"),
        ("status=null", "/status"),
        ("status=", "/status"),
        ("status=failed,gone", "/status"),
        ("status=failed&status=dead", "/status"),
        ("error_code=", "/error_code"),
        ("updated_after=yesterday", "/updated_after"),
        ("colour=red", "/colour"),
        ("created_after=yesterday", "/created_after"),
        ("created_after=0", "/created_after"),
        ("created_after=2026-11-20T12:00:00", "/created_after"),
        ("to=4155550100", "/to"),
        ("reference=%00", "/reference"),
    ],
)
async def test_a_wrong_query_parameter_is_named(quiet_shop: Shop, query: str, pointer: str) -> None:
    assert pointer in violations(await quiet_shop.get(f"/v1/messages?{query}"))


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-12:00"])
async def test_instants_at_the_ends_of_time_are_no_trouble(quiet_shop: Shop, instant: str) -> None:
    response = await quiet_shop.get(f"/v1/messages?created_after={instant}&created_before={instant}")

    assert response.status_code == 200, response.text


async def test_a_cursor_is_good_for_its_own_list_only(platform: Platform, shop: Shop) -> None:
    other = await platform.bare_shop(tenant=shop.tenant, mode="live")
    stranger = await platform.bare_shop()
    await shop.sent()
    await shop.sent()
    page = (await shop.get("/v1/messages?limit=1")).json()
    cursor = page["next_cursor"]
    assert page["has_more"]
    flipped = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")

    assert (await shop.get(f"/v1/messages?limit=1&after={cursor}")).status_code == 200
    for caller, path in [
        (shop, f"/v1/messages?after={flipped}"),
        (shop, f"/v1/messages?after={cursor}&status=sent"),
        (shop, f"/v1/senders?after={cursor}"),
        (shop, "/v1/messages?after=%C3%A9"),
        (shop, "/v1/messages?after=AAAA"),
        (other, f"/v1/messages?after={cursor}"),
        (stranger, f"/v1/messages?after={cursor}"),
    ]:
        problem(await caller.get(path), 422, "cursor_invalid")


PATHS = [
    ("GET", "/v1/messages/{id}", "msg"),
    ("GET", "/v1/messages/{id}/events", "msg"),
    ("POST", "/v1/messages/{id}/cancel", "msg"),
    ("POST", "/v1/messages/{id}/retry", "msg"),
    ("GET", "/v1/dead-letters/{id}", "msg"),
    ("POST", "/v1/dead-letters/{id}/retry", "msg"),
    ("GET", "/v1/senders/{id}", "snd"),
    ("PATCH", "/v1/senders/{id}", "snd"),
    ("GET", "/v1/provider-accounts/{id}", "acc"),
    ("PATCH", "/v1/provider-accounts/{id}", "acc"),
    ("POST", "/v1/provider-accounts/{id}/sync-templates", "acc"),
    ("GET", "/v1/templates/{id}", "tpl"),
]


@pytest.mark.parametrize("method, path, prefix", PATHS)
async def test_another_tenants_id_an_unknown_one_and_nonsense_get_the_same_404(
    platform: Platform, shop: Shop, method: str, path: str, prefix: str
) -> None:
    stranger = await platform.bare_shop()
    theirs = {"snd": shop.sender, "acc": shop.account, "tpl": shop.template}.get(prefix) or await shop.sent()
    body = {"json": {"name": "Mine now"}} if method == "PATCH" else {}

    answers = [
        await stranger.request(method, path.format(id=id), headers={"X-Request-Id": "same"}, **body)
        for id in (theirs, f"{prefix}_01kaf8v3e5f8k9m2n4p6q8r0st", "nonsense", "%00", f"{prefix}_")
    ]

    for answer in answers:
        problem(answer, 404, "not_found")
    assert len({answer.content for answer in answers}) == 1


async def test_another_tenants_sender_cannot_be_used_or_routed_to(platform: Platform, quiet_shop: Shop) -> None:
    stranger = await platform.shop()

    sent = await stranger.post("/v1/messages", stranger.message(**{"from": quiet_shop.sender}))
    routed = await stranger.put(
        "/v1/routing-rules", {"rules": [{"channel": "whatsapp", "sender_id": quiet_shop.sender}]}
    )
    added = await stranger.post(
        "/v1/senders",
        {
            "account_id": quiet_shop.account,
            "channel": "whatsapp",
            "external_id": "1",
            "address": "+14155550100",
            "name": "x",
        },
    )

    assert violations(sent) == {"/from": "sender_unknown"}
    assert violations(routed) == {"/rules/0/sender_id": "sender_unknown"}
    assert violations(added) == {"/account_id": "account_unknown"}


async def test_a_live_key_cannot_send_from_a_test_sender(platform: Platform, quiet_shop: Shop) -> None:
    live = await platform.bare_shop(tenant=quiet_shop.tenant, mode="live")

    response = await live.post("/v1/messages", quiet_shop.message(**{"from": quiet_shop.sender}))

    assert violations(response) == {"/from": "sender_unknown"}


async def test_an_unknown_address_and_a_wrong_method_are_problems_too(platform: Platform) -> None:
    problem(await platform.client.get("/v1/nothing"), 404, "route_not_found")
    problem(await platform.client.get("/%00"), 404, "route_not_found")
    wrong = await platform.client.delete("/v1/messages")
    problem(wrong, 405, "method_not_allowed")
    assert "POST" in wrong.headers["allow"]
    assert "GET" in wrong.headers["allow"]


@pytest.mark.parametrize("key", ["", " ", "a" * 256, "two words", "caf\xe9"])
async def test_an_idempotency_key_is_visible_ascii(quiet_shop: Shop, key: str) -> None:
    for path, body in (
        ("/v1/messages", quiet_shop.message()),
        ("/v1/messages/batch", {"messages": [quiet_shop.message()]}),
    ):
        response = await quiet_shop.post(path, body, headers={"Idempotency-Key": key.encode("latin-1")})
        problem(response, 422, "idempotency_key_invalid")
    assert await nothing_was_stored(quiet_shop)
