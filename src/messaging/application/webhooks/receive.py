"""Receives a provider's webhook: finds the account, verifies the signature, and stores the bytes.

Nothing of the body is parsed here. A webhook answered with `Stored` or `Duplicate` is committed.
"""

import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import lru_cache

from msgspec import Struct

from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.platform import WrappedKey
from messaging.application.ports.providers import Credentials, WebhookReader
from messaging.application.ports.raw_webhooks import RawWebhook
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.tenants.accounts.connections import open_credentials
from messaging.application.webhooks import raw
from messaging.domain.shared.ids import Prefix, WebhookId, typeid
from messaging.domain.tenants.tenant import ProviderAccount

log = logging.getLogger(__name__)

# The form of a token; no look-up is needed for any other text.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
# The number of accounts whose decrypted credentials are kept in memory.
_REMEMBERED = 4096


class Unknown(Struct, frozen=True, tag="unknown"):
    """No account of that provider has this token."""


class Forged(Struct, frozen=True, tag="forged"):
    """The signature is missing or wrong; nothing was stored."""


class Stored(Struct, frozen=True, tag="stored"):
    """The webhook was committed by this call, with the dispatch that gets it processed."""


class Duplicate(Struct, frozen=True, tag="duplicate"):
    """The same bytes were stored for this account before."""


class Challenge(Struct, frozen=True, tag="challenge"):
    """The subscription check is genuine; answer with `body` as plain text."""

    body: str


class Arriving(Struct, frozen=True, kw_only=True):
    """A webhook as the HTTP layer saw it. Header names are lower-case."""

    provider: str
    token: str
    headers: Mapping[str, str]
    body: bytes


class _Endpoint(Struct, frozen=True):
    account: ProviderAccount
    cipher: TenantCipher
    credentials: Credentials
    reader: WebhookReader


class StoreWebhook:
    """Stores webhooks. `store` is the group commit in front of the webhook store; it returns False when the bytes are
    stored already.

    Webhooks of disabled accounts and suspended tenants are stored too: they report on messages sent before.
    """

    def __init__(
        self,
        *,
        snapshots: Snapshots,
        key_ring: KeyRing,
        readers: Mapping[str, WebhookReader],
        store: Callable[[RawWebhook], Awaitable[bool]],
        new_id: NewId,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._readers = readers
        self._store = store
        self._new_id = new_id
        self._clock = clock
        self._telemetry = telemetry
        # Cached by account and data keys, so that credentials are decrypted again when either changes.
        self._opened = lru_cache(maxsize=_REMEMBERED)(self._open)

    async def __call__(self, arriving: Arriving) -> Unknown | Forged | Stored | Duplicate:
        """Raises StoreUnavailable or Overloaded; the webhook must not be acknowledged then."""
        outcome = await self._take(arriving)
        self._count(arriving.provider, outcome)
        return outcome

    async def knows(self, provider: str, token: str) -> bool:
        """Whether the path belongs to an account; asked before the body is read."""
        if await self._endpoint(provider, token) is not None:
            return True
        self._count(provider, Unknown())
        return False

    async def handshake(self, provider: str, token: str, query: Mapping[str, str]) -> Unknown | Forged | Challenge:
        """Answer the check by which a provider verifies the webhook's URL before it posts there."""
        endpoint = await self._endpoint(provider, token)
        if endpoint is None:
            return Unknown()
        body = endpoint.reader.handshake(query, endpoint.credentials)
        if body is None:
            has_token = endpoint.credentials.verify_token is not None
            log.warning("webhook.handshake_refused", extra={**_who(endpoint), "verify_token_set": has_token})
            return Forged()
        return Challenge(body)

    async def _take(self, arriving: Arriving) -> Unknown | Forged | Stored | Duplicate:
        endpoint = await self._endpoint(arriving.provider, arriving.token)
        if endpoint is None:
            return Unknown()
        if not endpoint.reader.is_authentic(arriving.headers, arriving.body, endpoint.credentials):
            log.warning("webhook.forged", extra=_who(endpoint))
            return Forged()
        webhook = _webhook(endpoint, arriving, id=WebhookId(self._new_id()), now=self._clock.now())
        return Stored() if await self._store(webhook) else Duplicate()

    def _count(self, provider: str, outcome: Unknown | Forged | Stored | Duplicate) -> None:
        """Count a webhook. Anybody can choose the path, so only the name of a known provider becomes a label."""
        label = provider if provider in self._readers else "unknown"
        self._telemetry.count("webhooks_received", provider=label, outcome=_name(outcome))

    async def _endpoint(self, provider: str, token: str) -> _Endpoint | None:
        if provider not in self._readers or _TOKEN.fullmatch(token) is None:
            return None
        account = await self._snapshots.account_by_token(token)
        if account is None or account.provider != provider:
            return None
        facts = await self._snapshots.tenant(account.tenant_id)
        return None if facts is None else self._opened(account, facts.data_keys)

    def _open(self, account: ProviderAccount, data_keys: tuple[WrappedKey, ...]) -> _Endpoint:
        cipher = self._key_ring.cipher(account.tenant_id, data_keys)
        return _Endpoint(account, cipher, open_credentials(account, cipher), self._readers[account.provider])


def _who(endpoint: _Endpoint) -> dict[str, str]:
    """Account, tenant and provider of a webhook, for a log line."""
    return {
        "account": typeid(Prefix.ACCOUNT, endpoint.account.id),
        "tenant": typeid(Prefix.TENANT, endpoint.account.tenant_id),
        "provider": endpoint.account.provider,
    }


def _webhook(endpoint: _Endpoint, arriving: Arriving, *, id: WebhookId, now: datetime) -> RawWebhook:
    return RawWebhook(
        id=id,
        tenant_id=endpoint.account.tenant_id,
        account_id=endpoint.account.id,
        provider=arriving.provider,
        digest=hashlib.sha256(arriving.body).digest(),
        sealed=raw.seal(endpoint.cipher, id, arriving.headers, arriving.body),
        received_at=now,
    )


def _name(outcome: Unknown | Forged | Stored | Duplicate) -> str:
    return type(outcome).__name__.lower()
