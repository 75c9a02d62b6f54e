"""Opens conversations with the mail server of an account, or with the sandbox in its place."""

import socket
from collections.abc import Mapping
from ipaddress import ip_address

from messaging.adapters.http.safe_egress.addresses import AddressRule
from messaging.adapters.http.safe_egress.trust import trust
from messaging.adapters.providers.smtp.credentials import SmtpCredentials
from messaging.adapters.providers.smtp.sandbox import SandboxServer
from messaging.adapters.providers.smtp.settings import SmtpSettings
from messaging.adapters.providers.smtp.wire.conversation import Conversation, Login, Manner
from messaging.adapters.providers.smtp.wire.egress import Egress
from messaging.adapters.providers.smtp.wire.exchange import Interrupted, Unfit
from messaging.domain.shared.mode import Mode


class Opening:
    """Conversations that are encrypted as the account asks for, and logged in. Those of a mode in `sandboxes` are held
    there, others with the account's own host, if `rule` or the settings allow its address.
    """

    def __init__(self, *, settings: SmtpSettings, sandboxes: Mapping[Mode, SandboxServer], rule: AddressRule) -> None:
        self._settings = settings
        self._sandboxes = sandboxes
        self._egress = Egress(rule.widened(settings.networks), ports=settings.ports)
        self._tls = trust(settings.ca_bundle)

    async def __call__(self, mode: Mode, host: str, credentials: SmtpCredentials) -> Conversation:
        """Raises Interrupted."""
        if (sandbox := self._sandboxes.get(mode)) is not None:
            return await self._open_sandbox(sandbox, credentials)
        manner = self._manner(host, credentials, credentials.security)
        return await Conversation.open(manner, lambda: self._connect(host, credentials))

    def place(self, mode: Mode, host: str, credentials: SmtpCredentials) -> str:
        """Whom conversations are held with, as the subject of a sentence."""
        if mode in self._sandboxes:
            return f"The sandbox, in place of {host},"
        return f"{host}, port {credentials.port} ({credentials.security}),"

    async def _open_sandbox(self, sandbox: SandboxServer, credentials: SmtpCredentials) -> Conversation:
        """The sandbox is the operator's own, and its conversations are not encrypted."""
        port = await sandbox.port()
        manner = self._manner(sandbox.host, credentials, "none")
        try:
            return await Conversation.open(manner, lambda: self._egress.connect_freely(sandbox.host, port))
        except Interrupted:
            sandbox.forget()
            raise

    async def _connect(self, host: str, credentials: SmtpCredentials) -> socket.socket:
        connected = await self._egress.connect(host, credentials.port)
        if credentials.security == "none" and not ip_address(connected.getpeername()[0]).is_loopback:
            connected.close()
            reason = "The connection would not be encrypted. Set security to starttls or tls."
            raise Interrupted(Unfit(code="not_encrypted", reason=reason, of_account=True))
        return connected

    def _manner(self, host: str, credentials: SmtpCredentials, security: str) -> Manner:
        login = None
        if credentials.username is not None:
            login = Login(username=credentials.username, password=credentials.password or "")
        ehlo = self._settings.helo_name or socket.gethostname()
        return Manner(host=host, security=security, login=login, ehlo=ehlo, tls=self._tls)

    async def aclose(self) -> None:
        """Look up no more names."""
        await self._egress.aclose()
