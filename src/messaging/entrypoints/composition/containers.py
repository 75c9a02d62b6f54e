"""What is built from what? The whole object graph of a process as a list; nothing is looked up anywhere else."""

from datetime import timedelta
from typing import Any, Final

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import (
    Container,
    DependenciesContainer,
    Dependency,
    Dict,
    Object,
    Singleton,
)

from messaging.adapters.arq.consumer import ArqJobConsumer
from messaging.adapters.arq.queue import ArqJobQueue
from messaging.adapters.crypto.keyring import AesKeyRing
from messaging.adapters.postgres.callbacks import PostgresCallbackStore
from messaging.adapters.postgres.health import PostgresHealth
from messaging.adapters.postgres.idempotency import PostgresIdempotency
from messaging.adapters.postgres.snapshots import PostgresSnapshots
from messaging.adapters.postgres.submissions import PostgresSubmissions
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.adapters.postgres.upkeep import PostgresUpkeep
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.adapters.providers.whatsapp_cloud.webhooks import WhatsAppCallbackReader
from messaging.adapters.redis.rate_limits import RedisRateLimits
from messaging.adapters.redis.sender_health import RedisHealthRecords
from messaging.adapters.redis.submission_limits import RedisSubmissionLimits
from messaging.adapters.telemetry.prometheus import PrometheusTelemetry
from messaging.application.conversations.queries import ListInbound
from messaging.application.conversations.receive import ReceiveInbound
from messaging.application.gather import Gatherer
from messaging.application.inbox.accept import AcceptCallback
from messaging.application.inbox.process import ProcessCallbacks
from messaging.application.inbox.rematch import RematchReceipts
from messaging.application.inbox.replay import ReplayCallbacks
from messaging.application.messages.act import ActOnMessages
from messaging.application.messages.admission import LimitTerms
from messaging.application.messages.cancel import CancelMessage
from messaging.application.messages.check import CheckMessage
from messaging.application.messages.check_silent import CheckSilent, CheckTerms
from messaging.application.messages.deliver import DeliverMessages
from messaging.application.messages.delivery_terms import DeliveryTerms
from messaging.application.messages.discard import DiscardDeadLetter
from messaging.application.messages.expire_held import ExpireHeld
from messaging.application.messages.guard_senders import GuardSenders
from messaging.application.messages.known_health import KnownHealth
from messaging.application.messages.limit import LimitSubmissions
from messaging.application.messages.outgoing import RenderOutgoing
from messaging.application.messages.quarantine import NoticeFailover, QuarantineAfterFailover
from messaging.application.messages.queries import (
    FindDeadLetter,
    FindMessage,
    ListDeadLetters,
    ListEvents,
    ListMessages,
)
from messaging.application.messages.reconcile import ReconcileReceipts
from messaging.application.messages.retry import RetryDeadLetter, RetryMessage
from messaging.application.messages.stop_waiting import StopWaiting
from messaging.application.messages.submit import SubmitMessages
from messaging.application.templates.create import CreateTemplate
from messaging.application.templates.queries import FindTemplate, ListTemplates
from messaging.application.templates.sync import SyncTemplates
from messaging.application.tenants.add_sender import AddSender, ChangeSender
from messaging.application.tenants.authenticate import Authenticate
from messaging.application.tenants.change_tenant import ChangeTenant
from messaging.application.tenants.ciphers import OpenAccount
from messaging.application.tenants.connect_account import ChangeAccount, ConnectAccount
from messaging.application.tenants.create_tenant import CreateTenant
from messaging.application.tenants.issue_key import IssueAdminKey, IssueKey
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
from messaging.application.tenants.revoke_key import RevokeKey
from messaging.application.tenants.routing_rules import ListRules, ReplaceRules
from messaging.application.tenants.sender_healths import SenderHealths
from messaging.domain.messages.lifecycle import EchoGrace
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.witnesses import WitnessRule
from messaging.entrypoints.composition import terms
from messaging.entrypoints.composition.clock import SystemClock, new_id
from messaging.entrypoints.composition.health import ProcessHealth
from messaging.entrypoints.composition.resources import Resources
from messaging.entrypoints.settings import Settings
from messaging.entrypoints.telemetry import Operations

_BATCHES_WAITING: Final = 64


def _master_key(settings: Settings) -> bytes:
    return settings.master_key.as_bytes


