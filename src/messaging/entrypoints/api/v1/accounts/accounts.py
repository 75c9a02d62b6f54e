"""Provider accounts, their credentials and their webhook addresses: /v1/provider-accounts."""

from typing import Annotated

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from messaging.application.templates.sync import SyncTemplates
from messaging.application.templates.views import SyncView
from messaging.application.tenants.accounts.connect_account import ChangeAccount, ConnectAccount
from messaging.application.tenants.accounts.delete_account import DeleteAccount
from messaging.application.tenants.accounts.set_up_account import (
    InspectionView,
    NumberView,
    RegisterNumber,
    SubscribeAccount,
    VerifyAccount,
)
from messaging.application.tenants.queries import FindAccount, ListAccounts
from messaging.application.tenants.views import AccountView
from messaging.domain.shared.ids import AccountId, Prefix
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.edge.operations import operation
from messaging.entrypoints.api.v1.accounts.bodies import CHANGING, CONNECTING, VERIFYING, example_of, one_of


class SubscribeBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the account's webhooks are to be delivered."""

    override: bool = True


class RegisterNumberBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of the account's numbers is to be able to send."""

    phone_number_id: Annotated[str, Meta(min_length=1, max_length=100)]
    pin: Annotated[str, Meta(pattern=r"^[0-9]{6}$")]


CONNECT = Body(one_of(CONNECTING))
CHANGE = Body(CHANGING)
VERIFY = Body(one_of(VERIFYING))
SUBSCRIBE = Body(SubscribeBody)
REGISTER = Body(RegisterNumberBody)
PAGE = Query(PageQuery)

_CONNECTING = """\
`provider` tells which credentials are asked for. In live mode the provider is asked first: whether the credentials are
valid, allow what is needed and see the account. What is wrong is in `errors`, and nothing is stored. Then have the
webhooks delivered with `subscribe`, or enter the returned `webhook_url` at the provider as callback URL.\
"""
_DELETING = """\
It disappears with its senders and templates, routing rules to its senders are removed, and the credentials for
calls are forgotten. Nothing else is lost: messages stay, and receipts that come later are still taken. Refused
(`state_conflict`) while messages are under way. Connecting the same account again brings back all but the rules, under
the same ids.\
"""
_SUBSCRIBING = """\
With `override` (the default) the provider delivers this account's messages and receipts to its own `webhook_url`, which
it calls at once to check it; several accounts of one app need that. Without, they go where the app's settings say. News
of templates always goes there.\
"""


