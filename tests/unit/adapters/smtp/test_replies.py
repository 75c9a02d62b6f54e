"""Replies of mail servers, and what becomes of the message: the rows of the table that people know by heart."""

import pytest

from messaging.adapters.http.client import Withheld
from messaging.adapters.providers.smtp.wire.exchange import Accepted, Lost, Refused, Unfit
from messaging.adapters.providers.smtp.wire.replies import TABLE, Kind, Reply, Stage, find
from messaging.adapters.providers.smtp.wire.verdicts import judge, without_addresses
from messaging.application.ports.providers.sending import NotStarted
from messaging.domain.messages.retry import (
    Rejected,
    Scope,
    SendResult,
    Sent,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
)

ID = "<v1.x.1.y@example.com>"


def refused(code: int, text: str, stage: Stage = Stage.RCPT) -> SendResult:
    judged = judge(Refused(stage=stage, reply=Reply(code=code, text=text)), ID)
    assert not isinstance(judged, NotStarted)
    return judged


@pytest.mark.parametrize(
    ("code", "text", "stage", "kind", "scope"),
    [
        (421, "4.3.2 Service shutting down", Stage.MAIL, Unavailable, Scope.ACCOUNT),
        (421, "4.7.0 Try again later", Stage.DOT, Throttled, Scope.SENDER),
        (450, "4.2.1 Mailbox busy", Stage.RCPT, Unavailable, Scope.RECIPIENT),
        (450, "4.7.28 Unusual rate of unsolicited mail", Stage.DOT, Throttled, Scope.RECIPIENT),
        (451, "4.7.1 Greylisting in action", Stage.RCPT, Unavailable, Scope.RECIPIENT),
        (452, "4.2.2 Mailbox full", Stage.RCPT, Unavailable, Scope.RECIPIENT),
        (452, "4.3.1 Insufficient system storage", Stage.DOT, Unavailable, Scope.ACCOUNT),
        (454, "Throttling failure: Maximum sending rate exceeded.", Stage.DOT, Throttled, Scope.SENDER),
        (454, "Throttling failure: Daily message quota exceeded.", Stage.DOT, Throttled, Scope.ACCOUNT),
        (454, "4.7.0 Temporary authentication failure", Stage.LOGIN, Unavailable, Scope.ACCOUNT),
        (530, "5.7.0 Must issue a STARTTLS command first", Stage.MAIL, Unavailable, Scope.CREDENTIAL),
        (535, "5.7.8 Authentication credentials invalid", Stage.LOGIN, Unavailable, Scope.CREDENTIAL),
        (535, "authentication failed", Stage.LOGIN, Unavailable, Scope.CREDENTIAL),
        (
            550,
            "5.7.60 SMTP; Client does not have permissions to send as this sender",
            Stage.DOT,
            Rejected,
            Scope.SENDER,
        ),
        (554, "5.7.1 <a@b.c>: Relay access denied", Stage.RCPT, Rejected, Scope.ACCOUNT),
        (550, "5.1.1 user unknown", Stage.RCPT, Rejected, Scope.RECIPIENT),
        (550, "5.1.10 null MX", Stage.RCPT, Rejected, Scope.RECIPIENT),
        (556, "domain does not accept mail", Stage.RCPT, Rejected, Scope.RECIPIENT),
        (550, "5.2.1 disabled", Stage.RCPT, Rejected, Scope.RECIPIENT),
        (550, "no such user", Stage.RCPT, Rejected, Scope.RECIPIENT),
        (552, "5.2.2 over quota", Stage.RCPT, Rejected, Scope.RECIPIENT),
        (552, "5.3.4 message too big", Stage.DOT, Rejected, Scope.MESSAGE),
        (552, "too large", Stage.DOT, Rejected, Scope.MESSAGE),
        (554, "5.6.1 media not supported", Stage.DOT, Rejected, Scope.MESSAGE),
        (550, "5.7.26 This mail is unauthenticated", Stage.DOT, Rejected, Scope.SENDER),
        (550, "5.7.515 Access denied", Stage.DOT, Rejected, Scope.SENDER),
        (554, "5.7.1 Blocked", Stage.DOT, Rejected, Scope.SENDER),
        (553, "sender not allowed", Stage.MAIL, Rejected, Scope.SENDER),
        (554, "transaction failed", Stage.DOT, Rejected, Scope.MESSAGE),
        (554, "No SMTP service here", Stage.CONNECT, Unavailable, Scope.ACCOUNT),
        (354, "Go ahead", Stage.RCPT, Unavailable, Scope.RECIPIENT),
    ],
)
def test_a_reply_says_who_is_at_fault_and_whether_a_later_try_helps(
    code: int, text: str, stage: Stage, kind: type, scope: Scope
) -> None:
    result = refused(code, text, stage)

    assert isinstance(result, kind)
    assert not isinstance(result, Sent | Uncertain | Unreachable)
    assert result.scope is scope


