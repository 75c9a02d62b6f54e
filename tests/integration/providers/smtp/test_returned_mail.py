"""The door for returned mail: what it takes from mail servers, and what it answers them."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiosmtplib
import pytest
from aiosmtplib.response import SMTPResponse
from msgspec.structs import replace

from messaging.adapters.providers.smtp.adapter import door_terms
from messaging.adapters.providers.smtp.bounces.door import DoorTerms, ReturnedMailDoor
from messaging.adapters.providers.smtp.bounces.listener import LARGEST
from messaging.adapters.providers.smtp.bounces.return_path import VALID_FOR, return_address
from messaging.adapters.providers.smtp.settings import SmtpSettings
from messaging.application.gather import Overloaded
from messaging.application.ports.providers.webhooks import Referred
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.messages import reference
from messaging.domain.shared.ids import AccountId, MessageId
from tests.builders import ACCOUNT, NOON, a_message
from tests.integration.providers.smtp.mail_server import AUTHORITY

MESSAGE = MessageId(a_message().id)
OURS = reference.write(MESSAGE, 1, lambda _: "abcd2345")
MAIL = b"From: <>\r\nSubject: returned\r\n\r\n.nothing\r\n"


class Taking:
    """Knows one reference; remembers what it was given, and fails when told to."""

    def __init__(self) -> None:
        self.taken: list[Referred] = []
        self.fails: Exception | None = None
        self.forgets = False

    async def knows(self, account_id: AccountId, text: str) -> bool:
        if self.fails is not None and not self.forgets:
            raise self.fails
        return (account_id, text) == (ACCOUNT, OURS)

    async def __call__(self, referred: Referred) -> bool:
        if self.fails is not None:
            raise self.fails
        self.taken.append(referred)
        return not self.forgets


@asynccontextmanager
async def the_door(taking: Taking, *, later: timedelta = timedelta(0), connections: int = 10) -> AsyncIterator[int]:
    terms = DoorTerms(host="127.0.0.1", port=0, name="mx.test", connections=connections)
    door = ReturnedMailDoor(terms, now=lambda: NOON + later)
    async with door.open(taking):
        assert door.port is not None
        yield door.port


@asynccontextmanager
async def a_caller(port: int) -> AsyncIterator[aiosmtplib.SMTP]:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, local_hostname="mx.other.test")
    await client.connect()
    await client.ehlo()
    try:
        yield client
    finally:
        client.close()


def address(account_id: AccountId = ACCOUNT, text: str = OURS) -> str:
    made = return_address(account_id, text, "Bounces.Example.COM")
    assert made is not None
    return made


async def bring(port: int, to: str, mail: bytes = MAIL, sender: str = "") -> SMTPResponse:
    async with a_caller(port) as client:
        await client.execute_command(b"MAIL", f"FROM:<{sender}>".encode())
        answer = await client.execute_command(b"RCPT", f"TO:<{to}>".encode())
        if answer.code != 250:
            return answer
        try:
            return await client.data(mail)
        except aiosmtplib.SMTPDataError as error:
            return SMTPResponse(error.code, error.message)


async def test_mail_to_an_address_of_ours_is_taken_as_it_came() -> None:
    taking = Taking()
    async with the_door(taking) as port:
        answer = await bring(port, address().upper())

    assert answer.code == 250
    assert taking.taken == [
        Referred(
            account_id=ACCOUNT,
            reference=OURS,
            method="SMTP",
            query=f"to={address().lower().replace('@', '%40')}",
            headers={"return-path": "<>"},
            body=MAIL,
        )
    ]


@pytest.mark.parametrize(
    "to",
    [
        "postmaster@bounces.example.com",
        "eve@example.org",
        address(text=OURS[:-1] + "z"),
        address(account_id=AccountId(MESSAGE)),
    ],
)
async def test_an_address_that_we_did_not_write_is_refused(to: str) -> None:
    taking = Taking()
    async with the_door(taking) as port:
        answer = await bring(port, to)

    assert answer.code == 550
    assert taking.taken == []


async def test_an_address_that_is_too_old_is_refused() -> None:
    taking = Taking()
    async with the_door(taking, later=VALID_FOR + timedelta(days=1)) as port:
        answer = await bring(port, address())

    assert (answer.code, answer.message[:5]) == (550, "5.1.6")


@pytest.mark.parametrize("error", [StoreUnavailable("away"), Overloaded("full")])
async def test_servers_come_again_while_nothing_can_be_stored(error: Exception) -> None:
    taking = Taking()
    taking.fails = error
    async with the_door(taking) as port:
        before = await bring(port, address())
        taking.forgets = True
        within = await bring(port, address())
        taking.fails = None
        taking.forgets = False
        after = await bring(port, address())

    assert (before.code, within.code, after.code) == (451, 451, 250)
    assert len(taking.taken) == 1


async def test_what_the_store_does_not_know_any_more_is_not_answered_for() -> None:
    taking = Taking()
    taking.forgets = True
    async with the_door(taking) as port:
        answer = await bring(port, address())

    assert answer.code == 550


async def test_a_mail_beyond_the_limit_is_refused() -> None:
    taking = Taking()
    async with the_door(taking) as port:
        answer = await bring(port, address(), b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * (LARGEST // 78 + 1))

    assert answer.code == 552
    assert taking.taken == []


async def test_mail_may_come_encrypted(tmp_path: Path) -> None:
    taking, certificate = Taking(), AUTHORITY.issue_cert("mx.test")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "mx.pem"))
    settings = SmtpSettings(inbound_port=25, inbound_certificate=str(tmp_path / "mx.pem"))
    terms = door_terms(settings)
    door = ReturnedMailDoor(replace(terms, host="127.0.0.1", port=0), now=lambda: NOON)
    trusting = ssl.create_default_context()
    AUTHORITY.configure_trust(trusting)
    async with door.open(taking):
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=door.port, start_tls=False)
        await client.connect()
        await client.starttls(server_hostname="mx.test", tls_context=trusting)
        await client.sendmail("", [address()], MAIL)
        await client.quit()

    assert [mail.body for mail in taking.taken] == [MAIL]


async def test_one_recipient_at_a_time_and_no_login_and_no_relaying() -> None:
    async with the_door(Taking()) as port, a_caller(port) as client:
        offered = set(client.esmtp_extensions)
        await client.execute_command(b"MAIL", b"FROM:<>")
        first = await client.execute_command(b"RCPT", f"TO:<{address()}>".encode())
        second = await client.execute_command(b"RCPT", f"TO:<{address()}>".encode())

    assert "auth" not in offered
    assert (first.code, second.code) == (250, 452)


async def test_connections_beyond_the_limit_are_told_to_come_again() -> None:
    async with the_door(Taking(), connections=1) as port, a_caller(port):
        with pytest.raises(aiosmtplib.SMTPConnectResponseError) as refused:
            async with a_caller(port):
                raise AssertionError("nobody is let in")

    assert refused.value.code == 421
