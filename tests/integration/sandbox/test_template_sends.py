"""Must a template send fit its template, as Meta demands?"""

from typing import Any

import pytest

from tests.integration.sandbox.business import Business, a_template_message

Json = dict[str, Any]


def text(value: object, **more: object) -> Json:
    return {"type": "text", "text": value, **more}


def header(*parameters: Json) -> Json:
    return {"type": "header", "parameters": list(parameters)}


def body(*parameters: Json) -> Json:
    return {"type": "body", "parameters": list(parameters)}


def button(sub_type: str, index: object, parameter: Json) -> Json:
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": [parameter]}


RICH = [
    {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::aW"]}},
    {"type": "BODY", "text": "Hi {{1}}, all good.", "example": {"body_text": [["Ana"]]}},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Stop"},
            {"type": "URL", "text": "Track", "url": "https://x.example/{{1}}", "example": ["a"]},
            {"type": "URL", "text": "Home", "url": "https://x.example/"},
        ],
    },
]
IMAGE = header({"type": "image", "image": {"link": "https://cdn.example.com/a.jpg"}})
TRACK = button("url", "1", text("abc"))
STOP = button("quick_reply", 0, {"type": "payload", "payload": "STOP"})


async def refusal(business: Business, message: Json) -> Json:
    answer = await business.post_message(message)
    assert answer.status_code != 200, answer.text
    error: Json = answer.json()["error"]
    return error


async def test_a_template_is_accepted_outside_the_window_and_billed(business: Business) -> None:
    await business.approved_template()

    answer = await business.post_message(a_template_message("Ana", "A-1042"))

    message = answer.json()["messages"][0]
    assert message["message_status"] == "accepted"
    statuses = await business.inbox.statuses_of(message["id"], 3)
    (sent,) = [status for status in statuses if status["status"] == "sent"]
    assert sent["pricing"]["category"] == "utility"
    assert sent["pricing"]["billable"] is True


async def test_a_rich_template_takes_header_body_and_buttons(business: Business) -> None:
    await business.approved_template(name="rich", components=RICH)

    answer = await business.post_message(a_template_message("Ana", IMAGE, STOP, TRACK, name="rich"))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name, language", [("order_update", "pt_BR"), ("order_updates", "en_US")])
async def test_an_unknown_name_or_language_is_132001(business: Business, name: str, language: str) -> None:
    await business.approved_template()

    error = await refusal(business, a_template_message("Ana", "A-1", name=name, language=language))

    assert error["code"] == 132001
    assert error["error_data"]["details"] == f"template name ({name}) does not exist in {language}"


@pytest.mark.parametrize(
    "parameters, code",
    [
        ((), 132000),
        (("Ana",), 132000),
        (("Ana", "A-1", "extra"), 132000),
        ((body(text("Ana"), {"type": "image", "image": {"id": "1"}}),), 132012),
        ((body(text("Ana"), text("")),), 131008),
        ((body(text("Ana"), text(7)),), 131008),
        (("Ana", "A\n1"), 132018),
        (("Ana", "A\t1"), 132018),
        (("Ana", "A     1"), 132018),
        (("Ana", "x" * 1020), 132005),
        ((body(text("Ana"), text("A")), body(text("Ana"), text("A"))), 132018),
        ((body(text("Ana"), text("A")), TRACK), 132018),
        ((body(text("Ana"), text("A")), header(text("surprise"))), 132000),
    ],
)
async def test_parameters_must_fit(business: Business, parameters: tuple[object, ...], code: int) -> None:
    await business.approved_template()

    error = await refusal(business, a_template_message(*parameters))

    assert error["code"] == code
    assert error["error_data"]["details"]


@pytest.mark.parametrize("value", ["four    spaces", "a b", "{{1}}", "x" * 900])
async def test_allowed_parameter_texts_pass(business: Business, value: str) -> None:
    await business.approved_template()

    answer = await business.post_message(a_template_message("Ana", value))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "components, code, details",
    [
        ([TRACK], 132012, "header: Format mismatch, expected IMAGE, received UNKNOWN"),
        ([header(text("x")), TRACK], 132012, "header: Format mismatch, expected IMAGE, received TEXT"),
        ([header({"type": "image", "image": {}}), TRACK], 131009, None),
        ([IMAGE], 131008, "buttons: Button at index 1 of type URL requires a parameter"),
        ([IMAGE, TRACK, button("url", "2", text("x"))], 132012, None),
        ([IMAGE, TRACK, button("url", "7", text("x"))], 132018, None),
        ([IMAGE, TRACK, TRACK], 132018, None),
        ([IMAGE, button("quick_reply", "1", text("x"))], 132012, None),
        ([IMAGE, button("url", "1", {"type": "payload", "payload": "x"})], 132012, None),
        ([IMAGE, button("url", "1", text(""))], 131008, None),
    ],
)
async def test_header_and_buttons_must_fit(
    business: Business, components: list[Json], code: int, details: str | None
) -> None:
    await business.approved_template(name="rich", components=RICH)

    error = await refusal(business, a_template_message("Ana", *components, name="rich"))

    assert error["code"] == code
    assert details in (None, error["error_data"]["details"])


NAMED = {
    "name": "named",
    "parameter_format": "NAMED",
    "components": [
        {
            "type": "BODY",
            "text": "Hi {{first_name}}, order {{order}} shipped.",
            "example": {
                "body_text_named_params": [
                    {"param_name": "first_name", "example": "Ana"},
                    {"param_name": "order", "example": "A"},
                ]
            },
        }
    ],
}


@pytest.mark.parametrize(
    "names, code",
    [
        (("order", "first_name"), 200),
        (("first_name", "first_name"), 132012),
        (("first_name", "colour"), 132012),
        (("first_name", None), 132012),
    ],
)
async def test_named_parameters_go_by_name(business: Business, names: tuple[str | None, ...], code: int) -> None:
    await business.approved_template(**NAMED)
    parameters = [text("x") | ({"parameter_name": name} if name else {}) for name in names]

    answer = await business.post_message(a_template_message(body(*parameters), name="named"))

    assert answer.json().get("error", {"code": 200})["code"] == code


CODE = {
    "name": "login_code",
    "category": "AUTHENTICATION",
    "components": [
        {"type": "BODY"},
        {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]},
    ],
}


async def test_a_one_time_code_must_be_the_same_in_body_and_button(business: Business) -> None:
    await business.approved_template(**CODE)
    same = button("url", "0", text("123456"))
    other = button("url", "0", text("654321"))

    accepted = await business.post_message(a_template_message("123456", same, name="login_code"))
    error = await refusal(business, a_template_message("123456", other, name="login_code"))

    assert accepted.status_code == 200
    assert error["code"] == 132018


async def test_a_one_time_code_needs_a_phone_number(business: Business) -> None:
    await business.approved_template(**CODE)
    message = a_template_message("123456", button("url", "0", text("123456")), name="login_code")
    del message["to"]

    error = await refusal(business, message | {"recipient": "US.1349"})

    assert error["code"] == 131062
