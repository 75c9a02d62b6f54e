"""The API process's application: which routes there are, who guards them, and what they are given."""

from functools import partial

from litestar import Litestar, Router
from litestar.types import ASGIApp
from msgspec import Struct
from msgspec.structs import asdict

from messaging.application.access.admin_keys import IssueAdminKey, ListAdminKeys, RevokeAdminKey, RotateAdminKey
from messaging.application.access.issue_key import IssueKey
from messaging.application.access.revoke_key import RevokeKey
from messaging.application.conversations.queries import ListInbound
from messaging.application.messages.accepting.check import CheckMessage
from messaging.application.messages.accepting.submit import SubmitMessages
from messaging.application.messages.operating.bulk_actions import ActOnMessages
from messaging.application.messages.operating.cancel import CancelMessage
from messaging.application.messages.operating.discard import DiscardDeadLetter
from messaging.application.messages.operating.retry import RetryDeadLetter, RetryMessage
from messaging.application.messages.reading.queries import (
    FindDeadLetter,
    FindMessage,
    ListDeadLetters,
    ListEvents,
    ListMessages,
)
from messaging.application.messages.reading.summarize import SummarizeMessages
from messaging.application.ports.telemetry import Telemetry
from messaging.application.templates.choose import ChooseForTemplate
from messaging.application.templates.create import CreateTemplate
from messaging.application.templates.queries import FindTemplate, ListTemplates
from messaging.application.templates.sync import SyncTemplates
from messaging.application.tenants.accounts.add_sender import AddSender, ChangeSender
from messaging.application.tenants.accounts.connect_account import ChangeAccount, ConnectAccount
from messaging.application.tenants.accounts.delete_account import DeleteAccount
from messaging.application.tenants.accounts.set_up_account import RegisterNumber, SubscribeAccount, VerifyAccount
from messaging.application.tenants.change_tenant import ChangeTenant
from messaging.application.tenants.create_tenant import CreateTenant
from messaging.application.tenants.find_health import FindHealth
from messaging.application.tenants.preferences import ChangePreferences, FindPreferences
from messaging.application.tenants.queries import (
    FindAccount,
    FindSender,
    FindTenant,
    ListAccounts,
    ListKeys,
    ListSenders,
    ListTenants,
    WhoAmI,
)
from messaging.application.tenants.routing_rules import ListRules, ReplaceRules
from messaging.application.webhooks.queries import FindProviderEvent, ListProviderEvents
from messaging.entrypoints.api.admin.sealing import SealForPlatform, SealForTenant
from messaging.entrypoints.api.decoding.cursors import Cursors
from messaging.entrypoints.api.dependencies import use_case
from messaging.entrypoints.api.edge.auth import Door, admin_guard, tenant_guard
from messaging.entrypoints.api.edge.edge import Edge
from messaging.entrypoints.api.edge.errors import HANDLERS
from messaging.entrypoints.api.edge.express import Express
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.probes import ProbesController
from messaging.entrypoints.api.reference.openapi import ADMIN_CONTROLLERS, TENANT_CONTROLLERS
from messaging.entrypoints.api.reference.pages import ReferenceController
from messaging.entrypoints.api.v1.messages.submitting import submit_many, submit_one
from messaging.entrypoints.api.watching import Watch, watching
from messaging.entrypoints.observability.telemetry import AccessLog, Operations


class TenantUseCases(Struct, frozen=True, kw_only=True):
    """What the handlers under /v1 may call; the names are the handlers' parameters."""

    submit_messages: SubmitMessages
    check_message: CheckMessage
    find_message: FindMessage
    list_messages: ListMessages
    summarize_messages: SummarizeMessages
    list_events: ListEvents
    cancel_message: CancelMessage
    retry_message: RetryMessage
    list_dead_letters: ListDeadLetters
    find_dead_letter: FindDeadLetter
    retry_dead_letter: RetryDeadLetter
    discard_dead_letter: DiscardDeadLetter
    act_on_messages: ActOnMessages
    list_inbound: ListInbound
    list_provider_events: ListProviderEvents
    find_provider_event: FindProviderEvent
    create_template: CreateTemplate
    list_templates: ListTemplates
    find_template: FindTemplate
    sync_templates: SyncTemplates
    connect_account: ConnectAccount
    verify_account: VerifyAccount
    change_account: ChangeAccount
    delete_account: DeleteAccount
    subscribe_account: SubscribeAccount
    register_number: RegisterNumber
    find_account: FindAccount
    list_accounts: ListAccounts
    add_sender: AddSender
    change_sender: ChangeSender
    find_sender: FindSender
    list_senders: ListSenders
    find_health: FindHealth
    list_rules: ListRules
    replace_rules: ReplaceRules
    who_am_i: WhoAmI
    choose_for_template: ChooseForTemplate
    find_preferences: FindPreferences
    change_preferences: ChangePreferences


class AdminUseCases(Struct, frozen=True, kw_only=True):
    """What the handlers under /admin/v1 may call."""

    create_tenant: CreateTenant
    change_tenant: ChangeTenant
    find_tenant: FindTenant
    list_tenants: ListTenants
    issue_key: IssueKey
    list_keys: ListKeys
    revoke_key: RevokeKey
    seal_for_tenant: SealForTenant
    issue_admin_key: IssueAdminKey
    list_admin_keys: ListAdminKeys
    revoke_admin_key: RevokeAdminKey
    rotate_admin_key: RotateAdminKey
    seal_for_platform: SealForPlatform


class ApiDependencies(Struct, frozen=True, kw_only=True):
    """Built by the composition root. `watch_snapshots` keeps the configuration fresh until it is cancelled."""

    door: Door
    tenant: TenantUseCases
    admin: AdminUseCases
    cursors: Cursors
    once: Once
    operations: Operations
    telemetry: Telemetry
    access_log: AccessLog
    watch_snapshots: Watch


def create_app(dependencies: ApiDependencies) -> ASGIApp:
    """An ASGI application; it opens and closes nothing, whoever built `dependencies` does."""
    return Edge(
        create_litestar(dependencies),
        express=_express(dependencies),
        log=dependencies.access_log,
        telemetry=dependencies.telemetry,
    )


def _express(dependencies: ApiDependencies) -> dict[tuple[str, str], ASGIApp]:
    work = partial(Express, door=dependencies.door, submit_messages=dependencies.tenant.submit_messages)
    operations = (
        work("submit_message", "/v1/messages", submit_one),
        work("submit_batch", "/v1/messages/batch", submit_many),
    )
    return {("POST", operation.path): operation for operation in operations}


def create_litestar(dependencies: ApiDependencies) -> Litestar:
    """The application without its outermost layer, for looking at its routes."""
    shared = {"cursors": use_case(dependencies.cursors), "once": use_case(dependencies.once)}
    tenant = Router(
        path="",
        route_handlers=list(TENANT_CONTROLLERS),
        guards=[tenant_guard(dependencies.door)],
        dependencies=shared | {name: use_case(item) for name, item in asdict(dependencies.tenant).items()},
    )
    admin = Router(
        path="",
        route_handlers=list(ADMIN_CONTROLLERS),
        guards=[admin_guard(dependencies.door)],
        dependencies=shared | {name: use_case(item) for name, item in asdict(dependencies.admin).items()},
    )
    probes = Router(
        path="", route_handlers=[ProbesController], dependencies={"operations": use_case(dependencies.operations)}
    )
    return Litestar(
        route_handlers=[tenant, admin, probes, ReferenceController],
        exception_handlers=HANDLERS.copy(),
        lifespan=[watching(dependencies.watch_snapshots)],
        openapi_config=None,
        logging_config=None,
    )
