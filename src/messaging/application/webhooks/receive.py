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
from msgspec.structs import asdict

from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.platform import WrappedKey
from messaging.application.ports.providers.webhooks import Acknowledgement, WebhookReader, WebhookRequest
from messaging.application.ports.raw_webhooks import RawWebhook
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.tenants.accounts.connections import AccountCredentials, webhook_path
from messaging.application.webhooks import raw
from messaging.domain.shared.ids import AccountId, Prefix, WebhookId, typeid
from messaging.domain.tenants.tenant import ProviderAccount
from messaging.domain.tracing.journey import webhook as webhook_span
from messaging.domain.tracing.journey import webhook_ref

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
    """The webhook was committed by this call, with the dispatch that gets it processed. `answer` is what to reply."""

    answer: Acknowledgement


class Duplicate(Struct, frozen=True, tag="duplicate"):
    """The same request was stored for this account before. `answer` is what to reply."""

    answer: Acknowledgement


class Challenge(Struct, frozen=True, tag="challenge"):
    """The subscription check is genuine; answer with `body` as plain text."""

    body: str


class Arriving(Struct, frozen=True, kw_only=True):
    """A webhook as the HTTP layer saw it. Header names are lower-case; `query` is the part after `?`, as received."""

    provider: str
    token: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    query: str = ""


class Endpoint(Struct, frozen=True):
    """An account that webhooks are for, with what they are verified and sealed with."""

    account: ProviderAccount
    cipher: TenantCipher
    credentials: Struct
    reader: WebhookReader


class Endpoints:
    """Finds the account that a webhook's path names."""

    def __init__(
        self,
        *,
        snapshots: Snapshots,
        key_ring: KeyRing,
        credentials: AccountCredentials,
        readers: Mapping[str, WebhookReader],
    ) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._credentials = credentials
        self._readers = readers
        # Cached by account and data keys, so that credentials are decrypted again when either changes.
        self._opened = lru_cache(maxsize=_REMEMBERED)(self._open)

    def label(self, provider: str) -> str:
        """The provider as a label of a metric: anybody can choose the path, so only a known name becomes one."""
        return provider if provider in self._readers else "unknown"

    async def find(self, provider: str, token: str) -> Endpoint | None:
        if provider not in self._readers or _TOKEN.fullmatch(token) is None:
            return None
        return await self._endpoint(await self._snapshots.account_by_token(token), provider)

    async def find_account(self, provider: str, id: AccountId) -> Endpoint | None:
        """The account with this id, where a webhook brings the id in place of a path."""
        return await self._endpoint(await self._snapshots.account_by_id(id), provider)

    async def _endpoint(self, account: ProviderAccount | None, provider: str) -> Endpoint | None:
        if account is None or account.provider != provider:
            return None
        facts = await self._snapshots.tenant(account.tenant_id)
        return None if facts is None else self._opened(account, facts.data_keys)

    def _open(self, account: ProviderAccount, data_keys: tuple[WrappedKey, ...]) -> Endpoint:
        cipher = self._key_ring.cipher(account.tenant_id, data_keys)
        credentials = self._credentials.open(account, cipher)
        return Endpoint(account, cipher, credentials, self._readers[account.provider])


