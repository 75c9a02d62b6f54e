"""Disconnects a provider account: it is hidden at once with its senders and templates; messages and history stay."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from messaging.application.ports.providers.descriptor import Provider, Providers
from messaging.application.ports.secrets import KeyRing
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.tenants.accounts.ciphers import cipher_of
from messaging.application.tenants.accounts.connections import AccountCredentials, seal_credentials
from messaging.application.tenants.views import AccountView
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import AccountId
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import AccountStatus, Principal

_COUNTED: Final = 1_000


class DeleteAccount:
    """Deletes an account; refused while messages are under way. Messages, their history and late receipts stay.

    The credentials for calls are deleted; those by which webhooks are verified are kept.
    """

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        snapshots: Snapshots,
        key_ring: KeyRing,
        credentials: AccountCredentials,
        providers: Providers,
        webhooks_url: str,
    ) -> None:
        self._open = open_uow
        self._credentials = credentials
        self._providers = providers
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._webhooks_url = webhooks_url

    async def __call__(self, principal: Principal, id: AccountId) -> AccountView:
        """Raises DomainError: not_found, state_conflict."""
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            account = await uow.accounts.account(id)
            if account is None:
                raise not_found()
            if waiting := await uow.selections.under_way(id, most=_COUNTED):
                raise _messages_under_way(waiting)
            kept = _for_webhooks(self._providers[account.provider], self._credentials.open(account, cipher))
            deleted = replace(
                account, status=AccountStatus.DELETED, sealed_credentials=seal_credentials(id, kept, cipher)
            )
            await uow.deleted_accounts.delete_account(deleted)
            await uow.commit()
        return AccountView.of(deleted, self._webhooks_url, principal.role)


def _for_webhooks(provider: Provider, known: Struct) -> Mapping[str, Any]:
    """The credentials by which webhooks are verified; nothing is stored of the others."""
    return {name: value for name, value in asdict(known).items() if name in provider.kept_credentials}


def _messages_under_way(count: int) -> DomainError:
    many = f"{count}" if count < _COUNTED else f"{_COUNTED} or more"
    detail = (
        f"{many} messages of this account are under way. Disable it, so that no more are accepted, then wait for them"
        " or cancel them; GET /v1/messages?status=queued lists those that wait."
    )
    return DomainError("state_conflict", detail)
