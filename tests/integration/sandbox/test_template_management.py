"""Are templates created, reviewed, listed, edited and deleted as the management API would?"""

from pathlib import Path
from typing import Any

import httpx
import pytest

from messaging.entrypoints.sandbox import SandboxConfig, Settings, serving
from tests.integration.sandbox.business import Business, a_definition, a_template_message
from tests.integration.sandbox.receiver import Receiver

Json = dict[str, Any]
BODY = {
    "type": "BODY",
    "text": "Hi {{1}}, your order {{2}} has shipped.",
    "example": {"body_text": [["Ana", "A-1"]]},
}


def body(text: str, *examples: str) -> Json:
    part: Json = {"type": "BODY", "text": text}
    return part | {"example": {"body_text": [list(examples)]}} if examples else part


def with_parts(*parts: Json) -> Json:
    return a_definition(components=[BODY, *parts])


async def create(business: Business, definition: Json) -> Json:
    answer = await business.call("POST", f"{business.waba_id}/message_templates", definition)
    assert answer.status_code == 200, answer.text
    created: Json = answer.json()
    return created


async def test_a_new_template_is_pending_until_its_review_ends(receiver: Receiver, tmp_path: Path) -> None:
    """In a sandbox of its own, because others wait until no news is on its way."""
    config = SandboxConfig(state_dir=tmp_path, settings=Settings(review_delay_ms=60_000))
    async with serving(config) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        business = Business(http, 1, receiver.inbox("reviewed-late"))
        await business.join()
        created = await create(business, a_definition())
        refused = await business.post_message(a_template_message("Ana", "A-1"))

    assert created["status"] == "PENDING"
    assert created["category"] == "UTILITY"
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == 132001


async def test_the_review_result_is_announced_with_a_signature(business: Business) -> None:
    template_id = await business.approved_template()

    (value,) = business.inbox.values("message_template_status_update")
    assert value == {
        "event": "APPROVED",
        "message_template_id": int(template_id),
        "message_template_name": "order_update",
        "message_template_language": "en_US",
        "message_template_category": "UTILITY",
        "reason": "NONE",
    }
    assert business.inbox.webhooks[0].is_signed_with(business.app_secret)
    node = (await business.call("GET", template_id, fields="status,category")).json()
    assert node == {"id": template_id, "status": "APPROVED", "category": "UTILITY"}


@pytest.mark.parametrize(
    "word, event, code",
    [("reject", "REJECTED", 132001), ("pause", "PAUSED", 132015), ("disable", "DISABLED", 132016)],
)
async def test_a_word_in_the_name_decides_the_review(business: Business, word: str, event: str, code: int) -> None:
    name = f"news_sandbox_{word}"
    created = await create(business, a_definition(name=name))

    await business.inbox.until(lambda: int(created["id"]) in business.announced(event))

    answer = await business.post_message(a_template_message("Ana", "A-1", name=name))
    assert answer.json()["error"]["code"] == code


async def test_an_operator_may_pause_and_rate_a_template(business: Business) -> None:
    template_id = await business.approved_template()

    await business.control(f"templates/{template_id}", {"status": "PAUSED", "quality": "RED"})

    await business.inbox.until(lambda: bool(business.inbox.values("message_template_quality_update")))
    await business.inbox.until(lambda: int(template_id) in business.announced("PAUSED"))
    (quality,) = business.inbox.values("message_template_quality_update")
    assert (quality["previous_quality_score"], quality["new_quality_score"]) == ("UNKNOWN", "RED")


async def test_templates_are_listed_page_by_page_and_by_filter(business: Business) -> None:
    for number in range(5):
        await create(business, a_definition(name=f"notice_{chr(97 + number)}"))
    path = f"{business.waba_id}/message_templates"

    first = (await business.call("GET", path, limit="2", fields="name,nonsense,quality_score{score}")).json()
    second = (await business.call("GET", path, limit="9", after=first["paging"]["cursors"]["after"])).json()
    one = (await business.call("GET", path, name="notice_c")).json()
    none = (await business.call("GET", path, status="rejected")).json()

    assert [t["name"] for t in first["data"]] == ["notice_a", "notice_b"]
    assert first["data"][0].keys() == {"id", "name", "quality_score"}
    assert "next" in first["paging"]
    assert [t["name"] for t in second["data"]] == ["notice_c", "notice_d", "notice_e"]
    assert "next" not in second["paging"]
    assert [t["name"] for t in one["data"]] == ["notice_c"]
    assert none["data"] == []


async def test_a_made_up_cursor_is_refused(business: Business) -> None:
    answer = await business.call("GET", f"{business.waba_id}/message_templates", after="bm9wZQ==")

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 100


async def test_editing_sends_a_template_back_to_review(business: Business) -> None:
    template_id = await business.approved_template()

    edited = await business.call("POST", template_id, {"components": [body("Shipped: {{1}}, bye.", "x")]})

    assert edited.json() == {"success": True}
    await business.inbox.until(lambda: len(business.inbox.values("message_template_status_update")) == 2)
    answer = await business.post_message(a_template_message("A-1"))
    assert answer.status_code == 200


async def test_new_content_is_announced_when_it_is_approved(business: Business) -> None:
    template_id = await business.approved_template()

    await business.call("POST", template_id, {"components": [body("Shipped: {{1}}, bye.", "x")]})

    await business.inbox.until(lambda: bool(business.inbox.values("message_template_components_update")))
    assert business.inbox.values("message_template_components_update") == [
        {
            "message_template_id": int(template_id),
            "message_template_name": "order_update",
            "message_template_language": "en_US",
            "message_template_element": "Shipped: {{1}}, bye.",
        }
    ]


