"""Sends to a real mail server on loopback: what it is told, and what is certain about the message afterwards."""

import asyncio
import ssl
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from messaging.adapters.http.safe_egress.addresses import AddressRule
from messaging.adapters.providers.smtp.wire.conversation import Conversation, Manner
from messaging.adapters.providers.smtp.wire.egress import Egress
from messaging.adapters.providers.smtp.wire.pool import Pool, PoolTerms
from messaging.adapters.providers.smtp.wire.transaction import Envelope
from messaging.application.ports.providers.sending import NotStarted
from messaging.domain.channels.address import Phone
from messaging.domain.content.content import Text
from messaging.domain.content.email import Email
from messaging.domain.messages.retry import (
    Rejected,
    Scope,
    Sent,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
)
from messaging.entrypoints.sandbox.smtp.conversation import Plan
from messaging.entrypoints.sandbox.smtp.outcomes import Mode as Trouble
from messaging.entrypoints.sandbox.smtp.outcomes import outcome_for
from tests.integration.providers.smtp.mail_server import (
    REFERENCE,
    Permission,
    a_gateway,
    a_mail_server,
    credentials,
    outgoing,
    send,
)


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
async def test_a_message_is_handed_over_after_the_login(security: str, tmp_path: Path) -> None:
    permission = Permission()
    async with a_mail_server(security=security) as server, a_gateway(server, tmp_path) as gateway:
        result = await send(gateway, outgoing(credentials(server, security)), permission)

    (mail,) = server.taken
    message = message_from_bytes(mail.content, policy=policy.default)
    assert result == Sent(provider_message_id=f"<{REFERENCE}@shop.example>")
    assert permission.asked == 1
    assert (mail.sender, mail.recipient, mail.login) == ("orders@shop.example", "ana@example.com", "shop")
    assert message["From"] == "The Shop <orders@shop.example>"
    assert message["Message-ID"] == f"<{REFERENCE}@shop.example>"
    assert message.get_content().replace("\r\n", "\n") == "It has shipped.\n.\nBye\n"


async def test_mail_returns_to_an_address_that_names_the_message(tmp_path: Path) -> None:
    async with (
        a_mail_server() as server,
        a_gateway(server, tmp_path, return_domain="bounces.example.test") as gateway,
    ):
        await send(gateway, outgoing(credentials(server, "none")))
        await send(gateway, outgoing(credentials(server, "none", return_domain="mail.shop.example")))

    first, second = (mail.sender for mail in server.taken)
    assert first.endswith("@bounces.example.test")
    assert second == first.replace("bounces.example.test", "mail.shop.example")


async def test_nothing_is_sent_without_permission(tmp_path: Path) -> None:
    async with a_mail_server() as server, a_gateway(server, tmp_path) as gateway:
        result = await send(gateway, outgoing(credentials(server, "none")), Permission(allowed=False))
        await send(gateway, outgoing(credentials(server, "none")))

    assert result == NotStarted()
    assert len(server.taken) == 1


async def test_a_failure_to_ask_is_raised_and_nothing_is_sent(tmp_path: Path) -> None:
    async def broken() -> bool:
        raise TimeoutError("the database")

    async with a_mail_server() as server, a_gateway(server, tmp_path) as gateway:
        with pytest.raises(TimeoutError, match="the database"):
            await gateway.send(outgoing(credentials(server, "none")), may_start=broken)

    assert server.taken == []


@pytest.mark.parametrize(
    ("to", "kind", "code", "scope"),
    [
        ("unknown-user@example.com", Rejected, "5.1.1", Scope.RECIPIENT),
        ("policy@example.com", Rejected, "5.7.1", Scope.SENDER),
        ("too-large@example.com", Rejected, "5.3.4", Scope.MESSAGE),
        ("mailbox-full@example.com", Unavailable, "4.2.2", Scope.RECIPIENT),
        ("greylist@example.com", Unavailable, "4.7.1", Scope.RECIPIENT),
        ("no-login@example.com", Unavailable, "5.7.0", Scope.CREDENTIAL),
        ("rate@example.com", Throttled, "4.7.0", Scope.SENDER),
        ("throttled@example.com", Throttled, "4.7.0", Scope.SENDER),
        ("550-5.1.10@example.com", Rejected, "5.1.10", Scope.RECIPIENT),
    ],
)
async def test_a_refusal_is_certain(to: str, kind: type, code: str, scope: Scope, tmp_path: Path) -> None:
    async with a_mail_server() as server, a_gateway(server, tmp_path) as gateway:
        result = await send(gateway, outgoing(credentials(server, "none"), to))
        after = await send(gateway, outgoing(credentials(server, "none")))

    assert isinstance(result, kind)
    assert not isinstance(result, Sent | Uncertain | Unreachable | NotStarted)
    assert (result.code, result.scope) == (code, scope)
    assert isinstance(after, Sent)
    assert [mail.recipient for mail in server.taken] == ["ana@example.com"]


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
async def test_a_connection_lost_before_the_content_proves_that_nothing_was_taken(
    security: str, tmp_path: Path
) -> None:
    permission = Permission()
    async with a_mail_server(security=security) as server, a_gateway(server, tmp_path) as gateway:
        result = await send(gateway, outgoing(credentials(server, security), "lost-before@example.com"), permission)

    assert isinstance(result, Unreachable)
    assert permission.asked == 1
    assert server.taken == []