class AccountsController(Controller):
    path = "/v1/provider-accounts"

    @post(
        "/",
        status_code=201,
        opt=operation(
            "connect_provider_account",
            "Provider accounts",
            "Connect a provider account",
            description=_CONNECTING,
            status=201,
            body=one_of(CONNECTING),
            examples={shape.of.name: example_of(shape) for shape in CONNECTING},
            returns=AccountView,
            problems=("quota_exceeded", "already_exists", "provider_unavailable"),
        ),
    )
    async def connect(
        self,
        request: TenantRequest,
        connect_account: NamedDependency[ConnectAccount],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        body, raw = await CONNECT.read(request)
        return await once(request, raw, lambda: connect_account(request.auth, body.to_new()), status=201)

    @post(
        "/verify",
        status_code=200,
        opt=operation(
            "verify_provider_account",
            "Provider accounts",
            "Ask the provider about an account",
            description="Answers what connecting it would check, and the account's numbers. Stores nothing.",
            body=one_of(VERIFYING),
            examples={shape.of.name: example_of(shape) for shape in VERIFYING},
            returns=InspectionView,
            problems=("provider_unavailable",),
        ),
    )
    async def verify(
        self,
        request: TenantRequest,
        verify_account: NamedDependency[VerifyAccount],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        body, raw = await VERIFY.read(request)
        return await once(request, raw, lambda: verify_account(request.auth, body.to_candidate()), status=200)

    @get(
        "/",
        opt=operation(
            "list_provider_accounts",
            "Provider accounts",
            "List provider accounts, newest first",
            query=PageQuery,
            returns=ListView[AccountView],
        ),
    )
    async def list_accounts(
        self,
        request: TenantRequest,
        list_accounts: NamedDependency[ListAccounts],
        cursors: NamedDependency[Cursors],
    ) -> ListView[AccountView]:
        query = PAGE.read(request)
        page = await list_accounts(request.auth, before=cursors.uuid(request, query), limit=query.limit)
        return cursors.view(request, query, page)

    @get(
        "/{account_id:str}",
        opt=operation("get_provider_account", "Provider accounts", "Get a provider account", returns=AccountView),
    )
    async def get_account(
        self, request: TenantRequest, account_id: FromPath[str], find_account: NamedDependency[FindAccount]
    ) -> AccountView:
        return await find_account(request.auth, AccountId(in_path(Prefix.ACCOUNT, account_id)))

    @patch(
        "/{account_id:str}",
        opt=operation(
            "change_provider_account",
            "Provider accounts",
            "Change a provider account or rotate its credentials",
            body=CHANGING,
            example={"name": "Main account", "status": "active"},
            problems=("provider_unavailable",),
            returns=AccountView,
        ),
    )
    async def change(
        self,
        request: TenantRequest,
        account_id: FromPath[str],
        change_account: NamedDependency[ChangeAccount],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = AccountId(in_path(Prefix.ACCOUNT, account_id))
        body, raw = await CHANGE.read(request)
        return await once(request, raw, lambda: change_account(request.auth, id, body.to_changes()), status=200)

    @delete(
        "/{account_id:str}",
        status_code=200,
        opt=operation(
            "delete_provider_account",
            "Provider accounts",
            "Disconnect a provider account",
            description=_DELETING,
            returns=AccountView,
            problems=("state_conflict",),
        ),
    )
    async def delete_account_(
        self,
        request: TenantRequest,
        account_id: FromPath[str],
        delete_account: NamedDependency[DeleteAccount],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = AccountId(in_path(Prefix.ACCOUNT, account_id))
        return await once(request, b"", lambda: delete_account(request.auth, id), status=200)

    @post(
        "/{account_id:str}/subscribe",
        status_code=200,
        opt=operation(
            "subscribe_provider_account",
            "Provider accounts",
            "Have the account's webhooks delivered",
            description=_SUBSCRIBING,
            body=SubscribeBody,
            example={"override": True},
            returns=AccountView,
            problems=("provider_refused", "provider_unavailable"),
        ),
    )
    async def subscribe(
        self,
        request: TenantRequest,
        account_id: FromPath[str],
        subscribe_account: NamedDependency[SubscribeAccount],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = AccountId(in_path(Prefix.ACCOUNT, account_id))
        body, raw = await SUBSCRIBE.read(request)
        return await once(request, raw, lambda: subscribe_account(request.auth, id, override=body.override), status=200)

    @post(
        "/{account_id:str}/register-number",
        status_code=200,
        opt=operation(
            "register_number",
            "Provider accounts",
            "Register a number of the account",
            description="Makes it able to send. Providers limit how often a number may be registered.",
            body=RegisterNumberBody,
            example={"phone_number_id": "106540352242922", "pin": "150954"},
            returns=NumberView,
            problems=("provider_refused", "provider_unavailable"),
        ),
    )
    async def register_number_(
        self,
        request: TenantRequest,
        account_id: FromPath[str],
        register_number: NamedDependency[RegisterNumber],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = AccountId(in_path(Prefix.ACCOUNT, account_id))
        body, raw = await REGISTER.read(request)
        return await once(
            request,
            raw,
            lambda: register_number(request.auth, id, external_id=body.phone_number_id, pin=body.pin),
            status=200,
        )

    @post(
        "/{account_id:str}/sync-templates",
        status_code=200,
        opt=operation(
            "sync_templates",
            "Templates",
            "Take over the provider's list of templates",
            returns=SyncView,
            problems=("provider_refused", "provider_unavailable"),
        ),
    )
    async def sync_templates(
        self,
        request: TenantRequest,
        account_id: FromPath[str],
        sync_templates: NamedDependency[SyncTemplates],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = AccountId(in_path(Prefix.ACCOUNT, account_id))
        return await once(request, b"", lambda: sync_templates(request.auth, id), status=200)
