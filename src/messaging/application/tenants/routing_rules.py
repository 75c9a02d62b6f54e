"""Reads a tenant's routing rules and replaces them as one list; they choose the default sender for a recipient."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from messaging.application.ports.clock import NewId
from messaging.application.ports.configuration import Senders
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.tenants.views import RulesView, RuleView
from messaging.domain.channels.address import Channel
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import RuleId, SenderId
from messaging.domain.shared.refusals import invalid
from messaging.domain.tenants.routing import RoutingRule
from messaging.domain.tenants.tenant import Principal, Sender


class NewRule(Struct, frozen=True, kw_only=True):
    """`sender_id` is None when the caller's text is not a sender id at all."""

    channel: Channel
    sender_id: SenderId | None
    prefixes: tuple[str, ...]


class ListRules:
    """Lists the rules of the key's own mode, in the order in which they are tried."""

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal) -> RulesView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            own = await uow.routing_rules.rules()
        return RulesView(data=tuple(RuleView.of(rule) for rule in own))


class ReplaceRules:
    """Replaces the rules of the key's mode; those of the other stay, so that a test key never changes how live messages
    leave.
    """

    def __init__(self, *, open_uow: OpenUnitOfWork, new_id: NewId) -> None:
        self._open = open_uow
        self._new_id = new_id

    async def __call__(self, principal: Principal, new: Sequence[NewRule]) -> RulesView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            senders = await _senders(uow.senders, [rule.sender_id for rule in new])
            rules, violations = self._build(new, senders)
            if violations:
                raise invalid(*violations)
            await uow.routing_rules.replace_rules(
                [replace(rule, position=position) for position, rule in enumerate(rules)]
            )
            await uow.commit()
        return RulesView(data=tuple(RuleView.of(rule) for rule in rules))

    def _build(
        self, new: Sequence[NewRule], senders: Mapping[SenderId, Sender]
    ) -> tuple[list[RoutingRule], list[Violation]]:
        rules: list[RoutingRule] = []
        violations: list[Violation] = []
        for index, wanted in enumerate(new):
            sender = None if wanted.sender_id is None else senders.get(wanted.sender_id)
            if sender is None:
                detail = "No such sender. GET /v1/senders lists the ones this key can use."
                violations.append(Violation(pointer=f"/rules/{index}/sender_id", code="sender_unknown", detail=detail))
            elif sender.channel is not wanted.channel:
                detail = f"This sender belongs to {sender.channel}. Change channel or sender_id."
                violations.append(
                    Violation(pointer=f"/rules/{index}/sender_id", code="sender_channel_mismatch", detail=detail)
                )
            else:
                rules.append(
                    RoutingRule(
                        id=RuleId(self._new_id()),
                        channel=wanted.channel,
                        sender_id=sender.id,
                        prefixes=wanted.prefixes,
                    )
                )
        return rules, violations


async def _senders(senders: Senders, wanted: Sequence[SenderId | None]) -> dict[SenderId, Sender]:
    found: dict[SenderId, Sender] = {}
    for id in dict.fromkeys(wanted):
        if id is not None and (sender := await senders.sender(id)) is not None:
            found[id] = sender
    return found
