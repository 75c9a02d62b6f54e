"""Provider accounts, their credentials and their callback addresses: /v1/provider-accounts."""

from typing import Annotated, Literal

from litestar import Controller, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import UNSET, Meta, Struct, UnsetType

from messaging.application.ports.providers import Credentials
from messaging.application.templates.sync import SyncTemplates
from messaging.application.templates.views import SyncView
from messaging.application.tenants.connect_account import AccountChanges, ChangeAccount, ConnectAccount, NewAccount
from messaging.application.tenants.queries import FindAccount, ListAccounts
from messaging.application.tenants.views import AccountView
from messaging.domain.shared.ids import AccountId, Prefix
from messaging.domain.tenants.tenant import AccountStatus
from messaging.entrypoints.api.auth import TenantRequest
from messaging.entrypoints.api.bodies import Body, read_bytes
from messaging.entrypoints.api.cursors import Cursors, ListView
from messaging.entrypoints.api.idempotency import Once
from messaging.entrypoints.api.ids import in_path
from messaging.entrypoints.api.operations import operation
from messaging.entrypoints.api.queries import PageQuery, Query

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Secret = Annotated[str, Meta(min_length=1, max_length=2000)]
AppSecrets = Annotated[
    tuple[Secret, ...],
    Meta(min_length=1, max_length=5, description="Several while one is being rotated: any of them verifies."),
]


class ConnectAccountBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The account gets the mode of the key. Secrets are kept encrypted and never shown again."""

    provider: Literal["whatsapp_cloud"]
    name: Name
    external_id: Annotated[
        str, Meta(min_length=1, max_length=100, description="The provider's id (the WhatsApp Business Account id).")
    ]
    access_token: Secret
    app_secrets: AppSecrets
    verify_token: Annotated[str, Meta(min_length=1, max_length=200)] | None = None

    def to_new(self) -> NewAccount:
        return NewAccount(
            provider=self.provider,
            name=self.name,
            external_id=self.external_id,
            credentials=Credentials(
                access_token=self.access_token, app_secrets=self.app_secrets, verify_token=self.verify_token
            ),
        )


class ChangeAccountBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    name: Name | UnsetType = UNSET
    status: AccountStatus | UnsetType = UNSET
    access_token: Secret | UnsetType = UNSET
    app_secrets: AppSecrets | UnsetType = UNSET
    verify_token: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET

    def to_changes(self) -> AccountChanges:
        return AccountChanges(
            name=self.name,
            status=self.status,
            access_token=self.access_token,
            app_secrets=self.app_secrets,
            verify_token=self.verify_token,
        )


CONNECT = Body(ConnectAccountBody)
CHANGE = Body(ChangeAccountBody)
PAGE = Query(PageQuery)

_EXAMPLE = {
    "provider": "whatsapp_cloud",
    "name": "Main WhatsApp account",
    "external_id": "102290129340398",
    "access_token": "EAAG…",
    "app_secrets": ["614fc2afde15eee07a26b2fe3eaee9b9"],
    "verify_token": "a-word-you-choose",
}


class AccountsController(Controller):
    path = "/v1/provider-accounts"

    @post(
        "/",
        status_code=201,
        opt=operation(
            "connect_provider_account",
            "Provider accounts",
            "Connect a provider account",
            description="Enter the returned `webhook_url` at the provider as callback URL.",
            status=201,
            body=ConnectAccountBody,
            example=_EXAMPLE,
            returns=AccountView,
            problems=(
                "quota_exceeded",
                "already_exists",
            ),
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
            body=ChangeAccountBody,
            example={"access_token": "EAAG…"},
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
        raw = await read_bytes(request)
        return await once(request, raw, lambda: sync_templates(request.auth, id), status=200)