class StoreWebhook:
    """Stores webhooks. `store` is the group commit in front of the webhook store; it returns False when the bytes are
    stored already.

    Webhooks of disabled accounts and suspended tenants are stored too: they report on messages sent before.
    """

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        public_url: str,
        store: Callable[[RawWebhook], Awaitable[bool]],
        new_id: NewId,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._endpoints = endpoints
        self._public_url = public_url.rstrip("/")
        self._store = store
        self._new_id = new_id
        self._clock = clock
        self._telemetry = telemetry

    async def __call__(self, arriving: Arriving) -> Unknown | Forged | Stored | Duplicate:
        """Raises StoreUnavailable or Overloaded; the webhook must not be acknowledged then."""
        outcome = await self._take(arriving)
        self.count(arriving.provider, outcome)
        return outcome

    async def knows(self, provider: str, token: str) -> bool:
        """Whether the path belongs to an account; asked before the body is read."""
        if await self._endpoints.find(provider, token) is not None:
            return True
        self.count(provider, Unknown())
        return False

    async def handshake(self, arriving: Arriving) -> Unknown | Forged | Challenge:
        """Answer the check by which a provider verifies the webhook's URL before it posts there."""
        endpoint = await self._endpoints.find(arriving.provider, arriving.token)
        if endpoint is None:
            return Unknown()
        body = endpoint.reader.handshake(self.request(arriving), endpoint.credentials)
        if body is None:
            unset = ",".join(name for name, value in asdict(endpoint.credentials).items() if not value)
            log.warning("webhook.handshake_refused", extra={**_who(endpoint), "unset_credentials": unset})
            return Forged()
        return Challenge(body)

    async def _take(self, arriving: Arriving) -> Unknown | Forged | Stored | Duplicate:
        endpoint = await self._endpoints.find(arriving.provider, arriving.token)
        if endpoint is None:
            return Unknown()
        request, now = self.request(arriving), self._clock.now()
        if not await endpoint.reader.verify(request, endpoint.credentials, now=now):
            log.warning("webhook.forged", extra=_who(endpoint))
            return Forged()
        return await self.keep(endpoint, request, now)

    async def keep(self, endpoint: Endpoint, request: WebhookRequest, now: datetime) -> Stored | Duplicate:
        """Store a request that is known to be genuine. Raises StoreUnavailable or Overloaded."""
        webhook = _webhook(endpoint, request, id=WebhookId(self._new_id()), now=now)
        answer = endpoint.reader.acknowledgement
        if not await self._store(webhook):
            return Duplicate(answer)
        if self._telemetry.traces(webhook_ref(webhook.id).trace_id):
            span = webhook_span(webhook.id, provider=webhook.provider, began=now, ended=self._clock.now())
            self._telemetry.emit((span,))
        return Stored(answer)

    def request(self, arriving: Arriving) -> WebhookRequest:
        """The request under the public URL. The path is written anew, because a proxy may have shortened it."""
        url = self._public_url + webhook_path(arriving.provider, arriving.token)
        return WebhookRequest(
            method=arriving.method,
            url=f"{url}?{arriving.query}" if arriving.query else url,
            headers=arriving.headers,
            body=arriving.body,
        )

    def count(self, provider: str, outcome: Unknown | Forged | Stored | Duplicate) -> None:
        self._count(provider, _name(outcome))

    def count_not_stored(self, provider: str) -> None:
        """Count a webhook that the provider has to post again, because it could not be verified or stored."""
        self._count(provider, "not_stored")

    def _count(self, provider: str, outcome: str) -> None:
        self._telemetry.count("webhooks_received", provider=self._endpoints.label(provider), outcome=outcome)


def _who(endpoint: Endpoint) -> dict[str, str]:
    """Account, tenant and provider of a webhook, for a log line."""
    return {
        "account": typeid(Prefix.ACCOUNT, endpoint.account.id),
        "tenant": typeid(Prefix.TENANT, endpoint.account.tenant_id),
        "provider": endpoint.account.provider,
    }


def _webhook(endpoint: Endpoint, request: WebhookRequest, *, id: WebhookId, now: datetime) -> RawWebhook:
    return RawWebhook(
        id=id,
        tenant_id=endpoint.account.tenant_id,
        account_id=endpoint.account.id,
        provider=endpoint.account.provider,
        digest=_digest(request),
        sealed=raw.seal(endpoint.cipher, id, request, endpoint.reader.kept_headers),
        received_at=now,
    )


def _digest(request: WebhookRequest) -> bytes:
    """What repetitions share: the body, and the query where there is one."""
    _, asked, query = request.url.partition("?")
    return hashlib.sha256(f"?{query}\n".encode() + request.body if asked else request.body).digest()


def _name(outcome: Unknown | Forged | Stored | Duplicate) -> str:
    return type(outcome).__name__.lower()
