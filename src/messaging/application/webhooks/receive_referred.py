"""Receives webhooks that do not come by HTTP, at an address that carries an account and a reference of ours.

Nobody signs them. The reference, which is keyed for the account's tenant, proves that this platform wrote the address.
They are stored as all webhooks are, sealed and once, and processed and replayed by the same code.
"""

import logging

from messaging.application.ports.clock import Clock
from messaging.application.ports.providers.webhooks import Referred
from messaging.application.webhooks.receive import (
    Arriving,
    Duplicate,
    Endpoint,
    Endpoints,
    Forged,
    Stored,
    StoreWebhook,
    Unknown,
)
from messaging.domain.messages import reference
from messaging.domain.shared.ids import AccountId, Prefix, typeid

log = logging.getLogger(__name__)


class StoreReferredWebhook:
    def __init__(self, *, endpoints: Endpoints, accept: StoreWebhook, clock: Clock) -> None:
        self._endpoints = endpoints
        self._accept = accept
        self._clock = clock

    async def knows(self, provider: str, account_id: AccountId, text: str) -> bool:
        """Whether the reference was written for the account's tenant; asked before the content is read."""
        found = await self._find(provider, account_id, text)
        if isinstance(found, Endpoint):
            return True
        self._accept.count(provider, found)
        return False

    async def __call__(self, provider: str, referred: Referred) -> Unknown | Forged | Stored | Duplicate:
        """Raises StoreUnavailable or Overloaded; the webhook must not be acknowledged then."""
        found = await self._find(provider, referred.account_id, referred.reference)
        outcome = await self._keep(found, referred) if isinstance(found, Endpoint) else found
        self._accept.count(provider, outcome)
        return outcome

    async def _find(self, provider: str, account_id: AccountId, text: str) -> Endpoint | Unknown | Forged:
        endpoint = await self._endpoints.find_account(provider, account_id)
        if endpoint is None:
            return Unknown()
        if reference.verify(text, endpoint.cipher.tag) is None:
            log.warning("webhook.forged", extra={"account": typeid(Prefix.ACCOUNT, account_id), "provider": provider})
            return Forged()
        return endpoint

    async def _keep(self, endpoint: Endpoint, referred: Referred) -> Stored | Duplicate:
        arriving = Arriving(
            provider=endpoint.account.provider,
            token=endpoint.account.webhook_token,
            headers=referred.headers,
            body=referred.body,
            method=referred.method,
            query=referred.query,
        )
        return await self._accept.keep(endpoint, self._accept.request(arriving), self._clock.now())
