"""The bytes of a mail: headers, text and HTML, attachments, and nothing that a header's value could smuggle in."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from messaging.adapters.providers.smtp.header_lines import HeaderRefused
from messaging.adapters.providers.smtp.mime import message_id, render
from messaging.domain.content.email import Attachment, Email

REFERENCE = "v1.01jt.1.abcd2345"


def rendered(email: Email, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "sender": "orders@shop.example",
        "sender_name": "",
        "recipient": "ana@example.com",
        "reference": REFERENCE,
        "at": datetime(2026, 5, 4, 12, 0, tzinfo=UTC),
    }
    return render(email, **(fields | changes))


def read(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=policy.default)


def test_a_mail_says_who_sends_it_when_and_which_it_is() -> None:
    mail = read(rendered(Email(subject="Your order", text="Shipped.", reply_to="Help <help@shop.example>")))

    assert {name: mail[name] for name in ("From", "To", "Subject", "Date", "Message-ID", "Reply-To")} == {
        "From": "orders@shop.example",
        "To": "ana@example.com",
        "Subject": "Your order",
        "Date": "Mon, 04 May 2026 12:00:00 +0000",
        "Message-ID": f"<{REFERENCE}@shop.example>",
        "Reply-To": "Help <help@shop.example>",
    }


def test_names_and_subjects_in_any_script_are_written_in_ascii() -> None:
    content = rendered(Email(subject="Ihre Bestellung für Ünal 🎉", text="Grüße"), sender_name="Bücher & Söhne, GmbH")

    mail = read(content)
    assert content.isascii()
    assert mail["Subject"] == "Ihre Bestellung für Ünal 🎉"
    assert mail["From"].addresses[0].display_name == "Bücher & Söhne, GmbH"
    assert mail["From"].addresses[0].addr_spec == "orders@shop.example"
    assert mail.get_content() == "Grüße\r\n"


def test_html_is_the_alternative_of_the_text() -> None:
    mail = read(rendered(Email(subject="x", text="plain", html="<p>rich</p>")))

    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def test_html_alone_needs_no_text() -> None:
    assert read(rendered(Email(subject="x", html="<p>rich</p>"))).get_content_type() == "text/html"


def test_files_travel_behind_the_text_with_their_names() -> None:
    pdf = Attachment(filename="Rechnung Ä.pdf", content_type="application/pdf", content=b"%PDF\x00\xff")
    note = Attachment(filename="note.txt", content_type="text/plain", content=b"a\r\nb")

    mail = read(rendered(Email(subject="x", text="see files", attachments=(pdf, note))))

    assert mail.get_content_type() == "multipart/mixed"
    files = list(mail.iter_attachments())
    assert [(it.get_filename(), it.get_content_type()) for it in files] == [
        ("Rechnung Ä.pdf", "application/pdf"),
        ("note.txt", "text/plain"),
    ]
    assert [it.get_payload(decode=True) for it in files] == [b"%PDF\x00\xff", b"a\r\nb"]


def test_further_headers_are_written_as_given() -> None:
    headers = {"List-Unsubscribe": "<https://shop.example/u/1>", "X-Order": "A-1042"}

    mail = read(rendered(Email(subject="x", text="x", headers=headers)))

    assert {name: mail[name] for name in headers} == headers


@pytest.mark.parametrize("name", ["From", "to", "Bcc", "Message-ID", "Content-Type", "Return-Path", "DKIM-Signature"])
def test_headers_of_the_platform_cannot_be_replaced(name: str) -> None:
    with pytest.raises(HeaderRefused):
        rendered(Email(subject="x", text="x", headers={name: "eve@example.com"}))


@pytest.mark.parametrize("evil", ["x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com", "x\rBcc: eve", "x\x00y"])
def test_a_line_break_in_a_header_is_refused(evil: str) -> None:
    attached = Attachment(filename=evil, content_type="text/plain", content=b"x")
    makes: list[Callable[[], bytes]] = [
        lambda: rendered(Email(subject=evil, text="x")),
        lambda: rendered(Email(subject="x", text="x"), sender_name=evil),
        lambda: rendered(Email(subject="x", text="x", reply_to=evil)),
        lambda: rendered(Email(subject="x", text="x", headers={"X-A": evil})),
        lambda: rendered(Email(subject="x", text="x", headers={f"X-A{evil}": "1"})),
        lambda: rendered(Email(subject="x", text="x", attachments=(attached,))),
    ]
    for make in makes:
        with pytest.raises(HeaderRefused):
            make()


@given(subject=st.text(max_size=120), name=st.text(max_size=60), value=st.text(max_size=120))
def test_no_value_adds_a_header(subject: str, name: str, value: str) -> None:
    try:
        content = rendered(Email(subject=subject, text="x", headers={"X-Value": value}), sender_name=name)
    except HeaderRefused:
        return
    names = set(map(str.lower, message_from_bytes(content).keys()))
    assert names == {
        "from", "to", "subject", "date", "message-id", "x-value", "content-type", "content-transfer-encoding",
        "mime-version",
    }  # fmt: skip


@given(text=st.text(max_size=300), html=st.none() | st.text(max_size=300))
@example(text="x" * 2000, html=None)
@example(text="From me\n.\n=3D\t \nend ", html="<p>" + "ü" * 500)
def test_what_is_read_is_what_was_written(text: str, html: str | None) -> None:
    content = rendered(Email(subject="x", text=text, html=html))

    lines = content.split(b"\r\n")
    parts = [part for part in read(content).walk() if not part.is_multipart()]
    assert content.isascii()
    assert max(map(len, lines)) <= 78
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert [lines_of(part.get_content()) for part in parts] == [lines_of(it) for it in (text, html) if it is not None]


def lines_of(text: str) -> list[str]:
    """The lines, whatever ends them; the last line end makes no difference."""
    return re.sub(r"\r\n|\r", "\n", text).removesuffix("\n").split("\n")


@pytest.mark.parametrize("subject", ["", "a" * 200, "word " * 30 + "end", "ä" * 100, "tab\there"])
def test_a_subject_is_read_as_it_was_written(subject: str) -> None:
    assert read(rendered(Email(subject=subject, text="x")))["Subject"] == subject


def test_the_message_id_is_the_reference_under_the_senders_domain() -> None:
    assert message_id("v1.a.1.b", "orders@bücher.example") == "<v1.a.1.b@xn--bcher-kva.example>"
