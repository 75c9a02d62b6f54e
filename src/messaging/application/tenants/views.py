"""Public views of a tenant's configuration: public ids, no secrets."""

from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from messaging.domain.channels.address import Channel
from messaging.domain.messages.pacing.breaker import BreakerState, Trouble
from messaging.domain.messages.pacing.pace import factor_at
from messaging.domain.messages.pacing.sender_health import Health, held_until
from messaging.domain.shared.ids import Prefix, typeid
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.unclear import UnclearByMode
from messaging.domain.tenants.limits import SubmissionLimits
from messaging.domain.tenants.routing import RoutingRule
from messaging.domain.tenants.tenant import (
    MANAGES_ACCOUNTS,
    AccountStatus,
    ApiKey,
    KeyRole,
    ProviderAccount,
    Sender,
    SenderStatus,
    Tenant,
    TenantStatus,
)


class TenantView(Struct, frozen=True, kw_only=True):
    """`limits` is null while the platform's defaults apply."""

    id: str
    name: str
    status: TenantStatus
    created_at: datetime
    limits: SubmissionLimits | None
    on_unknown: UnclearByMode

    @classmethod
    def of(cls, tenant: Tenant) -> "TenantView":
        return cls(
            id=typeid(Prefix.TENANT, tenant.id),
            name=tenant.name,
            status=tenant.status,
            created_at=tenant.created_at,
            limits=tenant.limits,
            on_unknown=tenant.on_unknown,
        )


class KeyView(Struct, frozen=True, kw_only=True):
    """`hint` is the key's public beginning: enough to recognise it in a list or a leaked file."""

    id: str
    name: str
    mode: Mode
    role: KeyRole
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> "KeyView":
        return cls(
            id=typeid(Prefix.KEY, key.id),
            name=key.name,
            mode=key.mode,
            role=key.role,
            hint=f"mpk_{key.mode}_{key.public_id}",
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )


class IssuedKeyView(Struct, frozen=True, kw_only=True):
    """A new key. `key` is shown this once and cannot be recovered."""

    id: str
    name: str
    mode: Mode
    role: KeyRole
    hint: str
    created_at: datetime
    expires_at: datetime | None
    key: str


class AccountView(Struct, frozen=True, kw_only=True):
    """`webhook_url` is what to enter at the provider as callback URL; null for keys that do not manage accounts."""

    id: str
    provider: str
    mode: Mode
    name: str
    external_id: str
    status: AccountStatus
    webhook_url: str | None
    created_at: datetime

    @classmethod
    def of(cls, account: ProviderAccount, webhooks_url: str, role: KeyRole) -> "AccountView":
        url = f"{webhooks_url.rstrip('/')}/webhooks/{account.provider}/{account.webhook_token}"
        return cls(
            id=typeid(Prefix.ACCOUNT, account.id),
            provider=account.provider,
            mode=account.mode,
            name=account.name,
            external_id=account.external_id,
            status=account.status,
            webhook_url=url if role in MANAGES_ACCOUNTS else None,
            created_at=account.created_at,
        )


class SenderHealthView(Struct, frozen=True, kw_only=True):
    """Whether messages leave from the sender, and how fast: `closed` is the good state.

    `reason` is `unavailable`, `restricted` or `unauthorized`, with the provider's `code`; a fault of the account
    (`scope`) stops the account's other senders as well. Nothing leaves before `retry_at`. `rate_factor` is the part of
    `per_second` in use, below 1 for a while after the provider throttled the sender.
    """

    state: BreakerState
    scope: Literal["sender", "account"] | None
    reason: Trouble | None
    code: str | None
    since: datetime | None
    retry_at: datetime | None
    rate_factor: float

    @classmethod
    def of(cls, sender: Health, account: Health, *, now: float) -> "SenderHealthView":
        by_account = held_until(account) > held_until(sender)
        breaker = (account if by_account else sender).breaker
        stopped = breaker.state is not BreakerState.CLOSED
        held = max(held_until(sender), held_until(account))
        return cls(
            state=breaker.state,
            scope=("account" if by_account else "sender") if stopped else None,
            reason=breaker.trouble if stopped else None,
            code=breaker.code,
            since=datetime.fromtimestamp(breaker.since, UTC) if stopped else None,
            retry_at=datetime.fromtimestamp(held, UTC) if held > now else None,
            rate_factor=round(factor_at(sender.pace, now) * factor_at(account.pace, now), 2),
        )


class SenderView(Struct, frozen=True, kw_only=True):
    """A sender. `health` is null while it is unknown, because Redis is away."""

    id: str
    account_id: str
    channel: Channel
    mode: Mode
    external_id: str
    address: str
    name: str
    status: SenderStatus
    per_second: int
    rank: int
    created_at: datetime
    health: SenderHealthView | None

    @classmethod
    def of(cls, sender: Sender, health: SenderHealthView | None) -> "SenderView":
        return cls(
            id=typeid(Prefix.SENDER, sender.id),
            account_id=typeid(Prefix.ACCOUNT, sender.account_id),
            channel=sender.channel,
            mode=sender.mode,
            external_id=sender.external_id,
            address=sender.address,
            name=sender.name,
            status=sender.status,
            per_second=sender.per_second,
            rank=sender.rank,
            created_at=sender.created_at,
            health=health,
        )


class RuleView(Struct, frozen=True, kw_only=True):
    id: str
    channel: Channel
    sender_id: str
    prefixes: tuple[str, ...]

    @classmethod
    def of(cls, rule: RoutingRule) -> "RuleView":
        return cls(
            id=typeid(Prefix.RULE, rule.id),
            channel=rule.channel,
            sender_id=typeid(Prefix.SENDER, rule.sender_id),
            prefixes=rule.prefixes,
        )


class RulesView(Struct, frozen=True, kw_only=True):
    """Routing rules, in the order in which they are tried."""

    data: tuple[RuleView, ...]


class WhoAmIView(Struct, frozen=True, kw_only=True):
    """The tenant and key behind a request."""

    tenant_id: str
    tenant_name: str
    key_id: str
    mode: Mode
    role: KeyRole
