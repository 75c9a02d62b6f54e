"""Gathers the condition of one mode of a tenant: senders, accounts, templates, lanes, and decisions due."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.snapshots import Snapshots, TenantSnapshot
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.ports.vitals import Heard, WebhooksHeard
from messaging.application.tenants.tell_health import TellHealth
from messaging.application.tenants.views import SenderHealthView
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import AccountId, Prefix, typeid
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.refusals import not_found
from messaging.domain.templates.template import Template, TemplateStatus
from messaging.domain.templates.validation import status_violations
from messaging.domain.tenants.tenant import AccountStatus, Principal, ProviderAccount, Sender, SenderStatus

# The most messages counted: in each lane, shared evenly among the senders, and of those that wait for a person.
_COUNTED: Final = 10_000
_FEWEST_OF_A_SENDER: Final = 10
_LISTED: Final = 1_000


class HealthOfSenderView(Struct, frozen=True, kw_only=True):
    """A sender, and whether messages leave from it."""

    id: Annotated[str, Meta(description="The sender's id.")]
    account_id: Annotated[str, Meta(description="The provider account it belongs to.")]
    channel: Channel
    name: Annotated[str, Meta(description="A name for people.")]
    status: SenderStatus
    health: Annotated[
        SenderHealthView | None, Meta(description="Whether messages leave from it; null while that cannot be told.")
    ]


class HealthOfAccountView(Struct, frozen=True, kw_only=True):
    """A provider account, and when its last webhooks came."""

    id: Annotated[str, Meta(description="The account's id.")]
    provider: Annotated[str, Meta(description="The provider's name.")]
    name: Annotated[str, Meta(description="A name for people.")]
    status: AccountStatus
    webhooks_last_at: Annotated[
        datetime | None,
        Meta(description="When its last webhook came; null if none is among the newest 1 000 of all your accounts."),
    ]
    webhooks_set_aside: Annotated[
        int, Meta(description="Webhooks of it that could not be processed; the platform's operator can replay them.")
    ]


class HealthOfTemplateView(Struct, frozen=True, kw_only=True):
    """A template that may not be sent for now, and why."""

    id: Annotated[str, Meta(description="The template's id.")]
    account_id: Annotated[str, Meta(description="The provider account it belongs to.")]
    name: Annotated[str, Meta(description="Its name at the provider.")]
    language: Annotated[str, Meta(description="Its language, as in `en_US`.")]
    status: TemplateStatus
    codes: Annotated[
        tuple[str, ...], Meta(description="The codes with which a message with it is refused (`template_…`).")
    ]


class HealthOfLaneView(Struct, frozen=True, kw_only=True):
    """Messages that wait in one lane, that is, of one channel and priority."""

    channel: Channel
    priority: Priority
    due: Annotated[int, Meta(description="Messages that should be leaving now.")]
    waiting: Annotated[int, Meta(description="Messages whose time is still to come: scheduled, or to be tried again.")]
    oldest_due_at: Annotated[
        datetime | None, Meta(description="Since when the oldest of those that are due has been so; null if none is.")
    ]


class TenantHealthView(Struct, frozen=True, kw_only=True):
    """The condition of the key's mode of the tenant."""

    mode: Mode
    senders: Annotated[tuple[HealthOfSenderView, ...], Meta(description="All senders, at most 1 000.")]
    accounts: Annotated[tuple[HealthOfAccountView, ...], Meta(description="All connected provider accounts.")]
    templates: Annotated[
        tuple[HealthOfTemplateView, ...],
        Meta(description="Templates that may not be sent, without those deleted at the provider; at most 1 000."),
    ]
    lanes: Annotated[
        tuple[HealthOfLaneView, ...],
        Meta(description="Lanes in which anything waits; each counts 10 000 messages at most, evenly by sender."),
    ]
    dead_letters_open: Annotated[
        int, Meta(description="Dead letters that wait for a decision; 10 000 of both modes are looked at.")
    ]
    unconfirmed: Annotated[
        int, Meta(description="Messages in `unconfirmed`; 10 000 of both modes that ever were so are looked at.")
    ]


