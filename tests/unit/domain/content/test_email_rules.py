"""What a mail may say: nothing begins a header of its own, nothing runs, and nothing is larger than can be sent."""

from typing import Any

import msgspec
import pytest

from messaging.domain.channels.address import Channel
from messaging.domain.channels.table import CHANNELS
from messaging.domain.content.content import Content, is_free_form, summary
from messaging.domain.content.email import Attachment, Email
from messaging.domain.content.email_rules import MAX_ATTACHED, MAX_HTML, MAX_SUBJECT, MAX_TEXT


def a_mail(**changes: Any) -> Email:
    fields: dict[str, Any] = {"subject": "Your invoice", "text": "See the file."}
    return Email(**(fields | changes))


def a_file(**changes: Any) -> Attachment:
    fields: dict[str, Any] = {"filename": "invoice.pdf", "content_type": "application/pdf", "content": b"%PDF"}
    return Attachment(**(fields | changes))


def found(**changes: Any) -> list[tuple[str, str]]:
    violations = CHANNELS[Channel.EMAIL].content_violations(a_mail(**changes))
    return [(violation.pointer, violation.code) for violation in violations]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"subject": "Ihre Rechnung für März 😀"},
        {"subject": "s" * MAX_SUBJECT, "text": "t" * MAX_TEXT, "html": "h" * MAX_HTML},
        {"text": None, "html": "<p>See the file.</p>"},
        {"reply_to": "orders@example.com"},
        {"reply_to": "Orders <orders@bücher.example>"},
        {"headers": {"List-Unsubscribe": "<https://shop.example.com/u/8f2c>", "X-Campaign": "spring"}},
        {"attachments": (a_file(),) * 10},
        {"attachments": (a_file(content=b"x" * MAX_ATTACHED),)},
    ],
)
def test_ordinary_mails_are_accepted(changes: dict[str, Any]) -> None:
    assert found(**changes) == []


@pytest.mark.parametrize("inserted", ["\r\nBcc: eve@example.com", "\n", "\r", "\x00", "\x1b", "\x85", "\u2028"])
@pytest.mark.parametrize(
    ("place", "pointer", "code"),
    [
        ("subject", "/subject", "header_injection"),
        ("reply_to", "/reply_to", "header_injection"),
        ("header value", "/headers/X-Order", "header_injection"),
        ("header name", "/headers", "header_injection"),
        ("filename", "/attachments/0/filename", "filename_invalid"),
        ("content_type", "/attachments/0/content_type", "attachment_invalid"),
    ],
)
def test_nothing_that_becomes_part_of_a_header_can_begin_another(
    place: str, pointer: str, code: str, inserted: str
) -> None:
    changes: dict[str, dict[str, Any]] = {
        "subject": {"subject": f"Hello{inserted}"},
        "reply_to": {"reply_to": f"Orders{inserted} <orders@example.com>"},
        "header value": {"headers": {"X-Order": f"1{inserted}"}},
        "header name": {"headers": {f"X-Order{inserted}": "1"}},
        "filename": {"attachments": (a_file(filename=f"a.pdf{inserted}"),)},
        "content_type": {"attachments": (a_file(content_type=f"application/pdf{inserted}"),)},
    }

    assert found(**changes[place]) == [(pointer, code)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"subject": " ", "text": None}, [("/subject", "value_empty"), ("/text", "value_empty")]),
        ({"subject": "s" * (MAX_SUBJECT + 1)}, [("/subject", "value_too_long")]),
        ({"text": "t" * (MAX_TEXT + 1)}, [("/text", "value_too_long")]),
        ({"html": "h" * (MAX_HTML + 1)}, [("/html", "value_too_long")]),
        ({"html": "<p>Hello <script>alert(1)</script></p>"}, [("/html", "html_unsafe")]),
        ({"reply_to": "+14155550100"}, [("/reply_to", "mailbox_invalid")]),
        ({"reply_to": 'The "Shop" <orders@example.com>'}, [("/reply_to", "mailbox_invalid")]),
        ({"attachments": (a_file(),) * 11}, [("/attachments", "attachment_invalid")]),
        ({"attachments": (a_file(filename="../a.pdf"),)}, [("/attachments/0/filename", "filename_invalid")]),
        ({"attachments": (a_file(content=b""),)}, [("/attachments/0/content", "value_empty")]),
        *(
            (
                {"attachments": (a_file(), a_file(content_type=kind))},
                [("/attachments/1/content_type", "attachment_invalid")],
            )
            for kind in ("pdf", "text/html; charset=utf-8", "multipart/mixed", "MESSAGE/rfc822", "a/b/c", "")
        ),
    ],
)
def test_everything_wrong_with_a_mail_is_listed(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(**changes) == expected


def test_files_that_are_too_large_together_are_refused_with_the_limit() -> None:
    half = a_file(content=b"x" * (MAX_ATTACHED // 2 + 1))

    [violation] = CHANNELS[Channel.EMAIL].content_violations(a_mail(attachments=(half, half)))

    assert (violation.pointer, violation.code) == ("/attachments", "attachment_invalid")
    assert "at most 524_288 are sent" in violation.detail


@pytest.mark.parametrize(
    "name",
    [
        *(
            "From",
            "to",
            "BCC",
            "Subject",
            "Message-ID",
            "Return-Path",
            "Content-Type",
            "MIME-Version",
            "DKIM-Signature",
        ),
        # By these, relays add recipients, choose templates or switch filters off.
        *("X-SMTPAPI", "x-ses-configuration-set", "X-Mailgun-Variables", "X-PM-Tag", "X-MS-Exchange-Organization-SCL"),
        *("Return-Receipt-To", "X_Order", "X-Ordér", "X-" + "a" * 75, "", " X-Order", "X-Order:"),
    ],
)
def test_headers_that_are_the_platforms_or_order_relays_about_cannot_be_set(name: str) -> None:
    assert [code for _, code in found(headers={name: "1"})] == ["mail_header_invalid"]


@pytest.mark.parametrize("value", ["", "a" * 901, "März"])
def test_a_headers_value_is_short_printable_ascii(value: str) -> None:
    assert found(headers={"X-Order": value}) == [("/headers/X-Order", "mail_header_invalid")]


def test_headers_are_few_and_each_is_given_once() -> None:
    assert found(headers={f"X-{number}": "1" for number in range(21)}) == [("/headers", "mail_header_invalid")]
    assert found(headers={"X-Order": "1", "x-order": "2"}) == [("/headers/x-order", "mail_header_invalid")]


def test_a_mail_is_free_form_and_its_summary_tells_no_value() -> None:
    assert is_free_form(a_mail())
    assert summary(a_mail(subject="s3cret")) == "email"


def test_a_file_is_base64_in_json_and_plain_bytes_where_it_is_stored() -> None:
    mail: Content = a_mail(attachments=(a_file(content=b"\x00\xff"),))
    written = msgspec.json.encode(mail)

    assert b'"content":"AP8="' in written
    assert msgspec.json.decode(written, type=Content) == mail
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(mail), type=Content) == mail