def test_the_class_of_an_enhanced_code_overrides_that_of_the_basic_one() -> None:
    for_now = refused(550, "4.2.0 Not now")
    for_good = refused(450, "5.1.1 Never")

    assert isinstance(for_now, Unavailable)
    assert isinstance(for_good, Rejected)


def test_a_greylisted_message_is_tried_after_five_minutes_at_the_earliest() -> None:
    result = refused(451, "4.7.1 Greylisted")

    assert isinstance(result, Unavailable)
    assert result.retry_after is not None
    assert result.retry_after.total_seconds() >= 300


def test_the_code_is_the_servers_and_its_words_hold_no_address() -> None:
    result = refused(550, "5.1.1 <ana@example.com>: no such user +1 415 555 0100")

    assert isinstance(result, Rejected)
    assert result.code == "5.1.1"
    assert "ana@" not in result.reason
    assert "555" not in result.reason
    assert "no such user" in result.reason


def test_every_refusal_finds_a_line() -> None:
    for code in range(400, 600):
        for stage in Stage:
            line = find(Reply(code=code, text="whatever"), stage)
            assert (line.kind is Kind.REFUSED) <= (code >= 500)


def test_every_line_of_the_table_can_be_found() -> None:
    """A line that an earlier one hides would be dead."""
    found = set()
    texts = ("", "greylisted", "daily quota limit", "rate limit", "relay access denied", "mailbox full")
    statuses = {begin for line in TABLE for begin in line.enhanced} | {"4.9.9", "5.9.9"}
    for code in (421, 450, 451, 454, 500, 521, 530, 535, 550, 552, 554, 556):
        for status in ("", *(f"{it}.0" if it.count(".") == 1 else it for it in statuses if it != "4")):
            for text in texts:
                for stage in Stage:
                    found.add(find(Reply(code=code, text=f"{status} {text}".strip()), stage))

    assert [line.title for line in TABLE if line not in found] == []


def test_only_a_silence_after_the_final_dot_is_unclear() -> None:
    for stage in Stage:
        result = judge(Lost(stage=stage, reason="reset"), ID)
        assert isinstance(result, Uncertain if stage is Stage.DOT else Unreachable)


def test_a_message_that_was_taken_has_our_message_id() -> None:
    assert judge(Accepted(reply=Reply(code=250)), ID) == Sent(provider_message_id=ID)


def test_what_was_not_started_is_not_a_failure() -> None:
    assert judge(Withheld(), ID) == NotStarted()


def test_a_server_that_lacks_what_the_account_asks_for_stops_the_account_and_not_the_message() -> None:
    of_account = judge(Unfit(code="starttls_not_offered", reason="…", of_account=True), ID)
    of_message = judge(Unfit(code="message_too_large", reason="…"), ID)

    assert isinstance(of_account, Unavailable)
    assert of_account.scope is Scope.ACCOUNT
    assert isinstance(of_message, Rejected)


def test_explanations_are_one_bounded_line() -> None:
    assert without_addresses("no\r\nsuch   user") == "no such user"
    assert len(without_addresses("x" * 10_000)) == 300
