"""Finds the mail server of the sandbox, to which all messages in test mode go."""

from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from messaging.adapters.http.client import ProviderHttp, Reply
from messaging.adapters.providers.smtp.wire.exchange import Interrupted, Lost
from messaging.adapters.providers.smtp.wire.replies import Stage


class _Listening(Struct, frozen=True):
    port: int


_listening = msgspec.json.Decoder(_Listening)


class SandboxServer:
    """The sandbox tells the port of its mail server at `/smtp`; the answer is kept until `forget`."""

    def __init__(self, http: ProviderHttp, sandbox_url: str) -> None:
        self._http = http
        self._url = sandbox_url.rstrip("/")
        self._port: int | None = None

    @property
    def host(self) -> str:
        return urlsplit(self._url).hostname or "127.0.0.1"

    async def port(self) -> int:
        """Raises Interrupted if the sandbox does not tell."""
        if self._port is None:
            self._port = await self._ask()
        return self._port

    def forget(self) -> None:
        """Ask anew: the sandbox may have been started again."""
        self._port = None

    async def _ask(self) -> int:
        answer = await self._http.request("GET", f"{self._url}/smtp", headers={})
        if isinstance(answer, Reply) and answer.status == 200 and answer.body is not None:
            try:
                return _listening.decode(answer.body).port
            except msgspec.MsgspecError:
                pass
        reason = f"The sandbox at {self._url} does not tell where its mail server listens."
        raise Interrupted(Lost(stage=Stage.CONNECT, code="sandbox_not_found", reason=reason))
