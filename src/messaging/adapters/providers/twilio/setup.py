"""Checks an account at Twilio, and points its numbers' inbound webhooks at the platform."""

from collections.abc import Iterator
from typing import Final

from messaging.adapters.providers.twilio import credentials
from messaging.adapters.providers.twilio.numbers import TwilioNumbers, sends_sms
from messaging.adapters.providers.twilio.wire.fields import Json, text
from messaging.adapters.providers.twilio.wire.rest import TwilioCalls
from messaging.application.ports.providers.outcomes import ProviderRefused
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.setup import Finding, Inspection

# A new number has this URL, which answers everybody with a greeting.
_DEMO: Final = "https://demo.twilio.com/"


class TwilioSetup:
    """The port `AccountSetup`."""

    def __init__(self, *, calls: TwilioCalls, numbers: TwilioNumbers, webhooks_url: str) -> None:
        self._calls = calls
        self._numbers = numbers
        self._webhooks_url = webhooks_url

    async def inspect(self, connection: Connection) -> Inspection:
        try:
            account = await self._calls.get(connection)
        except ProviderRefused as refused:
            return Inspection(findings=(_about_account(ok=False, detail=refused.detail),))
        findings = (_judge_account(account), await self._tokens(connection), *_half_a_key(connection))
        if not all(finding.ok for finding in findings):
            return Inspection(findings=findings)
        return Inspection(findings=findings, numbers=tuple(await self._numbers.list_numbers(connection)))

    async def subscribe(self, connection: Connection, *, webhook_url: str | None) -> None:
        """Have messages to the account's numbers posted to `webhook_url`, or to the account's own URL.

        Without a `webhook_url`, a number that posts to somebody else is left alone.
        """
        wanted = webhook_url or f"{self._webhooks_url}{connection.webhook_path}"
        for node in await self._numbers.nodes(connection):
            current = text(node, "sms_url")
            free = not current or current.startswith(_DEMO)
            if sends_sms(node) and current != wanted and (free or webhook_url is not None):
                form = {"SmsUrl": wanted, "SmsMethod": "POST"}
                await self._calls.post(connection, f"IncomingPhoneNumbers/{text(node, 'sid')}", form)

    async def register_number(self, connection: Connection, external_id: str, pin: str) -> None:
        raise ProviderRefused("provider_refused", "A number at Twilio needs no registration here; it can send at once.")

    async def _tokens(self, connection: Connection) -> Finding:
        """Whether each auth token is one of the account's: webhooks are signed with them, calls prove nothing else."""
        refusals: list[str] = []
        for token in credentials.of(connection.credentials).auth_tokens:
            try:
                await self._calls.call_as(connection.external_id, token, "GET", self._calls.url(connection))
            except ProviderRefused as refused:
                refusals.append(refused.detail)
            else:
                return _about_token(ok=True, detail="It is the account's; webhooks can be checked with it.")
        detail = f"It is not the account's auth token. {' '.join(dict.fromkeys(refusals))}".rstrip()
        return _about_token(ok=False, detail=detail)


def _half_a_key(connection: Connection) -> Iterator[Finding]:
    """An API key of which one part was left out: calls would silently be made with the auth token."""
    known = credentials.of(connection.credentials)
    if (known.api_key_sid is None) != (known.api_key_secret is None):
        missing = "api_key_sid" if known.api_key_sid is None else "api_key_secret"
        detail = "An API key is its SID and its secret: give both, or neither."
        yield Finding(part="api_key", ok=False, detail=detail, pointer=f"/{missing}", code="missing_field")


def _about_account(*, ok: bool, detail: str) -> Finding:
    return Finding(part="account", ok=ok, detail=detail, pointer="/external_id", code="account_not_visible")


def _about_token(*, ok: bool, detail: str) -> Finding:
    return Finding(part="auth_token", ok=ok, detail=detail, pointer="/auth_tokens", code="auth_token_wrong")


def _judge_account(account: Json) -> Finding:
    name, status = text(account, "friendly_name"), text(account, "status")
    if status != "active":
        return _about_account(ok=False, detail=f"Its status at Twilio is {status or 'unknown'}, not active.")
    kind = "a trial account, which sends to verified numbers only" if account.get("type") == "Trial" else "active"
    return _about_account(ok=True, detail=f"{name}: {kind}")