async def test_the_category_of_an_approved_template_is_fixed(business: Business) -> None:
    template_id = await business.approved_template()

    answer = await business.call("POST", template_id, {"category": "MARKETING"})

    assert answer.json()["error"]["error_subcode"] == 2388039


async def test_deleting_takes_one_language_or_all(business: Business) -> None:
    english = await create(business, a_definition())
    await create(business, a_definition(language="pt_BR"))
    path = f"{business.waba_id}/message_templates"

    one = await business.call("DELETE", path, name="order_update", hsm_id=english["id"])
    left = (await business.call("GET", path)).json()["data"]
    rest = await business.call("DELETE", path, name="order_update")
    again = await business.call("DELETE", path, name="order_update")

    assert one.json() == rest.json() == {"success": True}
    assert [t["language"] for t in left] == ["pt_BR"]
    assert again.json()["error"]["code"] == 100


async def test_accounts_do_not_see_each_others_templates(business: Business, rival: Business) -> None:
    template_id = await business.approved_template()

    listed = await rival.call("GET", f"{business.waba_id}/message_templates")
    read = await rival.call("GET", template_id)

    for answer in (listed, read):
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == 200


@pytest.mark.parametrize(
    "definition",
    [
        with_parts({"type": "HEADER", "format": "TEXT", "text": "Order {{1}}", "example": {"header_text": ["1"]}}),
        with_parts({"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::aW"]}}),
        with_parts({"type": "HEADER", "format": "LOCATION"}),
        with_parts({"type": "footer", "text": "Acme Ltd"}),
        with_parts(
            {
                "type": "BUTTONS",
                "buttons": [
                    {"type": "QUICK_REPLY", "text": "Stop"},
                    {"type": "URL", "text": "Track", "url": "https://x.example/{{1}}", "example": ["a"]},
                    {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550051310"},
                ],
            }
        ),
        a_definition(
            parameter_format="named",
            components=[
                {
                    "type": "BODY",
                    "text": "Hi {{first_name}}, it shipped.",
                    "example": {"body_text_named_params": [{"param_name": "first_name", "example": "Ana"}]},
                }
            ],
        ),
        a_definition(
            category="AUTHENTICATION",
            components=[
                {"type": "BODY", "add_security_recommendation": True},
                {"type": "FOOTER", "code_expiration_minutes": 5},
                {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]},
            ],
        ),
    ],
)
async def test_documented_definitions_are_accepted(business: Business, definition: Json) -> None:
    created = await create(business, definition)

    assert created["id"].isdecimal()


@pytest.mark.parametrize(
    "definition, subcode",
    [
        (a_definition(name="Order Update"), 2388040),
        (a_definition(name="x" * 513), 2388040),
        (a_definition(language="en-US"), None),
        (a_definition(category="SPAM"), None),
        (a_definition(parameter_format="BOTH"), None),
        (a_definition(components=[]), None),
        (a_definition(components="no json"), None),
        (a_definition(components=[{"type": "FOOTER", "text": "x"}]), None),
        (a_definition(components=[BODY, BODY]), 2388047),
        (a_definition(components=[BODY, {"type": "CAROUSEL"}]), None),
        (a_definition(components=[body("")]), 2388040),
        (a_definition(components=[body("x" * 1025)]), 2388040),
        (a_definition(components=[body("{{1}} has shipped", "A")]), 2388299),
        (a_definition(components=[body("shipped: {{1}}", "A")]), 2388299),
        (a_definition(components=[body("a b c {{1}}{{2}} d", "A", "B")]), 2388293),
        (a_definition(components=[body("a {{1}} b {{3}} c d", "A", "B")]), 2388072),
        (a_definition(components=[body("a {{name}} b", "A")]), 2388072),
        (a_definition(components=[body("a {{1} b c")]), 2388072),
        (a_definition(components=[body("Hi {{1}}, it shipped.")]), 2388043),
        (with_parts({"type": "HEADER", "format": "TEXT", "text": "x" * 61}), 2388047),
        (with_parts({"type": "HEADER", "format": "IMAGE"}), 2388043),
        (with_parts({"type": "HEADER", "format": "HOLOGRAM"}), None),
        (with_parts({"type": "FOOTER", "text": "x" * 61}), 2388073),
        (with_parts({"type": "FOOTER", "text": "by {{1}}!"}), 2388073),
        (with_parts({"type": "BUTTONS", "buttons": []}), 2388072),
        (with_parts({"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "x" * 26}]}), 2388072),
        (
            with_parts(
                {
                    "type": "BUTTONS",
                    "buttons": [
                        {"type": "QUICK_REPLY", "text": "a"},
                        {"type": "PHONE_NUMBER", "text": "b", "phone_number": "+1555"},
                        {"type": "QUICK_REPLY", "text": "c"},
                    ],
                }
            ),
            2388072,
        ),
        (
            with_parts(
                {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "x", "url": "https://x.example/{{1}}"}]}
            ),
            2388043,
        ),
        (a_definition(category="AUTHENTICATION", components=[{"type": "BODY"}]), 2388043),
    ],
)
async def test_a_definition_against_the_rules_is_refused(
    business: Business, definition: Json, subcode: int | None
) -> None:
    answer = await business.call("POST", f"{business.waba_id}/message_templates", definition)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == 100
    assert error.get("error_subcode") == subcode
    if subcode is not None:
        assert error["error_user_title"]
        assert error["error_user_msg"]


async def test_a_language_exists_once(business: Business) -> None:
    await create(business, a_definition())

    answer = await business.call("POST", f"{business.waba_id}/message_templates", a_definition())

    assert answer.json()["error"]["error_subcode"] == 2388024