@pytest.mark.parametrize("to", ["lost-after@example.com", "garbled@example.com", "lost-in-content@example.com"])
async def test_a_silence_after_the_final_dot_is_unclear(to: str, tmp_path: Path) -> None:
    async with a_mail_server() as server, a_gateway(server, tmp_path) as gateway:
        result = await send(gateway, outgoing(credentials(server, "none"), to))

    assert isinstance(result, Uncertain)


async def test_a_server_that_never_answers_the_final_dot_is_unclear(tmp_path: Path) -> None:
    async with a_mail_server() as server, a_gateway(server, tmp_path, answer=0.2) as gateway:
        result = await send(gateway, outgoing(credentials(server, "none"), "hang-after@example.com"))

    assert isinstance(result, Uncertain)
    assert len(server.taken) == 1


async def test_a_kept_connection_that_is_over_is_replaced_before_anything_is_at_stake(tmp_path: Path) -> None:
    closing = Plan(outcome=outcome_for(""), mode=Trouble.LOST_AFTER)
    permission = Permission()
    async with a_mail_server() as server, a_gateway(server, tmp_path) as gateway:
        await send(gateway, outgoing(credentials(server, "none")))
        server.plans["bea@example.com"] = [closing]
        lost = await send(gateway, outgoing(credentials(server, "none"), "bea@example.com"))
        result = await send(gateway, outgoing(credentials(server, "none")), permission)

    assert isinstance(lost, Uncertain)
    assert isinstance(result, Sent)
    assert permission.asked == 1


async def test_messages_share_a_bounded_number_of_connections(tmp_path: Path) -> None:
    async with a_mail_server() as server, a_gateway(server, tmp_path, connections=2) as gateway:
        sends = (send(gateway, outgoing(credentials(server, "none"), f"p{n}@example.com")) for n in range(20))
        results = await asyncio.gather(*sends)

    assert all(isinstance(result, Sent) for result in results)
    assert len({mail.recipient for mail in server.taken}) == 20
    assert server.connections <= 2


async def test_a_connection_is_kept_for_the_next_message_and_closed_when_none_comes(tmp_path: Path) -> None:
    async with a_mail_server() as server:
        manner = Manner(host="localhost", security="none", login=None, ehlo="me.test", tls=ssl.create_default_context())
        egress = Egress(AddressRule(), ports=[])
        pool = Pool(
            lambda: Conversation.open(manner, lambda: egress.connect_freely("127.0.0.1", server.port)),
            PoolTerms(idle=0.05),
        )
        await pool.send(Envelope(sender="a@b.test", recipient="c@d.test"), b"Subject: x\r\n\r\nx", Permission())
        kept = pool.kept
        async with asyncio.timeout(60):
            while pool.kept:
                await asyncio.sleep(0.01)
        await pool.aclose()

    assert kept == 1
    assert server.connections == 1


class FarAway:
    """A connection to another machine."""

    closed = False

    def getpeername(self) -> tuple[str, int]:
        return "203.0.113.25", 25

    def close(self) -> None:
        self.closed = True


async def test_an_unencrypted_connection_to_another_machine_is_closed_before_anything_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    permission, far = Permission(), FarAway()

    async def connect(egress: Egress, host: str, port: int) -> FarAway:
        return far

    async with a_mail_server() as server, a_gateway(server, tmp_path) as gateway:
        monkeypatch.setattr(Egress, "connect", connect)
        result = await send(gateway, outgoing(credentials(server, "none")), permission)

    assert isinstance(result, Unavailable)
    assert (result.code, result.scope, far.closed) == ("not_encrypted", Scope.ACCOUNT, True)
    assert permission.asked == 0


async def test_nobody_listening_is_certain(tmp_path: Path) -> None:
    async with a_mail_server() as server:
        gone = credentials(server, "none")
    async with a_gateway(server, tmp_path) as gateway:
        result = await send(gateway, outgoing(gone))

    assert isinstance(result, Unreachable)


