"""The check of an account at a real mail server on loopback: what is in order, and what is wrong in plain words."""

import socket
from pathlib import Path
from typing import Any

import pytest

from messaging.adapters.providers.smtp.setup import SmtpSetup
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.setup import Finding
from messaging.domain.shared.mode import Mode
from tests.integration.providers.smtp.mail_server import MailServer, a_mail_server, an_opening, credentials

REFUSED = "mail_server_unreachable"
NOT_ENCRYPTED = "mail_server_not_encrypted"


async def inspected(
    server: MailServer,
    directory: Path,
    security: str = "none",
    *,
    host: str = "localhost",
    settings: dict[str, Any] | None = None,
    **changes: Any,
) -> tuple[Finding, ...]:
    async with an_opening(server, directory, **(settings or {})) as opening:
        given = credentials(server, security, **changes)
        connection = Connection(mode=Mode.LIVE, external_id=host, credentials=given)
        return (await SmtpSetup(opening, patience=20).inspect(connection)).findings


def wrong(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(finding.pointer, finding.code) for finding in findings if not finding.ok]


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
async def test_a_server_that_takes_the_login_is_in_order_and_gets_no_mail(security: str, tmp_path: Path) -> None:
    async with a_mail_server(security=security) as server:
        findings = await inspected(server, tmp_path, security)

    assert [(finding.part, finding.ok) for finding in findings] == [("server", True), ("login", True)]
    assert findings[0].detail.startswith(
        f"localhost, port {server.port} ({security}), answers, takes messages of up to"
    )
    assert server.taken == []


async def test_an_account_without_a_login_is_in_order_where_none_is_needed(tmp_path: Path) -> None:
    async with a_mail_server() as server:
        findings = await inspected(server, tmp_path, username=None, password=None)

    assert wrong(findings) == []


async def test_a_refused_login_is_told_in_the_servers_own_words(tmp_path: Path) -> None:
    async with a_mail_server(security="starttls") as server:
        findings = await inspected(server, tmp_path, "starttls", password="wrong")

    assert wrong(findings) == [("/password", "login_refused")]
    assert findings[0].ok, "the server is as it should be"
    assert "535" in findings[1].detail
    assert not findings[1].may_pass


async def test_half_a_login_is_told_beside_what_is_wrong_with_the_server(tmp_path: Path) -> None:
    async with a_mail_server() as server:
        alone = await inspected(server, tmp_path, password=None)
        both = await inspected(server, tmp_path, "starttls", username=None)

    assert wrong(alone) == [("/password", "missing_field")]
    assert wrong(both) == [("/security", NOT_ENCRYPTED), ("/username", "missing_field")]


@pytest.mark.parametrize(
    ("offered", "name", "asked", "said"),
    [
        ("none", "localhost", "starttls", "does not offer STARTTLS"),
        ("starttls", "other.example", "starttls", "localhost"),
        ("none", "localhost", "tls", "set security to starttls"),
    ],
)
async def test_what_cannot_be_encrypted_is_not_spoken_to(
    offered: str, name: str, asked: str, said: str, tmp_path: Path
) -> None:
    async with a_mail_server(security=offered, name=name) as server:
        findings = await inspected(server, tmp_path, asked)

    assert wrong(findings) == [("/security", NOT_ENCRYPTED)]
    assert said in findings[0].detail


async def test_a_host_that_is_not_known_or_not_allowed_or_silent_is_told(tmp_path: Path) -> None:
    async with a_mail_server() as server:
        unknown = await inspected(server, tmp_path, host="no-such-host.invalid")
        private = await inspected(server, tmp_path, settings={"allowed_networks": ""})
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            nobody = await inspected(server, tmp_path, port=port, settings={"allowed_ports": str(port)})

    for findings, said, may_pass in (
        (unknown, "no server of this name", False),
        (private, "APP_SMTP_ALLOWED_NETWORKS", False),
        (nobody, "does not answer", True),
    ):
        assert wrong(findings) == [("/external_id", REFUSED)]
        assert said in findings[0].detail
        assert findings[0].may_pass is may_pass


async def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = MailServer(port=silent.getsockname()[1])
        async with an_opening(server, tmp_path) as opening:
            connection = Connection(
                mode=Mode.LIVE, external_id="localhost", credentials=credentials(server, "starttls")
            )
            findings = (await SmtpSetup(opening, patience=0.05).inspect(connection)).findings

    assert wrong(findings) == [("/external_id", REFUSED)]
    assert findings[0].may_pass


async def test_an_account_in_test_mode_is_looked_for_in_the_sandbox(tmp_path: Path) -> None:
    server = MailServer(port=587)
    async with an_opening(server, tmp_path) as opening:
        setup = SmtpSetup(opening)
        connection = Connection(mode=Mode.TEST, external_id="localhost", credentials=credentials(server, "starttls"))
        with pytest.raises(ProviderUnavailable, match="sandbox"):
            await setup.inspect(connection)
        told = opening.place(Mode.TEST, "smtp.example.com", credentials(server, "starttls"))

    assert told == "The sandbox, in place of smtp.example.com,"


async def test_there_is_nothing_to_subscribe_to_and_nothing_to_register(tmp_path: Path) -> None:
    server = MailServer(port=587)
    async with an_opening(server, tmp_path) as opening:
        setup = SmtpSetup(opening)
        connection = Connection(mode=Mode.LIVE, external_id="localhost", credentials=credentials(server, "starttls"))
        with pytest.raises(ProviderRefused):
            await setup.subscribe(connection, webhook_url=None)
        with pytest.raises(ProviderRefused):
            await setup.register_number(connection, "1", "150954")
