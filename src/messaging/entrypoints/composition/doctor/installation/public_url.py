"""The address providers post to: https and public in production, and answered by `app webhooks`."""

import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import httpx

from messaging.application.tenants.accounts.connections import webhook_path
from messaging.domain.content.links import host_problem
from messaging.entrypoints.composition.doctor.finding import Finding, Kind, failed, fine, warning
from messaging.entrypoints.composition.providers import PROVIDERS
from messaging.entrypoints.settings.settings import Settings

_SECONDS: Final = 5.0
# No account has this token, so the answer is a refusal, and its form tells whether it comes from `app webhooks`.
_PATH: Final = webhook_path(PROVIDERS[0].name, "doctor")
_REFUSAL: Final = {"type": "about:blank", "title": "Not Found", "status": 404}
_SET: Final = "set APP_WEBHOOKS_PUBLIC_URL to the https address under which `app webhooks` is reached from outside"
_SERVE: Final = "app webhooks, and the proxy in front of it; then: app doctor"


class ExaminePublicUrl:
    """Checks the address. Outside of production it may be a local one, and need not be answered."""

    def __init__(self, *, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = settings.webhooks_public_url.value.rstrip("/")
        self._production = settings.is_production
        self._transport = transport

    async def __call__(self) -> Sequence[Finding]:
        wrong = self._not_public() if self._production else None
        if wrong is not None:
            return [failed("public_url", f"{self._url} {wrong}", mend=_SET, kind=Kind.CONFIGURATION)]
        trouble = await self._reach()
        if trouble is not None:
            say = failed if self._production else warning
            return [say("public_url", f"{self._url} {trouble}, asked from here", mend=_SERVE)]
        return [fine("public_url", f"{self._url} is answered by app webhooks")]

    def _not_public(self) -> str | None:
        parts = urlsplit(self._url)
        if parts.scheme != "https":
            return "is not https: providers refuse it, and bodies would travel in the clear"
        problem = host_problem(parts.hostname or "")
        return None if problem is None else f"cannot be reached from outside. {problem}"

    async def _reach(self) -> str | None:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=_SECONDS, transport=self._transport) as client:
                answer = await client.get(self._url + _PATH)
        except httpx.HTTPError as error:
            return f"does not answer ({type(error).__name__})"
        return None if _is_ours(answer) else f"is answered by something else (status {answer.status_code})"


def _is_ours(answer: httpx.Response) -> bool:
    try:
        return bool(answer.json() == _REFUSAL)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return False