async def test_an_account_that_asks_for_encryption_says_nothing_without_it(tmp_path: Path) -> None:
    permission = Permission()
    async with a_mail_server() as server, a_gateway(server, tmp_path) as gateway:
        result = await send(gateway, outgoing(credentials(server, "starttls")), permission)

    assert isinstance(result, Unavailable)
    assert (result.code, result.scope) == ("starttls_not_offered", Scope.ACCOUNT)
    assert permission.asked == 0
    assert server.taken == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_server_under_another_name_is_not_believed(security: str, tmp_path: Path) -> None:
    permission = Permission()
    async with a_mail_server(security=security, name="another.test") as server, a_gateway(server, tmp_path) as gateway:
        result = await send(gateway, outgoing(credentials(server, security)), permission)

    assert isinstance(result, Unreachable)
    assert result.code == "tls_failed"
    assert permission.asked == 0


async def test_a_wrong_password_holds_the_account_and_not_the_message(tmp_path: Path) -> None:
    async with a_mail_server(security="starttls") as server, a_gateway(server, tmp_path) as gateway:
        result = await send(gateway, outgoing(credentials(server, "starttls", password="wrong")))

    assert isinstance(result, Unavailable)
    assert result.scope is Scope.CREDENTIAL


async def test_a_host_inside_the_operators_network_is_not_reached(tmp_path: Path) -> None:
    async with (
        a_mail_server() as server,
        a_gateway(server, tmp_path, allowed_networks=None) as walled,
        a_gateway(server, tmp_path, allowed_ports="25") as elsewhere,
    ):
        results = [await send(gateway, outgoing(credentials(server, "none"))) for gateway in (walled, elsewhere)]

    for result in results:
        assert isinstance(result, Unavailable)
        assert (result.code, result.scope) == ("host_not_allowed", Scope.ACCOUNT)
    assert server.connections == 0


def injected() -> dict[str, Callable[[], dict[str, Any]]]:
    evil = "x\r\nBcc: eve@example.com"
    return {
        "subject": lambda: {"content": Email(subject=evil, text="x")},
        "name": lambda: {"sender_name": evil},
        "reply_to": lambda: {"content": Email(subject="x", text="x", reply_to=evil)},
        "header": lambda: {"content": Email(subject="x", text="x", headers={"X-Order": evil})},
        "header name": lambda: {"content": Email(subject="x", text="x", headers={"X-A: 1\r\nBcc": "eve@example.com"})},
        "our header": lambda: {"content": Email(subject="x", text="x", headers={"From": "eve@example.com"})},
        "sender": lambda: {"sender_address": "a@b.test>\r\nRCPT TO:<eve@example.com"},
        "recipient": lambda: {"to": "a@b.test>\r\nRCPT TO:<eve@example.com"},
        "recipient's options": lambda: {"to": "a@b.test> NOTIFY=NEVER"},
    }


@pytest.mark.parametrize("what", list(injected()))
async def test_line_breaks_never_reach_the_wire(what: str, tmp_path: Path) -> None:
    permission = Permission()
    async with a_mail_server() as server, a_gateway(server, tmp_path) as gateway:
        result = await send(gateway, outgoing(credentials(server, "none"), **injected()[what]()), permission)

    assert isinstance(result, Rejected)
    assert permission.asked == 0
    assert server.taken == []


async def test_what_is_no_email_is_refused(tmp_path: Path) -> None:
    async with a_mail_server() as server, a_gateway(server, tmp_path) as gateway:
        text = await send(gateway, outgoing(credentials(server, "none"), content=Text(body="hello")))
        phone = await send(gateway, outgoing(credentials(server, "none"), recipient=Phone("+14155550100")))

    for result in (text, phone):
        assert isinstance(result, Rejected)
        assert result.code == "content_unsupported"


async def test_letters_beyond_ascii_need_a_server_that_takes_them(tmp_path: Path) -> None:
    async with a_mail_server() as modern, a_gateway(modern, tmp_path) as gateway:
        sent = await send(gateway, outgoing(credentials(modern, "none"), "josé@example.com"))
    async with a_mail_server(international=False) as old, a_gateway(old, tmp_path) as gateway:
        refused = await send(gateway, outgoing(credentials(old, "none"), "josé@example.com"))

    assert isinstance(sent, Sent)
    assert modern.taken[0].recipient == "josé@example.com"
    assert isinstance(refused, Rejected)
    assert refused.code == "smtputf8_not_offered"


async def test_a_message_beyond_the_servers_size_is_not_even_begun(tmp_path: Path) -> None:
    permission = Permission()
    async with a_mail_server(largest=2_000) as server, a_gateway(server, tmp_path) as gateway:
        large = Email(subject="x", text="x" * 3_000)
        result = await send(gateway, outgoing(credentials(server, "none"), content=large), permission)

    assert isinstance(result, Rejected)
    assert result.code == "message_too_large"
    assert permission.asked == 0