def _terms(settings: Settings, worker: str) -> DeliveryTerms:
    return DeliveryTerms(
        worker=worker,
        batch=settings.delivery_batch,
        concurrency=settings.delivery_concurrency,
        lease=timedelta(seconds=settings.claim_lease_seconds),
        sending_lease=timedelta(seconds=settings.sending_lease_seconds),
        grace=_grace(settings),
        check_every=_check_every(settings),
    )


def _limit_terms(settings: Settings) -> LimitTerms:
    return LimitTerms(
        share=settings.rate_limit_share,
        tenant=settings.tenant_per_second,
        account=settings.account_per_second,
        flow=settings.flow_per_second,
    )


def _grace(settings: Settings) -> EchoGrace:
    if settings.echo_grace_seconds is None:
        return ECHO_GRACE
    return dict.fromkeys(ECHO_GRACE, timedelta(seconds=settings.echo_grace_seconds))


def _check_every(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.check_every_seconds)


def _check_terms(settings: Settings) -> CheckTerms:
    return CheckTerms(every=_check_every(settings), per_hour=settings.history_requests_per_hour)


def _witness_rule(settings: Settings) -> WitnessRule:
    return WitnessRule(witnesses=settings.witnesses, margin=timedelta(seconds=settings.witness_margin_seconds))


class Adapters(DeclarativeContainer):
    """The outside world, behind the ports. `worker` is the name under which this process holds leases."""

    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    resources: Dependency[Resources] = Dependency(instance_of=Resources)

    clock = Singleton(SystemClock)
    new_id = Object(new_id)
    telemetry = Singleton(PrometheusTelemetry, registry=resources.provided.registry)
    key_ring = Singleton(AesKeyRing, Singleton(_master_key, settings))

    open_uow = Singleton(PostgresUnitOfWorkFactory, engine=resources.provided.engines.app)
    open_system_uow = Singleton(PostgresSystemUnitOfWorkFactory, engine=resources.provided.engines.system)
    submissions = Singleton(PostgresSubmissions, engine=resources.provided.engines.app)
    callback_store = Singleton(PostgresCallbackStore, engine=resources.provided.engines.system)
    idempotency = Singleton(PostgresIdempotency, engine=resources.provided.engines.system)
    snapshots = Singleton(PostgresSnapshots, engine=resources.provided.engines.system)
    upkeep = Singleton(
        PostgresUpkeep,
        engine=resources.provided.engines.system,
        retention=Singleton(terms.retention, settings),
        telemetry=telemetry,
    )
    store_health = Singleton(PostgresHealth, engine=resources.provided.engines.system)

    limits = Singleton(RedisRateLimits, redis=resources.provided.redis)
    submission_limits = Singleton(RedisSubmissionLimits, redis=resources.provided.redis)
    health_records = Singleton(RedisHealthRecords, redis=resources.provided.redis)
    queue = Singleton(ArqJobQueue, redis=resources.provided.redis)
    consumer = Singleton(ArqJobConsumer, url=settings.provided.redis_url.value)
    health = Singleton(ProcessHealth, store=store_health, redis=resources.provided.redis)
    operations = Singleton(Operations, health, resources.provided.registry)

    gateways = Dict(
        whatsapp_cloud=Singleton(
            WhatsAppCloudGateway,
            http=resources.provided.http,
            live_base_url=settings.provided.whatsapp_base_url.value,
            sandbox_base_url=settings.provided.sandbox_base_url.value,
            graph_version=settings.provided.whatsapp_graph_version,
            message_history=settings.provided.whatsapp_message_history,
        ),
    )
    readers = Dict(whatsapp_cloud=Singleton(WhatsAppCallbackReader))


class TenantUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()

    webhooks_url = settings.provided.webhooks_public_url.value
    authenticate = Singleton(Authenticate, snapshots=adapters.snapshots, clock=adapters.clock)
    who_am_i = Singleton(WhoAmI, snapshots=adapters.snapshots)

    create_tenant = Singleton(
        CreateTenant,
        open_system_uow=adapters.open_system_uow,
        key_ring=adapters.key_ring,
        clock=adapters.clock,
        new_id=adapters.new_id,
    )
    change_tenant = Singleton(ChangeTenant, open_system_uow=adapters.open_system_uow)
    find_tenant = Singleton(FindTenant, open_system_uow=adapters.open_system_uow)
    list_tenants = Singleton(ListTenants, open_system_uow=adapters.open_system_uow)

    issue_key = Singleton(
        IssueKey,
        open_uow=adapters.open_uow,
        open_system_uow=adapters.open_system_uow,
        clock=adapters.clock,
        new_id=adapters.new_id,
    )
    issue_admin_key = Singleton(
        IssueAdminKey, open_system_uow=adapters.open_system_uow, clock=adapters.clock, new_id=adapters.new_id
    )
    revoke_key = Singleton(RevokeKey, open_uow=adapters.open_uow, clock=adapters.clock)
    list_keys = Singleton(ListKeys, open_uow=adapters.open_uow, find_tenant=find_tenant)

    connect_account = Singleton(
        ConnectAccount,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        clock=adapters.clock,
        new_id=adapters.new_id,
        webhooks_url=webhooks_url,
    )
    change_account = Singleton(
        ChangeAccount,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        webhooks_url=webhooks_url,
    )
    find_account = Singleton(FindAccount, open_uow=adapters.open_uow, webhooks_url=webhooks_url)
    list_accounts = Singleton(ListAccounts, open_uow=adapters.open_uow, webhooks_url=webhooks_url)
    open_account = Singleton(OpenAccount, snapshots=adapters.snapshots, key_ring=adapters.key_ring)

    healths = Singleton(SenderHealths, records=adapters.health_records)
    add_sender = Singleton(
        AddSender, open_uow=adapters.open_uow, healths=healths, clock=adapters.clock, new_id=adapters.new_id
    )
    change_sender = Singleton(ChangeSender, open_uow=adapters.open_uow, healths=healths)
    find_sender = Singleton(FindSender, open_uow=adapters.open_uow, healths=healths)
    list_senders = Singleton(ListSenders, open_uow=adapters.open_uow, healths=healths)

    list_rules = Singleton(ListRules, open_uow=adapters.open_uow)
    replace_rules = Singleton(ReplaceRules, open_uow=adapters.open_uow, new_id=adapters.new_id)


class TemplateUseCases(DeclarativeContainer):
    adapters: Any = DependenciesContainer()
    tenants: Any = DependenciesContainer()

    create = Singleton(
        CreateTemplate,
        open_uow=adapters.open_uow,
        open_connection=tenants.open_account,
        gateways=adapters.gateways,
        new_id=adapters.new_id,
    )
    sync = Singleton(
        SyncTemplates,
        open_uow=adapters.open_uow,
        open_connection=tenants.open_account,
        gateways=adapters.gateways,
        new_id=adapters.new_id,
    )
    find = Singleton(FindTemplate, open_uow=adapters.open_uow)
    list = Singleton(ListTemplates, open_uow=adapters.open_uow)


class MessageUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()
    worker: Dependency[str] = Dependency(instance_of=str)

    submit = Singleton(
        SubmitMessages,
        # The group-commit door: concurrent requests share a transaction.
        accept=Singleton(Gatherer, adapters.submissions.provided.accept_many),
        # A thousand messages take a few megabytes until they are stored.
        accept_batch=Singleton(
            Gatherer, adapters.submissions.provided.accept_many, max_batch=1, capacity=_BATCHES_WAITING, writers=4
        ),
        limit=Singleton(
            LimitSubmissions,
            quotas=adapters.submission_limits,
            snapshots=adapters.snapshots,
            default=Singleton(terms.submission_limits, settings),
            telemetry=adapters.telemetry,
        ),
        submissions=adapters.submissions,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        open_uow=adapters.open_uow,
        clock=adapters.clock,
        new_id=adapters.new_id,
        telemetry=adapters.telemetry,
    )
    check = Singleton(
        CheckMessage,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        open_uow=adapters.open_uow,
        clock=adapters.clock,
        new_id=adapters.new_id,
    )
    find = Singleton(FindMessage, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring)
    list = Singleton(ListMessages, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring)
    list_events = Singleton(ListEvents, open_uow=adapters.open_uow)
    cancel = Singleton(CancelMessage, open_uow=adapters.open_uow)
    retry = Singleton(RetryMessage, open_uow=adapters.open_uow)
    find_dead_letter = Singleton(FindDeadLetter, open_uow=adapters.open_uow)
    list_dead_letters = Singleton(ListDeadLetters, open_uow=adapters.open_uow)
    retry_dead_letter = Singleton(RetryDeadLetter, open_uow=adapters.open_uow, retry_message=retry)
    discard_dead_letter = Singleton(DiscardDeadLetter, open_uow=adapters.open_uow)
    act = Singleton(ActOnMessages, open_uow=adapters.open_uow)

    reconcile = Singleton(
        ReconcileReceipts,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        clock=adapters.clock,
        telemetry=adapters.telemetry,
        check_every=Singleton(_check_every, settings),
    )
    guard = Singleton(
        GuardSenders,
        health=Singleton(
            KnownHealth, records=adapters.health_records, clock=adapters.clock, telemetry=adapters.telemetry
        ),
        snapshots=adapters.snapshots,
    )
    expire_held = Singleton(ExpireHeld, open_uow=adapters.open_system_uow, guard=guard)
    deliver = Singleton(
        DeliverMessages,
        open_uow=adapters.open_system_uow,
        snapshots=adapters.snapshots,
        render=Singleton(RenderOutgoing, snapshots=adapters.snapshots, key_ring=adapters.key_ring),
        gateways=adapters.gateways,
        limits=adapters.limits,
        guard=guard,
        reconcile=reconcile,
        telemetry=adapters.telemetry,
        terms=Singleton(_terms, settings, worker),
        limit_terms=Singleton(_limit_terms, settings),
    )
    stop_waiting = Singleton(
        StopWaiting,
        open_uow=adapters.open_system_uow,
        telemetry=adapters.telemetry,
        grace=Singleton(_grace, settings),
        rule=Singleton(_witness_rule, settings),
    )
    check_silent = Singleton(
        CheckSilent,
        open_uow=adapters.open_system_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        gateways=adapters.gateways,
        telemetry=adapters.telemetry,
        terms=Singleton(_check_terms, settings),
    )
    notice_failover = Singleton(NoticeFailover, open_uow=adapters.open_system_uow)
    quarantine = Singleton(
        QuarantineAfterFailover,
        open_uow=adapters.open_system_uow,
        notice=notice_failover,
        grace=Singleton(_grace, settings),
    )


class ConversationUseCases(DeclarativeContainer):
    adapters: Any = DependenciesContainer()

    receive = Singleton(
        ReceiveInbound,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        new_id=adapters.new_id,
        clock=adapters.clock,
        telemetry=adapters.telemetry,
    )
    list = Singleton(ListInbound, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring)


class InboxUseCases(DeclarativeContainer):
    adapters: Any = DependenciesContainer()
    conversations: Any = DependenciesContainer()
    messages: Any = DependenciesContainer()

    accept = Singleton(
        AcceptCallback,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        readers=adapters.readers,
        # A provider waits for the answer, but not for its milliseconds; a commit costs more than ten rows in it.
        store=Singleton(Gatherer, adapters.callback_store.provided.store_many, writers=1, pause=0.005),
        new_id=adapters.new_id,
        clock=adapters.clock,
        telemetry=adapters.telemetry,
    )
    process = Singleton(
        ProcessCallbacks,
        open_uow=adapters.open_system_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        readers=adapters.readers,
        reconcile=messages.reconcile,
        receive=conversations.receive,
        telemetry=adapters.telemetry,
    )
    replay = Singleton(ReplayCallbacks, open_uow=adapters.open_system_uow)
    rematch = Singleton(RematchReceipts, open_uow=adapters.open_system_uow, reconcile=messages.reconcile)


class Application(DeclarativeContainer):
    """One per process. `worker` names the process in leases and logs."""

    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    resources: Dependency[Resources] = Dependency(instance_of=Resources)
    worker: Dependency[str] = Dependency(instance_of=str)

    adapters: Any = Container(Adapters, settings=settings, resources=resources)
    tenants: Any = Container(TenantUseCases, settings=settings, adapters=adapters)
    templates: Any = Container(TemplateUseCases, adapters=adapters, tenants=tenants)
    messages: Any = Container(MessageUseCases, settings=settings, adapters=adapters, worker=worker)
    conversations: Any = Container(ConversationUseCases, adapters=adapters)
    inbox: Any = Container(InboxUseCases, adapters=adapters, conversations=conversations, messages=messages)


def build(settings: Settings, resources: Resources, *, worker: str) -> Application:
    """A fresh graph; raises when the list above contradicts itself."""
    application = Application(settings=settings, resources=resources, worker=worker)
    application.check_dependencies()
    return application
