"""Adds a sender, the identity that messages leave from, and changes its settings."""

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.configuration import Duplicate
from messaging.application.ports.providers.descriptor import Providers
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.tenants.accounts.set_up_account import CheckSender, placeholder
from messaging.application.tenants.tell_health import TellHealth
from messaging.application.tenants.views import SenderView
from messaging.domain.channels.address import Channel
from messaging.domain.channels.table import CHANNELS
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import AccountId, SenderId
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.refusals import already_exists, invalid, not_found
from messaging.domain.tenants.carrying import channel_not_carried
from messaging.domain.tenants.provider_ids import id_violations
from messaging.domain.tenants.quotas import ConfigurationQuotas, quota_exceeded
from messaging.domain.tenants.tenant import Principal, ProviderAccount, Sender, SenderStatus


class NewSender(Struct, frozen=True, kw_only=True):
    """`account_id` is None when the caller's text is not an account id at all, `per_second` where the provider's usual
    rate is meant.
    """

    account_id: AccountId | None
    channel: Channel
    external_id: str
    address: str
    name: str
    per_second: int | None
    rank: int
    verify: bool | None = None
    """Whether the provider is asked for the number first; None: in live mode."""


class AddSender:
    """Adds a sender in its account's mode, which must be the key's own."""

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        tell_health: TellHealth,
        clock: Clock,
        new_id: NewId,
        providers: Providers,
        quotas: ConfigurationQuotas,
        check_number: CheckSender,
    ) -> None:
        self._open = open_uow
        self._providers = providers
        self._quotas = quotas
        self._check_number = check_number
        self._tell_health = tell_health
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, principal: Principal, new: NewSender) -> SenderView:
        """Raises DomainError: validation_failed, already_exists, provider_refused, provider_unavailable."""
        account, new = await self._checked(principal, new)
        if account.mode is Mode.LIVE if new.verify is None else new.verify:
            violations = await self._check_number(account, external_id=new.external_id, address=new.address)
            if violations:
                raise invalid(*violations)
        sender = self._sender(account, new)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            if not await uow.room.has_room("senders", self._quotas.senders):
                raise quota_exceeded("senders", self._quotas.senders)
            try:
                await uow.senders.add_sender(sender)
            except Duplicate as duplicate:
                raise already_exists("This account has a sender with this external_id already.") from duplicate
            await uow.commit()
        return SenderView.of(sender, await self._tell_health.of(sender))

    async def _checked(self, principal: Principal, new: NewSender) -> tuple[ProviderAccount, NewSender]:
        """The sender's account, and the sender with its address in canonical form.

        Raises DomainError `validation_failed` with all that is found without the provider.
        """
        account = None
        if new.account_id is not None:
            async with self._open(principal.tenant_id, principal.mode) as uow:
                account = await uow.accounts.account(new.account_id)
        address, of_account = CHANNELS[new.channel].read_sender(new.address), self._account_violations(new, account)
        if isinstance(address, Violation):
            raise invalid(address, *of_account)
        if account is None or of_account:
            raise invalid(*of_account)
        return account, replace(new, address=address)

    def _account_violations(self, new: NewSender, account: ProviderAccount | None) -> tuple[Violation, ...]:
        if account is None:
            return (_ACCOUNT_UNKNOWN,)
        copied = placeholder("/external_id", new.external_id)
        provider = self._providers[account.provider]
        shape, carried = provider.sender_id, provider.channels
        ids = id_violations(shape.fits(new.external_id), shape.words) if copied is None else (copied,)
        if new.channel in carried:
            return ids
        return (*ids, channel_not_carried(new.channel, account.provider, carried))

    def _sender(self, account: ProviderAccount, new: NewSender) -> Sender:
        return Sender(
            id=SenderId(self._new_id()),
            tenant_id=account.tenant_id,
            account_id=account.id,
            channel=new.channel,
            mode=account.mode,
            external_id=new.external_id,
            address=new.address,
            name=new.name,
            status=SenderStatus.ACTIVE,
            created_at=self._clock.now(),
            per_second=new.per_second or self._providers[account.provider].limits.per_second,
            rank=new.rank,
        )


_ACCOUNT_UNKNOWN = Violation(
    pointer="/account_id",
    code="account_unknown",
    detail="No such provider account. GET /v1/provider-accounts lists the ones this key can use.",
)


class SenderChanges(Struct, frozen=True, kw_only=True):
    """Changes of a sender; UNSET keeps a value."""

    name: str | UnsetType = UNSET
    status: SenderStatus | UnsetType = UNSET
    per_second: int | UnsetType = UNSET
    rank: int | UnsetType = UNSET


class ChangeSender:
    def __init__(self, *, open_uow: OpenUnitOfWork, tell_health: TellHealth) -> None:
        self._open = open_uow
        self._tell_health = tell_health

    async def __call__(self, principal: Principal, id: SenderId, changes: SenderChanges) -> SenderView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            sender = await uow.senders.sender(id)
            if sender is None:
                raise not_found()
            changed = replace(
                sender,
                name=sender.name if changes.name is UNSET else changes.name,
                status=sender.status if changes.status is UNSET else changes.status,
                per_second=sender.per_second if changes.per_second is UNSET else changes.per_second,
                rank=sender.rank if changes.rank is UNSET else changes.rank,
            )
            await uow.senders.update_sender(changed)
            await uow.commit()
        return SenderView.of(changed, await self._tell_health.of(changed))
