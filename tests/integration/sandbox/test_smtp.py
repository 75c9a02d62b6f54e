"""The sandbox's mail server: what it takes and refuses, what it mails back, and that nothing is lost by a restart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from messaging.entrypoints.sandbox import SandboxConfig, Settings, serving
from messaging.entrypoints.sandbox.smtp.outcomes import OUTCOMES, outcome_for

_QUICK = Settings(
    webhook_delay_min_ms=1, webhook_delay_max_ms=3, webhook_retry_initial_ms=5, webhook_retry_max_ms=20, slow_ms=20
)


class Postbox:
    """A mail server that takes what comes back, once it is `open`."""

    def __init__(self) -> None:
        self.open = True
        self.refused = asyncio.Event()
        self.refusal = "451 4.3.0 later"
        self.asked = 0
        self.mails: asyncio.Queue[tuple[str, str, bytes]] = asyncio.Queue()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.asked += 1
        if not self.open:
            self.refused.set()
            return self.refusal
        content = envelope.original_content or b""
        self.mails.put_nowait(((envelope.mail_from or "").strip("<>"), envelope.rcpt_tos[0], content))
        return "250 OK"

    async def next(self) -> tuple[str, str, bytes]:
        async with asyncio.timeout(60):
            return await self.mails.get()


@asynccontextmanager
async def a_postbox(box: Postbox | None = None) -> AsyncIterator[tuple[Postbox, str]]:
    box = box or Postbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box, hostname="mx.test"), "127.0.0.1", 0)
    try:
        yield box, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def a_sandbox(directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(SandboxConfig(state_dir=directory, settings=_QUICK)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as control,
    ):
        yield control


async def send(control: httpx.AsyncClient, to: str, *, sender: str = "ret@bounces.test") -> tuple[int, str]:
    port = (await control.get("/smtp")).json()["port"]
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, username="shop", password="s3cret")
    mail = f"From: The Shop <orders@shop.test>\r\nSubject: Hello\r\nMessage-ID: <v1.x.1.y@shop.test>\r\n\r\nto {to}\r\n"
    async with client:
        try:
            _, said = await client.sendmail(sender, [to], mail)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return refused.recipients[0].code, refused.recipients[0].message
        except aiosmtplib.SMTPResponseException as error:
            return error.code, error.message
        return 250, said


async def entries(control: httpx.AsyncClient) -> list[dict[str, Any]]:
    return list((await control.get("/_ledger")).json()["data"])


async def test_a_mail_that_is_taken_is_in_the_common_ledger(tmp_path: Path) -> None:
    async with a_sandbox(tmp_path) as control:
        answer = await send(control, "ana@mail.test")
        (entry,) = await entries(control)

    assert answer[0] == 250
    assert {name: entry[name] for name in ("provider", "to", "sender", "reference", "message_id", "login")} == {
        "provider": "smtp",
        "to": "ana@mail.test",
        "sender": "orders@shop.test",
        "reference": "v1.x.1.y",
        "message_id": "<v1.x.1.y@shop.test>",
        "login": "shop",
    }
    assert entry["body"]["subject"] == "Hello"


async def test_every_recipient_that_is_refused_is_refused_as_its_table_says(tmp_path: Path) -> None:
    refused = [outcome for outcome in OUTCOMES.values() if outcome.refusal is not None]
    async with a_sandbox(tmp_path) as control:
        answers = {it.name: await send(control, f"{it.name}@mail.test") for it in refused}
        taken = await entries(control)

    assert refused
    assert {name: code for name, (code, _) in answers.items()} == {
        it.name: it.refusal.code for it in refused if it.refusal is not None
    }
    assert taken == []


async def test_some_are_refused_the_first_time_only(tmp_path: Path) -> None:
    async with a_sandbox(tmp_path) as control:
        answers = [(await send(control, "greylist@mail.test", sender=f"a{n}@bounces.test"))[0] for n in range(2)]

    assert answers == [451, 250]


@pytest.mark.parametrize(
    ("recipient", "name"),
    [
        ("bounce@a.test", "bounce"),
        ("Bounce+42@a.test", "bounce"),
        ("5550110@a.test", "bounce"),
        ("550-5.7.1@a.test", "550-5.7.1"),
        ("ana@a.test", "accepted"),
        ("5550199@a.test", "accepted"),
    ],
)
def test_a_recipient_is_magic_by_name_or_number(recipient: str, name: str) -> None:
    assert outcome_for(recipient).name == name


async def test_what_comes_back_comes_to_the_return_path_until_it_is_taken(tmp_path: Path) -> None:
    async with a_postbox() as (box, address), a_sandbox(tmp_path) as control:
        await control.post("/_control/smtp", json={"exchangers": {"bounces.test": address}})
        box.open = False
        await send(control, "bounce@mail.test")
        await asyncio.wait_for(box.refused.wait(), timeout=60)
        box.open = True
        sender, to, mail = await box.next()

    report = message_from_bytes(mail)
    assert (sender, to) == ("", "ret@bounces.test")
    assert report.get_content_type() == "multipart/report"
    assert "delivery-status" in [part.get_content_subtype() for part in report.walk()]
    assert b"Status: 5.1.1" in mail


@pytest.mark.parametrize("at", ["recipient", "content"])
async def test_what_is_refused_for_good_is_not_mailed_back_again(at: str, tmp_path: Path) -> None:
    class Strict(Postbox):
        async def handle_RCPT(
            self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
        ) -> str:
            if at == "recipient":
                self.asked += 1
                return "550 5.1.1 No such address"
            envelope.rcpt_tos.append(address)
            return "250 OK"

    async with a_postbox(Strict()) as (box, address), a_sandbox(tmp_path) as control:
        box.open, box.refusal = False, "554 5.7.1 No"
        await control.post("/_control/smtp", json={"exchangers": {"*": address}})
        await send(control, "bounce@mail.test")
        async with asyncio.timeout(60):
            while (told := (await control.get("/_webhooks")).json())["pending"] or not told["data"]:
                await asyncio.sleep(0.01)

    (only,) = told["data"]
    assert (only["final"], only["acked"], only["status"]) == (True, False, 550 if at == "recipient" else 554)
    assert box.asked == 1


async def test_what_did_not_come_back_yet_comes_after_a_restart(tmp_path: Path) -> None:
    async with a_postbox() as (box, address):
        box.open = False
        async with a_sandbox(tmp_path) as control:
            port = (await control.get("/smtp")).json()["port"]
            await control.post("/_control/smtp", json={"exchangers": {"*": address}})
            await send(control, "complaint@mail.test")
        box.open = True
        async with a_sandbox(tmp_path) as control:
            _, _, mail = await box.next()
            again = (await control.get("/smtp")).json()["port"]

    assert b"Feedback-Type: abuse" in mail
    assert again == port


@pytest.mark.parametrize(
    ("mode", "code", "taken"),
    [("429", 454, 0), ("503", 421, 0), ("invalid_token", 530, 0), ("500_before", 451, 0), ("slow", 250, 1)],
)
async def test_scripted_faults_are_those_of_every_look_alike(mode: str, code: int, taken: int, tmp_path: Path) -> None:
    async with a_sandbox(tmp_path) as control:
        armed = await control.post("/_control/faults", json={"mode": mode, "match": {"provider": "smtp"}, "times": 1})
        struck, after = await send(control, "ana@mail.test"), await send(control, "bea@mail.test")
        found = await entries(control)

    assert armed.status_code == 201
    assert (struck[0], after[0]) == (code, 250)
    assert len(found) == taken + 1


async def test_a_wrong_login_is_refused(tmp_path: Path) -> None:
    async with a_sandbox(tmp_path) as control:
        port = (await control.get("/smtp")).json()["port"]
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await client.connect()
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await client.login("shop", "wrong")
        client.close()


async def test_an_exchanger_without_a_port_is_refused(tmp_path: Path) -> None:
    async with a_sandbox(tmp_path) as control:
        answer = await control.post("/_control/smtp", json={"exchangers": {"*": "127.0.0.1"}})

    assert answer.status_code == 422
