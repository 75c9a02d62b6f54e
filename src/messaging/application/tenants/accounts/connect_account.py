"""Connects a provider account, and changes or rotates its credentials."""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import FieldInfo, fields, replace

from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.configuration import Duplicate
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.tenants.accounts.ciphers import cipher_of
from messaging.application.tenants.accounts.connections import AccountCredentials, seal_credentials
from messaging.application.tenants.accounts.set_up_account import Candidate, VerifyAccount, stored_account
from messaging.application.tenants.views import AccountView
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import AccountId
from messaging.domain.shared.refusals import already_exists, invalid, not_found
from messaging.domain.tenants.quotas import ConfigurationQuotas, quota_exceeded
from messaging.domain.tenants.tenant import AccountStatus, Principal, ProviderAccount

# 32 characters of base64url: 192 random bits.
_TOKEN_BYTES = 24


def new_webhook_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)


class NewAccount(Struct, frozen=True, kw_only=True):
    provider: str
    name: str
    external_id: str
    credentials: Struct
    verify: bool | None = None
    """Whether the provider is asked first; None: in live mode."""

    def to_candidate(self) -> Candidate:
        return Candidate(provider=self.provider, external_id=self.external_id, credentials=self.credentials)


class ConnectAccount:
    """Connects an account in the mode of the key that asks, so that test traffic cannot reach a live account."""

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        snapshots: Snapshots,
        key_ring: KeyRing,
        clock: Clock,
        new_id: NewId,
        webhooks_url: str,
        quotas: ConfigurationQuotas,
        verify: VerifyAccount,
    ) -> None:
        self._open = open_uow
        self._verify = verify
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._clock = clock
        self._new_id = new_id
        self._webhooks_url = webhooks_url
        self._quotas = quotas

    async def __call__(self, principal: Principal, new: NewAccount) -> AccountView:
        """Raises DomainError: validation_failed, already_exists, provider_unavailable."""
        await self._verify.require(principal, new.to_candidate(), ask=new.verify)
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        id = AccountId(self._new_id())
        account = ProviderAccount(
            id=id,
            tenant_id=principal.tenant_id,
            provider=new.provider,
            mode=principal.mode,
            name=new.name,
            external_id=new.external_id,
            sealed_credentials=seal_credentials(id, new.credentials, cipher),
            webhook_token=new_webhook_token(),
            status=AccountStatus.ACTIVE,
            created_at=self._clock.now(),
        )
        async with self._open(principal.tenant_id, principal.mode) as uow:
            known = await uow.deleted_accounts.account_at(new.provider, new.external_id)
            if known is not None and known.status is not AccountStatus.DELETED:
                raise already_exists("This provider account is connected already. Change it with PATCH.")
            if known is not None:
                revived = _again(known, new, cipher)
                await uow.deleted_accounts.revive_account(revived)
                await uow.commit()
                return AccountView.of(revived, self._webhooks_url, principal.role)
            if not await uow.room.has_room("accounts", self._quotas.accounts):
                raise quota_exceeded("provider accounts", self._quotas.accounts)
            try:
                await uow.accounts.add_account(account)
            except Duplicate as duplicate:
                raise already_exists("This provider account is connected already.") from duplicate
            await uow.commit()
        return AccountView.of(account, self._webhooks_url, principal.role)


def _again(known: ProviderAccount, new: NewAccount, cipher: TenantCipher) -> ProviderAccount:
    """A deleted account, revived under its old id, so that its messages and late receipts belong to it again."""
    sealed = seal_credentials(known.id, new.credentials, cipher)
    return replace(known, name=new.name, status=AccountStatus.ACTIVE, sealed_credentials=sealed)


class AccountChanges(Struct, frozen=True, kw_only=True):
    """Changes of an account. UNSET keeps a value; each credential can be rotated by itself."""

    name: str | UnsetType = UNSET
    status: AccountStatus | UnsetType = UNSET
    credentials: Mapping[str, Any] = {}
    """New values of fields of the provider's credentials, by name."""
    verify: bool | None = None

    @property
    def rotates(self) -> bool:
        """Whether there are new credentials that the provider can be asked about."""
        return bool(self.credentials)


class ChangeAccount:
    """Changes an account. New credentials are checked at the provider first, as those of a new account are."""

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        snapshots: Snapshots,
        key_ring: KeyRing,
        webhooks_url: str,
        credentials: AccountCredentials,
        verify: VerifyAccount,
    ) -> None:
        self._open = open_uow
        self._verify = verify
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._webhooks_url = webhooks_url
        self._credentials = credentials

    async def __call__(self, principal: Principal, id: AccountId, changes: AccountChanges) -> AccountView:
        """Raises DomainError: not_found, validation_failed, provider_unavailable."""
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        if changes.rotates:
            await self._try(principal, await stored_account(self._open, principal, id), cipher, changes)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            account = await uow.accounts.account(id)
            if account is None:
                raise not_found()
            credentials = _rotate(account, self._credentials.open(account, cipher), changes)
            changed = replace(
                account,
                name=account.name if changes.name is UNSET else changes.name,
                status=account.status if changes.status is UNSET else changes.status,
                sealed_credentials=seal_credentials(id, credentials, cipher),
            )
            await uow.accounts.update_account(changed)
            await uow.commit()
        return AccountView.of(changed, self._webhooks_url, principal.role)

    async def _try(
        self, principal: Principal, account: ProviderAccount, cipher: TenantCipher, changes: AccountChanges
    ) -> None:
        credentials = _rotate(account, self._credentials.open(account, cipher), changes)
        candidate = Candidate(provider=account.provider, external_id=account.external_id, credentials=credentials)
        await self._verify.require(principal, candidate, ask=changes.verify)


def _rotate(account: ProviderAccount, old: Struct, changes: AccountChanges) -> Struct:
    """Raises DomainError `validation_failed` with each field that the provider's credentials do not have, or whose
    value they do not allow.
    """
    known = {field.name: field for field in fields(type(old))}
    violations = [
        _not_a_credential(name, account.provider, known) if name not in known else _misfit(value, known[name])
        for name, value in changes.credentials.items()
    ]
    if found := [violation for violation in violations if violation is not None]:
        raise invalid(*found)
    return replace(old, **changes.credentials)


def _not_a_credential(name: str, provider: str, known: Iterable[str]) -> Violation:
    detail = f"An account of {provider} has no such credential. It has: {', '.join(known)}."
    return Violation(pointer=f"/{name}", code="unknown_field", detail=detail)


def _misfit(value: Any, field: FieldInfo) -> Violation | None:
    """The violation of a value outside the field's bounds. It never quotes the value."""
    try:
        msgspec.convert(msgspec.to_builtins(value), field.type)
    except msgspec.ValidationError as error:
        detail = f"{str(error).split(' - at `')[0]}."
        return Violation(pointer=f"/{field.name}", code="invalid_value", detail=detail)
    return None
