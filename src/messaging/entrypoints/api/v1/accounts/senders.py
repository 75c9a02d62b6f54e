"""The identities messages leave from, and which of them serves whom: /v1/senders, /v1/routing-rules."""

from typing import Annotated

from litestar import Controller, Response, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import UNSET, Meta, Struct, UnsetType

from messaging.application.tenants.accounts.add_sender import AddSender, ChangeSender, NewSender, SenderChanges
from messaging.application.tenants.queries import FindSender, ListSenders
from messaging.application.tenants.routing_rules import ListRules, NewRule, ReplaceRules
from messaging.application.tenants.views import RulesView, SenderView
from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import AccountId, Prefix, SenderId, parse_typeid
from messaging.domain.tenants.tenant import SenderStatus
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.edge.operations import operation

Id = Annotated[str, Meta(min_length=1, max_length=100)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
PerSecond = Annotated[int, Meta(ge=1, le=10_000, description="The provider's limit for this sender.")]
Rank = Annotated[int, Meta(ge=0, le=1_000, description="The lowest is preferred when no rule decides.")]


class AddSenderBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`external_id` is the provider's id for it, `address` what people see."""

    account_id: Id
    channel: Channel
    external_id: Id
    address: Annotated[str, Meta(min_length=1, max_length=320, examples=["+14155550100"])]
    name: Name
    per_second: Annotated[
        PerSecond | None,
        Meta(description="The provider's limit for this sender; without it, the provider's usual one."),
    ] = None
    rank: Rank = 0
    verify: bool | None = None

    def to_new(self) -> NewSender:
        account_id = parse_typeid(Prefix.ACCOUNT, self.account_id)
        return NewSender(
            account_id=None if account_id is None else AccountId(account_id),
            channel=self.channel,
            external_id=self.external_id,
            address=self.address,
            name=self.name,
            per_second=self.per_second,
            rank=self.rank,
            verify=self.verify,
        )


class ChangeSenderBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is. A paused sender sends nothing until it is active again."""

    name: Name | UnsetType = UNSET
    status: SenderStatus | UnsetType = UNSET
    per_second: PerSecond | UnsetType = UNSET
    rank: Rank | UnsetType = UNSET

    def to_changes(self) -> SenderChanges:
        return SenderChanges(name=self.name, status=self.status, per_second=self.per_second, rank=self.rank)


class RuleBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recipients whose number starts with one of `prefixes`; without any, every recipient of the channel."""

    channel: Channel
    sender_id: Id
    prefixes: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{0,14}$", examples=["+55"])], ...], Meta(max_length=300)
    ] = ()

    def to_new(self) -> NewRule:
        sender_id = parse_typeid(Prefix.SENDER, self.sender_id)
        return NewRule(
            channel=self.channel,
            sender_id=None if sender_id is None else SenderId(sender_id),
            prefixes=self.prefixes,
        )


class ReplaceRulesBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All rules of the key's mode, in the order in which they are tried."""

    rules: Annotated[tuple[RuleBody, ...], Meta(max_length=200)]


ADD = Body(AddSenderBody)
CHANGE = Body(ChangeSenderBody)
RULES = Body(ReplaceRulesBody)
PAGE = Query(PageQuery)

_EXAMPLE = {
    "account_id": "acc_01kaf8v3e5f8k9m2n4p6q8r0st",
    "channel": "whatsapp",
    "external_id": "106540352242922",
    "address": "+14155550100",
    "name": "Orders",
}


class SendersController(Controller):
    path = "/v1/senders"

    @post(
        "/",
        status_code=201,
        opt=operation(
            "add_sender",
            "Senders",
            "Add a sender",
            status=201,
            body=AddSenderBody,
            example=_EXAMPLE,
            returns=SenderView,
            problems=(
                "quota_exceeded",
                "already_exists",
            ),
        ),
    )
    async def add(
        self, request: TenantRequest, add_sender: NamedDependency[AddSender], once: NamedDependency[Once]
    ) -> Response[bytes]:
        body, raw = await ADD.read(request)
        return await once(request, raw, lambda: add_sender(request.auth, body.to_new()), status=201)

    @get(
        "/",
        opt=operation(
            "list_senders",
            "Senders",
            "List senders, newest first",
            query=PageQuery,
            returns=ListView[SenderView],
        ),
    )
    async def list_senders(
        self,
        request: TenantRequest,
        list_senders: NamedDependency[ListSenders],
        cursors: NamedDependency[Cursors],
    ) -> ListView[SenderView]:
        query = PAGE.read(request)
        page = await list_senders(request.auth, before=cursors.uuid(request, query), limit=query.limit)
        return cursors.view(request, query, page)

    @get("/{sender_id:str}", opt=operation("get_sender", "Senders", "Get a sender", returns=SenderView))
    async def get_sender(
        self, request: TenantRequest, sender_id: FromPath[str], find_sender: NamedDependency[FindSender]
    ) -> SenderView:
        return await find_sender(request.auth, SenderId(in_path(Prefix.SENDER, sender_id)))

    @patch(
        "/{sender_id:str}",
        opt=operation(
            "change_sender",
            "Senders",
            "Change a sender",
            body=ChangeSenderBody,
            example={"status": "paused"},
            returns=SenderView,
        ),
    )
    async def change(
        self,
        request: TenantRequest,
        sender_id: FromPath[str],
        change_sender: NamedDependency[ChangeSender],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = SenderId(in_path(Prefix.SENDER, sender_id))
        body, raw = await CHANGE.read(request)
        return await once(request, raw, lambda: change_sender(request.auth, id, body.to_changes()), status=200)


class RulesController(Controller):
    path = "/v1/routing-rules"

    @get("/", opt=operation("list_routing_rules", "Senders", "List the routing rules", returns=RulesView))
    async def list_rules(self, request: TenantRequest, list_rules: NamedDependency[ListRules]) -> RulesView:
        return await list_rules(request.auth)

    @put(
        "/",
        opt=operation(
            "replace_routing_rules",
            "Senders",
            "Replace the routing rules",
            body=ReplaceRulesBody,
            example={
                "rules": [{"channel": "whatsapp", "sender_id": "snd_01kaf8v3e5f8k9m2n4p6q8r0st", "prefixes": ["+55"]}]
            },
            returns=RulesView,
        ),
    )
    async def replace(
        self,
        request: TenantRequest,
        replace_rules: NamedDependency[ReplaceRules],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        body, raw = await RULES.read(request)
        new = [rule.to_new() for rule in body.rules]
        return await once(request, raw, lambda: replace_rules(request.auth, new), status=200)
