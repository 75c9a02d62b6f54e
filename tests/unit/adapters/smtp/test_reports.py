"""Mail that comes back: reports of delivery, complaints, automatic answers, and anything else."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.adapters.providers.smtp.bounces.reports import (
    Action,
    AutoReply,
    Complaint,
    DeliveryReport,
    OtherMail,
    RecipientReport,
    read_mail,
)

POSTFIX = b"""\
Return-Path: <>
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
To: bounce@bounces.example.com
Subject: Undelivered Mail Returned to Sender
Date: Mon, 4 May 2026 14:00:03 +0200
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B1"

This is a MIME-encapsulated message.

--B1
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--B1
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: 4F0
Arrival-Date: Mon,  4 May 2026 14:00:01 +0200 (CEST)

Final-Recipient: rfc822; nobody@example.org
Original-Recipient: rfc822;nobody@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 <nobody@example.org>: Recipient address
    rejected: User unknown

--B1
Content-Type: message/rfc822

From: shop@example.com
Message-ID: <v1.a.1.b@example.com>
Subject: Your order
Auto-Submitted: no

Hello
--B1--
"""


def test_a_delivery_report_tells_action_status_and_the_servers_words() -> None:
    read = read_mail(POSTFIX, return_path="<>")

    assert read == DeliveryReport(
        recipients=(
            RecipientReport(
                action=Action.FAILED,
                status="5.1.1",
                diagnostic="550 5.1.1 <nobody@example.org>: Recipient address rejected: User unknown",
            ),
        ),
        at=datetime(2026, 5, 4, 12, 0, 3, tzinfo=UTC),
        message_id="<v1.a.1.b@example.com>",
    )


def test_line_ends_make_no_difference() -> None:
    with_crlf = POSTFIX.replace(b"\n", b"\r\n")

    assert read_mail(with_crlf, return_path="<>") == read_mail(POSTFIX, return_path="<>")


def test_a_report_in_base64_is_read_too() -> None:
    fields = b"Reporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822; x@y.z\r\nAction: Failed\r\nStatus: 5.2.2\r\n"
    mail = (
        b"Content-Type: multipart/report; boundary=B\r\n\r\n--B\r\nContent-Type: message/delivery-status\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(fields) + b"\r\n--B--\r\n"
    )

    read = read_mail(mail, return_path="<>")

    assert isinstance(read, DeliveryReport)
    assert [(it.action, it.status) for it in read.recipients] == [(Action.FAILED, "5.2.2")]


def test_a_delay_is_not_a_failure() -> None:
    mail = POSTFIX.replace(b"Action: failed", b"Action: delayed").replace(b"Status: 5.1.1", b"Status: 4.4.1")

    read = read_mail(mail, return_path="<>")

    assert isinstance(read, DeliveryReport)
    assert read.recipients[0].action is Action.DELAYED


def test_an_unknown_action_is_left_out() -> None:
    read = read_mail(POSTFIX.replace(b"Action: failed", b"Action: evaporated"), return_path="<>")

    assert isinstance(read, DeliveryReport)
    assert read.recipients == ()


ARF = b"""\
From: <feedback@example.net>
Date: Mon, 4 May 2026 12:00:00 +0000
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

This is an email abuse report.
--B
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
--B
Content-Type: message/rfc822

Subject: Your order
--B--
"""


def test_a_complaint_is_known_by_its_feedback_type() -> None:
    read = read_mail(ARF, return_path="<feedback@example.net>")

    assert isinstance(read, Complaint)
    assert read.feedback == "abuse"


@pytest.mark.parametrize(
    "header", [b"Auto-Submitted: auto-replied", b"Auto-Submitted: auto-generated; owner=x", b"X-Autoreply: yes"]
)
def test_an_automatic_answer_is_no_report(header: bytes) -> None:
    read = read_mail(header + b"\nSubject: Away\n\nI am away.\n", return_path="<ana@example.org>")

    assert isinstance(read, AutoReply)


def test_a_persons_answer_and_a_failure_in_words_are_told_apart_by_their_sender() -> None:
    assert read_mail(b"Subject: hi\n\nthanks", return_path="<ana@example.org>") == OtherMail(by_server=False, at=None)
    assert read_mail(b"Subject: failure\n\nno", return_path="<>") == OtherMail(by_server=True, at=None)


def test_a_report_that_is_enclosed_in_another_mail_is_not_about_this_one() -> None:
    outer = (
        b'Content-Type: multipart/mixed; boundary="O"\n\n--O\nContent-Type: message/rfc822\n\n' + POSTFIX + b"\n--O--\n"
    )

    assert isinstance(read_mail(outer, return_path="<ana@example.org>"), OtherMail)


@given(junk=st.binary(max_size=400), at=st.integers(min_value=0, max_value=len(POSTFIX)))
def test_any_bytes_can_be_read(junk: bytes, at: int) -> None:
    read_mail(junk, return_path="<>")
    read = read_mail(POSTFIX[:at] + junk + POSTFIX[at:], return_path="<>")

    if isinstance(read, DeliveryReport):
        for it in read.recipients:
            it.diagnostic.encode()
