"""A tenant and what belongs to it: API keys, provider accounts and senders."""

import hashlib
import hmac
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import AccountId, KeyId, SenderId, TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.unclear import UnclearByMode
from messaging.domain.tenants.limits import SubmissionLimits


class TenantStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


class Tenant(Struct, frozen=True, kw_only=True):
    id: TenantId
    name: str
    status: TenantStatus
    created_at: datetime
    limits: SubmissionLimits | None = None
    on_unknown: UnclearByMode = UnclearByMode()


class KeyRole(StrEnum):
    """What a key is for; which operations that opens is the API's table of roles."""

    # Everything, settings included.
    OWNER = "owner"
    # Reads everything, and decides about messages that wait for a person.
    OPERATOR = "operator"
    # Sends, and follows what was sent.
    SENDER = "sender"
    READER = "reader"


MANAGES_ACCOUNTS: Final = frozenset({KeyRole.OWNER})
"""Roles that connect and change provider accounts, and so may know where their webhooks go."""


class ApiKey(Struct, frozen=True, kw_only=True):
    """A tenant's key. Only the SHA-256 of the secret is kept: its 160+ random bits need no slow hash."""

    id: KeyId
    tenant_id: TenantId
    public_id: str
    secret_sha256: bytes
    mode: Mode
    name: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    role: KeyRole = KeyRole.OWNER

    def opens_with(self, secret: str, *, now: datetime) -> bool:
        """Whether the secret is right and the key valid. The comparison takes constant time and comes first, so that
        timing does not tell whether the key is revoked.
        """
        right = hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), self.secret_sha256)
        in_force = self.revoked_at is None and (self.expires_at is None or self.expires_at > now)
        return right and in_force


class AccountStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"
    # Hidden with its senders and templates; webhooks about its messages are still processed.
    DELETED = "deleted"


class ProviderAccount(Struct, frozen=True, kw_only=True):
    """Credentials at one provider. `external_id` is its own id for the account.

    `sealed_credentials` is ciphertext; `webhook_token` is the unguessable part of the account's webhook path.
    """

    id: AccountId
    tenant_id: TenantId
    provider: str
    mode: Mode
    name: str
    external_id: str
    sealed_credentials: bytes
    webhook_token: str
    status: AccountStatus
    created_at: datetime


class SenderStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"


class Sender(Struct, frozen=True, kw_only=True):
    """An identity messages leave from. `external_id` is the provider's id of it.

    `per_second` is the provider's throughput for it; `rank` breaks ties when routing (lowest first).
    """

    id: SenderId
    tenant_id: TenantId
    account_id: AccountId
    channel: Channel
    mode: Mode
    external_id: str
    address: str
    name: str
    status: SenderStatus
    created_at: datetime
    per_second: int
    rank: int = 0


class Principal(Struct, frozen=True, kw_only=True):
    """Who is asking: a tenant, through one of its keys, in that key's mode and role."""

    tenant_id: TenantId
    key_id: KeyId
    mode: Mode
    role: KeyRole = KeyRole.OWNER
