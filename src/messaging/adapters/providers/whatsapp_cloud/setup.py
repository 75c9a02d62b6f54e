"""Checks and sets up what an account needs at Meta to send: token, scopes, ids, app secret, subscription, number.

Facts are from Meta's documentation of access tokens, `debug_token`, `appsecret_proof`, webhook overrides and number
registration (read 2026-11).
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import urlencode

import msgspec

from messaging.adapters.providers.whatsapp_cloud import credentials
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.adapters.providers.whatsapp_cloud.wire.graph import GraphCalls
from messaging.application.ports.providers.numbers import ProviderNumber
from messaging.application.ports.providers.outcomes import ProviderRefused
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.setup import Finding, Inspection
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.refusals import invalid

SCOPES: Final = ("whatsapp_business_management", "whatsapp_business_messaging")
_PRODUCT: Final = "whatsapp"


class WhatsAppCloudSetup:
    """The Cloud API behind `AccountSetup`."""

    def __init__(self, *, graph: GraphCalls, gateway: WhatsAppCloudGateway) -> None:
        self._graph = graph
        self._gateway = gateway

    async def inspect(self, connection: Connection) -> Inspection:
        try:
            told = await self._token(connection)
        except ProviderRefused as refused:
            # Without a valid token no other question can be asked.
            return Inspection(findings=(_finding("token", ok=False, detail=refused.detail),))
        token = _judge_token(told)
        if not token.ok:
            return Inspection(findings=(token,))
        account, secret = await self._account(connection), await self._secret(connection)
        findings = (token, _judge_scopes(told, connection.external_id), account, secret)
        numbers: Sequence[ProviderNumber] = ()
        if all(finding.ok for finding in findings):
            numbers = await self._gateway.list_numbers(connection)
        return Inspection(findings=findings, numbers=tuple(numbers))

    async def subscribe(self, connection: Connection, *, webhook_url: str | None) -> None:
        told = credentials.of(connection.credentials)
        if webhook_url is not None and not told.verify_token:
            raise invalid(_NO_VERIFY_TOKEN)
        url = self._graph.url(connection, connection.external_id, "subscribed_apps")
        # Subscribe first, then override the webhook's URL: an override needs a subscription, and subscribing removes
        # one.
        await self._graph.call(connection, "POST", url)
        if webhook_url is not None:
            wanted = {
                "override_callback_uri": webhook_url,
                "verify_token": told.verify_token or "",
            }
            await self._graph.call(connection, "POST", url, msgspec.json.encode(wanted))

    async def register_number(self, connection: Connection, external_id: str, pin: str) -> None:
        body = msgspec.json.encode({"messaging_product": _PRODUCT, "pin": pin})
        await self._graph.call(connection, "POST", self._graph.url(connection, external_id, "register"), body)

    async def _token(self, connection: Connection) -> dict[str, Any]:
        """Meta's `debug_token` of the token, asked with the token itself."""
        query = urlencode({"input_token": credentials.of(connection.credentials).access_token})
        answer = await self._graph.call(connection, "GET", f"{self._graph.named(connection, 'debug_token')}?{query}")
        data = answer.get("data")
        return data if isinstance(data, dict) else {}

    async def _account(self, connection: Connection) -> Finding:
        try:
            node = await self._read(connection, self._graph.url(connection, connection.external_id), fields="id,name")
        except ProviderRefused as refused:
            detail = f"The id is not that of a WhatsApp Business Account this token can see. {refused.detail}"
            return _finding("account", ok=False, detail=detail)
        return _finding("account", ok=True, detail=str(node.get("name") or connection.external_id))

    async def _secret(self, connection: Connection) -> Finding:
        """Whether one of our app secrets is right: Meta refuses an `appsecret_proof` made with any other.

        During a rotation there are two secrets, of which Meta accepts one.
        """
        token = credentials.of(connection.credentials).access_token.encode()
        refusals: list[str] = []
        for secret in credentials.of(connection.credentials).app_secrets:
            proof = hmac.new(secret.encode(), token, hashlib.sha256).hexdigest()
            try:
                await self._read(connection, self._graph.named(connection, "me"), fields="id", appsecret_proof=proof)
            except ProviderRefused as refused:
                refusals.append(refused.detail)
            else:
                return _finding("app_secret", ok=True, detail="It is the secret of the app that the token is of.")
        detail = f"It is not the secret of the app that the token is of. {' '.join(dict.fromkeys(refusals))}".rstrip()
        return _finding("app_secret", ok=False, detail=detail)

    async def _read(self, connection: Connection, url: str, **query: str) -> dict[str, Any]:
        return await self._graph.call(connection, "GET", f"{url}?{urlencode(query)}")


_NO_VERIFY_TOKEN: Final = Violation(
    pointer="/override",
    code="verify_token_missing",
    detail="The provider checks the URL with the account's verify_token. Give it one with PATCH.",
)


def _finding(part: Literal["token", "scopes", "account", "app_secret"], *, ok: bool, detail: str) -> Finding:
    match part:
        case "token":
            return Finding(part=part, ok=ok, detail=detail, pointer="/access_token", code="token_refused")
        case "scopes":
            return Finding(part=part, ok=ok, detail=detail, pointer="/access_token", code="scope_missing")
        case "account":
            return Finding(part=part, ok=ok, detail=detail, pointer="/external_id", code="account_not_visible")
        case "app_secret":
            return Finding(part=part, ok=ok, detail=detail, pointer="/app_secrets", code="app_secret_wrong")


def _judge_token(told: dict[str, Any]) -> Finding:
    app = told.get("application") or told.get("app_id")
    if told.get("is_valid") is not True:
        error = told.get("error")
        reason = error.get("message") if isinstance(error, dict) else None
        return _finding("token", ok=False, detail=f"Meta does not accept it. {reason or ''}".rstrip())
    expires = told.get("expires_at")
    if isinstance(expires, int) and expires > 0:
        until = datetime.fromtimestamp(expires, UTC).isoformat()
        return _finding("token", ok=True, detail=f"valid, of app {app}; it expires at {until}: rotate it before")
    return _finding("token", ok=True, detail=f"valid, of app {app}; it does not expire")


def _judge_scopes(told: dict[str, Any], waba_id: str) -> Finding:
    granted = _texts(told.get("scopes"))
    missing = [scope for scope in SCOPES if scope not in granted]
    if missing:
        detail = f"The token lacks {' and '.join(missing)}. Generate one with both."
        return _finding("scopes", ok=False, detail=detail)
    elsewhere = [scope for scope, targets in _targets(told) if scope in SCOPES and targets and waba_id not in targets]
    if elsewhere:
        detail = f"{' and '.join(elsewhere)} are granted for other accounts. Assign this account to the system user."
        return _finding("scopes", ok=False, detail=detail)
    return _finding("scopes", ok=True, detail=" and ".join(SCOPES))


def _targets(told: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """The accounts that each scope was granted for; an empty tuple means all accounts of the token's owner."""
    granular = told.get("granular_scopes")
    entries = [entry for entry in granular if isinstance(entry, dict)] if isinstance(granular, list) else []
    return [(str(entry.get("scope")), _texts(entry.get("target_ids"))) for entry in entries]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
