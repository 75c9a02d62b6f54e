"""Which sends would the provider refuse, and are all reasons listed at once?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.content.parameters import (
    ButtonValue,
    HeaderDocument,
    HeaderImage,
    HeaderText,
    HeaderValue,
    HeaderVideo,
    QuickReplyButton,
    TemplateParameters,
    UrlButton,
)
from messaging.domain.templates.template import (
    Button,
    ButtonKind,
    Header,
    HeaderFormat,
    ParameterFormat,
    Template,
    TemplateCategory,
    TemplateStatus,
)
from messaging.domain.templates.validation import filled_buttons, preview, send_violations
from tests.builders import a_template, components, rich_components

IMAGE = HeaderImage(link="https://cdn.example.com/parcel.jpg")
TRACK = UrlButton(index=0, text="A-1042")
STOP = QuickReplyButton(index=1, payload="STOP")
BOTH = {"1": "Ana", "2": "A-1042"}


def values(
    variables: dict[str, str] | None = None, header: HeaderValue | None = None, buttons: tuple[ButtonValue, ...] = ()
) -> TemplateParameters:
    return TemplateParameters(variables=BOTH if variables is None else variables, header=header, buttons=buttons)


def listed(template: Template, parameters: TemplateParameters) -> list[tuple[str, str]]:
    return [(violation.pointer, violation.code) for violation in send_violations(template, parameters)]


def with_header(format: HeaderFormat, text: str | None = None) -> Template:
    return a_template(components=components(header=Header(format=format, text=text)))


def with_buttons(*buttons: Button) -> Template:
    return a_template(components=components(buttons=buttons))


RICH = a_template(components=rich_components())
NAMED = a_template(
    parameter_format=ParameterFormat.NAMED,
    components=components(body="Hi {{first_name}}, order {{order_number}} has shipped.", examples={}),
)
CODE = a_template(
    category=TemplateCategory.AUTHENTICATION,
    components=components(body="", examples={}, buttons=(Button(kind=ButtonKind.OTP, text="Copy code"),)),
)


@pytest.mark.parametrize(
    ("template", "parameters"),
    [
        (a_template(), values()),
        (a_template(), values({"2": "A-1042", "1": "Ana"})),
        (a_template(), values({"1": "Ana 😀", "2": "four    spaces"})),
        (NAMED, values({"order_number": "A-1042", "first_name": "Ana"})),
        (RICH, values(header=IMAGE, buttons=(TRACK, STOP))),
        (RICH, values(header=IMAGE, buttons=(STOP, TRACK))),
        (RICH, values(header=IMAGE, buttons=(TRACK,))),
        (RICH, values(header=HeaderImage(media_id="1376223850470843"), buttons=(TRACK,))),
        (with_header(HeaderFormat.TEXT, "Order {{1}}"), values(header=HeaderText(text="A-1042"))),
        (with_header(HeaderFormat.TEXT, "Your order"), values()),
        (with_header(HeaderFormat.VIDEO), values(header=HeaderVideo(link="https://example.com/a.mp4"))),
        (
            with_header(HeaderFormat.DOCUMENT),
            values(header=HeaderDocument(link="https://example.com/a.pdf", filename="invoice.pdf")),
        ),
        (with_buttons(Button(kind=ButtonKind.PHONE_NUMBER, text="Call", phone_number="+15550051310")), values()),
        (CODE, values({"1": "482913"})),
        (CODE, values({"1": "482913"}, buttons=(UrlButton(index=0, text="482913"),))),
        (a_template(components=components(body="Thank you for your visit.")), values({})),
    ],
)
def test_a_send_that_fits_its_template_may_go(template: Template, parameters: TemplateParameters) -> None:
    assert send_violations(template, parameters) == ()


# --- status ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [status for status in TemplateStatus if status is not TemplateStatus.APPROVED])
def test_only_an_approved_template_may_be_sent_and_every_other_status_has_its_own_advice(
    status: TemplateStatus,
) -> None:
    (violation,) = send_violations(a_template(status=status), values())
    others = {
        send_violations(a_template(status=other), values())[0].detail
        for other in TemplateStatus
        if other not in (status, TemplateStatus.APPROVED)
    }

    assert (violation.pointer, violation.code) == ("/name", "template_not_sendable")
    assert violation.detail not in others


@pytest.mark.parametrize(
    "template",
    [with_header(HeaderFormat.LOCATION), with_buttons(Button(kind=ButtonKind.COPY_CODE, example="SAVE20"))],
)
def test_a_template_whose_parts_cannot_be_filled_yet_is_refused(template: Template) -> None:
    assert listed(template, values()) == [("/name", "template_unsupported")]


UNKNOWN_BUTTON = Button(kind=ButtonKind.OTHER, text="Book")


@pytest.mark.parametrize(
    ("template", "parts"),
    [
        (a_template(unsupported=("CAROUSEL", "LTO")), "CAROUSEL, LTO."),
        (with_buttons(UNKNOWN_BUTTON), "button of a kind not known here."),
        (a_template(unsupported=("BOOK",), components=components(buttons=(UNKNOWN_BUTTON,))), "BOOK."),
    ],
)
def test_the_parts_that_cannot_be_sent_are_named_once(template: Template, parts: str) -> None:
    (violation,) = send_violations(template, values())

    assert violation.code == "template_unsupported"
    assert f"cannot be sent yet: {parts} Use" in violation.detail


# --- variables ------------------------------------------------------------------------------------------------------

BAD_TEXTS: list[tuple[str, list[str]]] = [
    ("", ["value_empty"]),
    ("\u200b\ufeff", ["value_empty"]),
    ("\u00a0\u00a0\u00a0\u00a0\u00a0", ["value_empty"]),
    ("\u2028", ["value_empty"]),
    ("Ana\u2028Lima", ["parameter_whitespace"]),
    ("   ", ["value_empty"]),
    ("Ana\nMaria", ["parameter_whitespace"]),
    ("Ana\rMaria", ["parameter_whitespace"]),
    ("Ana\tMaria", ["parameter_whitespace"]),
    ("Ana     Maria", ["parameter_whitespace"]),
    ("Ana\x00", ["control_character"]),
    ("Ana\n\x07", ["parameter_whitespace", "control_character"]),
    ("Ana\ud800", ["control_character"]),
]


@pytest.mark.parametrize(("text", "codes"), BAD_TEXTS)
def test_a_variable_holds_one_clean_visible_line(text: str, codes: list[str]) -> None:
    assert listed(a_template(), values({"1": text, "2": "A-1042"})) == [("/variables/1", code) for code in codes]


def test_missing_and_surplus_variables_are_all_named() -> None:
    found = listed(a_template(), values({"1": "Ana", "3": "x", "a/b": "y"}))

    assert found == [
        ("/variables/2", "variable_missing"),
        ("/variables/3", "variable_unexpected"),
        ("/variables/a~1b", "variable_unexpected"),
    ]


def test_positional_values_do_not_fit_a_named_template() -> None:
    assert listed(NAMED, values()) == [
        ("/variables/first_name", "variable_missing"),
        ("/variables/order_number", "variable_missing"),
        ("/variables/1", "variable_unexpected"),
        ("/variables/2", "variable_unexpected"),
    ]


def test_thousands_of_surplus_variables_are_one_violation() -> None:
    surplus = {f"x{number}": "y" for number in range(5_000)}

    assert listed(a_template(), values(BOTH | surplus)) == [("/variables", "variable_unexpected")]


def test_twenty_surplus_variables_are_named_one_by_one_with_those_that_are_wanted() -> None:
    surplus = {f"x{number}": "y" for number in range(20)}

    found = send_violations(a_template(), values(BOTH | surplus))

    assert len(found) == 20
    assert all("no such variable, but: 1, 2." in violation.detail for violation in found)
    [of_fixed_text] = send_violations(a_template(components=components(body="Hi.", examples={})), values({"1": "y"}))
    assert "no such variable, but: none at all." in of_fixed_text.detail


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        # "Hello , your order A-1042 has shipped today." has 44 characters.
        ("a" * 980, []),
        ("a" * 981, [("/variables", "template_text_too_long")]),
        ("😀" * 490, []),
        ("😀" * 491, [("/variables", "template_text_too_long")]),
        ("a" * 1025, [("/variables/1", "value_too_long"), ("/variables", "template_text_too_long")]),
    ],
)
def test_the_filled_body_has_at_most_1024_utf16_units(text: str, codes: list[tuple[str, str]]) -> None:
    assert listed(a_template(), values({"1": text, "2": "A-1042"})) == codes


def test_a_repeated_placeholder_counts_each_time() -> None:
    template = a_template(components=components(body="{{1}} and once more {{1}}"))

    assert listed(template, values({"1": "a" * 504})) == []
    assert listed(template, values({"1": "a" * 505})) == [("/variables", "template_text_too_long")]


def test_a_code_has_at_most_15_characters() -> None:
    assert listed(CODE, values({"1": "1" * 16})) == [("/variables/1", "value_too_long")]


# --- header ---------------------------------------------------------------------------------------------------------

TEXT_HEADER = with_header(HeaderFormat.TEXT, "Order {{1}}")


@pytest.mark.parametrize(
    ("template", "header", "expected"),
    [
        (a_template(), IMAGE, [("/header", "header_unexpected")]),
        (with_header(HeaderFormat.TEXT, "Your order"), HeaderText(text="x"), [("/header", "header_unexpected")]),
        (TEXT_HEADER, None, [("/header", "header_missing")]),
        (with_header(HeaderFormat.IMAGE), None, [("/header", "header_missing")]),
        (with_header(HeaderFormat.IMAGE), HeaderText(text="x"), [("/header", "header_mismatch")]),
        (with_header(HeaderFormat.IMAGE), HeaderVideo(media_id="1"), [("/header", "header_mismatch")]),
        (TEXT_HEADER, IMAGE, [("/header", "header_mismatch")]),
        (with_header(HeaderFormat.IMAGE), HeaderImage(), [("/header", "media_source_invalid")]),
        (
            with_header(HeaderFormat.IMAGE),
            HeaderImage(link="https://example.com/a.jpg", media_id="1"),
            [("/header", "media_source_invalid")],
        ),
        (
            with_header(HeaderFormat.IMAGE),
            HeaderImage(link="http://example.com/a.jpg"),
            [("/header/link", "link_invalid")],
        ),
        (
            with_header(HeaderFormat.DOCUMENT),
            HeaderDocument(link="https://example.com/a.pdf", filename="../a.pdf"),
            [("/header/filename", "filename_invalid")],
        ),
        # "Order " has 6 of the 60 characters.
        (TEXT_HEADER, HeaderText(text="a" * 54), []),
        (TEXT_HEADER, HeaderText(text="a" * 55), [("/header/text", "template_text_too_long")]),
        (TEXT_HEADER, HeaderText(text="😀" * 28), [("/header/text", "template_text_too_long")]),
    ],
)
def test_the_header_fits_the_templates_own(
    template: Template, header: HeaderValue | None, expected: list[tuple[str, str]]
) -> None:
    assert listed(template, values(header=header)) == expected


@pytest.mark.parametrize(("text", "codes"), BAD_TEXTS)
def test_the_rules_for_parameters_hold_in_the_header_too(text: str, codes: list[str]) -> None:
    assert listed(TEXT_HEADER, values(header=HeaderText(text=text))) == [("/header/text", code) for code in codes]


# --- buttons --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("buttons", "expected"),
    [
        ((), [("/buttons", "button_missing")]),
        ((STOP,), [("/buttons", "button_missing")]),
        ((TRACK, TRACK), [("/buttons/1", "button_duplicate")]),
        ((TRACK, UrlButton(index=2, text="x")), [("/buttons/1", "button_unexpected")]),
        ((TRACK, UrlButton(index=-1, text="x")), [("/buttons/1", "button_unexpected")]),
        ((TRACK, UrlButton(index=1, text="x")), [("/buttons/1", "button_mismatch")]),
        ((QuickReplyButton(index=0, payload="x"),), [("/buttons/0", "button_mismatch")]),
        ((STOP, UrlButton(index=0, text="")), [("/buttons/1/text", "value_empty")]),
        ((UrlButton(index=0, text="a%20b?c=d&e=%C3%A4#f"),), []),
        ((UrlButton(index=0, text="Order 7: März"),), []),
        # "https://northwind.example/t/" has 28 characters.
        ((UrlButton(index=0, text="a" * 1972),), []),
        ((UrlButton(index=0, text="a" * 1973),), [("/buttons/0/text", "template_text_too_long")]),
        # A letter outside ASCII takes six characters of the URL: %C3%A4.
        ((UrlButton(index=0, text="ä" * 328),), []),
        ((UrlButton(index=0, text="ä" * 329),), [("/buttons/0/text", "template_text_too_long")]),
        ((UrlButton(index=0, text="a" * 2001),), [("/buttons/0/text", "value_too_long")]),
        ((TRACK, QuickReplyButton(index=1, payload="p" * 128)), []),
        ((TRACK, QuickReplyButton(index=1, payload="p" * 129)), [("/buttons/1/payload", "value_too_long")]),
    ],
)
def test_button_values_fit_the_templates_buttons(
    buttons: tuple[ButtonValue, ...], expected: list[tuple[str, str]]
) -> None:
    assert listed(RICH, values(header=IMAGE, buttons=buttons)) == expected


@pytest.mark.parametrize(("text", "codes"), BAD_TEXTS)
def test_the_rules_for_parameters_hold_in_buttons_too(text: str, codes: list[str]) -> None:
    suffix = values(header=IMAGE, buttons=(UrlButton(index=0, text=text),))
    payload = values(header=IMAGE, buttons=(TRACK, QuickReplyButton(index=1, payload=text)))

    assert listed(RICH, suffix) == [("/buttons/0/text", code) for code in codes]
    assert listed(RICH, payload) == [("/buttons/1/payload", code) for code in codes]


@pytest.mark.parametrize(
    "button",
    [
        Button(kind=ButtonKind.PHONE_NUMBER, text="Call", phone_number="+15550051310"),
        Button(kind=ButtonKind.URL, text="Shop", url="https://northwind.example"),
    ],
)
def test_a_button_without_a_variable_takes_no_value(button: Button) -> None:
    found = listed(with_buttons(button), values(buttons=(UrlButton(index=0, text="x"),)))

    assert found == [("/buttons/0", "button_unexpected")]


def test_values_for_a_template_without_buttons_are_refused_however_many() -> None:
    few = tuple(UrlButton(index=index, text="x") for index in range(2))
    many = tuple(UrlButton(index=index, text="x") for index in range(500))

    assert listed(a_template(), values(buttons=few)) == [
        ("/buttons/0", "button_unexpected"),
        ("/buttons/1", "button_unexpected"),
    ]
    assert listed(a_template(), values(buttons=many)) == [("/buttons", "button_unexpected")]


def test_the_code_is_the_same_in_body_and_button() -> None:
    other = values({"1": "482913"}, buttons=(UrlButton(index=0, text="111111"),))

    assert listed(CODE, other) == [("/buttons/0/text", "button_mismatch")]


# Meta lists its own authentication templates with a URL button whose URL ends in the code.
LISTED_CODE = a_template(
    category=TemplateCategory.AUTHENTICATION,
    components=components(
        body="*{{1}}* is your verification code. For your security, do not share it.",
        examples={},
        buttons=(Button(kind=ButtonKind.URL, text="Copy", url="https://www.whatsapp.com/otp/code/?code=otp{{1}}"),),
    ),
)


@pytest.mark.parametrize("template", [CODE, LISTED_CODE])
def test_an_authentication_templates_button_is_filled_with_the_code(template: Template) -> None:
    parameters = values({"1": "482913"})

    assert send_violations(template, parameters) == ()
    assert filled_buttons(template, parameters) == (UrlButton(index=0, text="482913"),)


def test_other_templates_buttons_are_filled_as_given_and_in_order() -> None:
    assert filled_buttons(RICH, values(buttons=(STOP, TRACK))) == (TRACK, STOP)
    assert filled_buttons(RICH, values()) == ()


# --- all at once ----------------------------------------------------------------------------------------------------


def test_every_violation_is_listed_at_once() -> None:
    template = a_template(status=TemplateStatus.PAUSED, components=rich_components())
    parameters = values({"1": "Ana\nMaria", "9": "x"}, header=HeaderText(text="x"), buttons=(STOP, STOP))

    assert listed(template, parameters) == [
        ("/name", "template_not_sendable"),
        ("/variables/1", "parameter_whitespace"),
        ("/variables/2", "variable_missing"),
        ("/variables/9", "variable_unexpected"),
        ("/header", "header_mismatch"),
        ("/buttons/1", "button_duplicate"),
        ("/buttons", "button_missing"),
    ]


TEXTS = st.text(max_size=30) | st.sampled_from(["Ana", "", "a\nb", "a" * 1100])
ANY_PARAMETERS = st.builds(
    TemplateParameters,
    variables=st.dictionaries(st.sampled_from(["1", "2", "3"]) | st.text(max_size=5), TEXTS, max_size=4),
    header=st.none()
    | st.builds(HeaderText, text=TEXTS)
    | st.builds(HeaderImage, link=st.none() | TEXTS, media_id=st.none() | TEXTS)
    | st.builds(HeaderDocument, link=st.none() | TEXTS, filename=st.none() | TEXTS),
    buttons=st.lists(
        st.builds(UrlButton, index=st.integers(-1, 3), text=TEXTS)
        | st.builds(QuickReplyButton, index=st.integers(-1, 3), payload=TEXTS),
        max_size=4,
    ).map(tuple),
)


@given(parameters=ANY_PARAMETERS, template=st.sampled_from([a_template(), RICH, NAMED, CODE, TEXT_HEADER]))
def test_whatever_passes_is_something_the_provider_takes(parameters: TemplateParameters, template: Template) -> None:
    violations = send_violations(template, parameters)

    assert all(violation.pointer.startswith("/") and violation.detail for violation in violations)
    if not violations:
        body = preview(template, parameters)
        assert "{{" not in body
        assert len(body.encode("utf-16-le")) // 2 <= 1024
        assert not any(char in str(value) for value in parameters.variables.values() for char in "\n\r\t\x00")


def test_a_refusal_never_quotes_a_value() -> None:
    secret = "s3cret\n"
    parameters = values({"1": secret, "2": secret * 500, "3": secret}, HeaderImage(link=secret), (TRACK, TRACK))

    assert all("s3cret" not in violation.detail for violation in send_violations(RICH, parameters))


def test_a_payload_has_at_most_128_characters_of_any_script() -> None:
    for letter in ("a", "ä"):
        for length, codes in ((128, []), (129, [("/buttons/1/payload", "value_too_long")])):
            stop = QuickReplyButton(index=1, payload=letter * length)
            assert listed(RICH, values(header=IMAGE, buttons=(TRACK, stop))) == codes


def test_twenty_button_values_are_judged_one_by_one() -> None:
    twenty = tuple(QuickReplyButton(index=number, payload="x") for number in range(2, 22))

    found = listed(RICH, values(header=IMAGE, buttons=twenty))

    assert found == [(f"/buttons/{at}", "button_unexpected") for at in range(20)] + [("/buttons", "button_missing")]


def test_a_template_that_a_provider_reviews_takes_texts_only() -> None:
    parameters = TemplateParameters(variables={"1": "Ana", "2": 1042})

    assert [(it.pointer, it.code) for it in send_violations(a_template(), parameters)] == [
        ("/variables/2", "variable_type")
    ]