class FindHealth:
    """Gathers the condition from the configuration in memory and a few bounded queries."""

    def __init__(
        self, *, snapshots: Snapshots, open_uow: OpenUnitOfWork, tell_health: TellHealth, heard: WebhooksHeard
    ) -> None:
        self._snapshots = snapshots
        self._open = open_uow
        self._tell_health = tell_health
        self._heard = heard

    async def __call__(self, principal: Principal) -> TenantHealthView:
        facts = await self._snapshots.tenant(principal.tenant_id)
        if facts is None:
            raise not_found()
        accounts = _accounts(facts, principal.mode)
        senders = [sender for sender in facts.senders.values() if sender.account_id in accounts][:_LISTED]
        most = max(_FEWEST_OF_A_SENDER, _COUNTED // max(1, len(senders)))
        async with self._open(principal.tenant_id, principal.mode) as uow:
            lanes = await uow.vitals.lanes(most=most)
            dead = await uow.vitals.open_dead_letters(most=_COUNTED)
            unconfirmed = await uow.vitals.unconfirmed(most=_COUNTED)
        heard = await self._heard.of(principal.tenant_id)
        return TenantHealthView(
            mode=principal.mode,
            senders=await self._senders(senders),
            accounts=tuple(_account(account, heard.get(id, Heard())) for id, account in accounts.items()),
            templates=_not_sendable(facts, accounts)[:_LISTED],
            lanes=tuple(map(_lane, lanes)),
            dead_letters_open=dead,
            unconfirmed=unconfirmed,
        )

    async def _senders(self, senders: Sequence[Sender]) -> tuple[HealthOfSenderView, ...]:
        known = await self._tell_health(senders)
        return tuple(
            HealthOfSenderView(
                id=typeid(Prefix.SENDER, sender.id),
                account_id=typeid(Prefix.ACCOUNT, sender.account_id),
                channel=sender.channel,
                name=sender.name,
                status=sender.status,
                health=known.get(sender.id),
            )
            for sender in senders
        )


def _accounts(facts: TenantSnapshot, mode: Mode) -> Mapping[AccountId, ProviderAccount]:
    return {
        id: account
        for id, account in facts.accounts.items()
        if account.mode is mode and account.status is not AccountStatus.DELETED
    }


def _account(account: ProviderAccount, heard: Heard) -> HealthOfAccountView:
    return HealthOfAccountView(
        id=typeid(Prefix.ACCOUNT, account.id),
        provider=account.provider,
        name=account.name,
        status=account.status,
        webhooks_last_at=heard.last_at,
        webhooks_set_aside=heard.set_aside,
    )


def _not_sendable(
    facts: TenantSnapshot, accounts: Mapping[AccountId, ProviderAccount]
) -> tuple[HealthOfTemplateView, ...]:
    return tuple(
        _template(template, codes)
        for id in accounts
        for template in facts.templates_of(id).values()
        if template.status is not TemplateStatus.DELETED
        and (codes := tuple(violation.code for violation in status_violations(template)))
    )


def _template(template: Template, codes: tuple[str, ...]) -> HealthOfTemplateView:
    return HealthOfTemplateView(
        id=typeid(Prefix.TEMPLATE, template.id),
        account_id=typeid(Prefix.ACCOUNT, template.account_id),
        name=template.name,
        language=template.language,
        status=template.status,
        codes=codes,
    )


def _lane(depth: LaneDepth) -> HealthOfLaneView:
    return HealthOfLaneView(
        channel=depth.lane.channel,
        priority=depth.lane.priority,
        due=depth.due,
        waiting=depth.waiting,
        oldest_due_at=depth.oldest_due_at,
    )
