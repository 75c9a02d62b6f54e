"""The container that builds the adapter behind each port."""

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import Dependency, Object, Singleton

from messaging.adapters.arq.consumer import ArqWakeupConsumer
from messaging.adapters.arq.queue import ArqWakeupQueue
from messaging.adapters.crypto.keyring import AesKeyRing
from messaging.adapters.postgres.callbacks.delivering.depths import PostgresCallbackVitals
from messaging.adapters.postgres.callbacks.delivering.lanes import PostgresLanes
from messaging.adapters.postgres.callbacks.fan_out_unit import PostgresFanOutFactory
from messaging.adapters.postgres.configuration.snapshots import PostgresSnapshots
from messaging.adapters.postgres.messages.idempotency import PostgresIdempotency
from messaging.adapters.postgres.messages.optimistic_writes import PostgresOptimisticWrites
from messaging.adapters.postgres.messages.submissions import PostgresSubmissions
from messaging.adapters.postgres.operations.health import PostgresHealth
from messaging.adapters.postgres.operations.survey import PostgresSurvey
from messaging.adapters.postgres.operations.tenant_totals import PostgresTenantTotals
from messaging.adapters.postgres.operations.upkeep import PostgresUpkeep
from messaging.adapters.postgres.operations.vitals import PostgresWebhooksHeard
from messaging.adapters.postgres.operations.workers import PostgresWorkers
from messaging.adapters.postgres.schema.logins import PostgresLogins
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.adapters.postgres.webhooks.raw_webhooks import PostgresWebhookStore
from messaging.adapters.redis.rate_limits import RedisRateLimits
from messaging.adapters.redis.sender_health import RedisHealthRecords
from messaging.adapters.redis.submission_limits import RedisSubmissionQuotas
from messaging.adapters.telemetry.prometheus import PrometheusTelemetry
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.application.tenants.accounts.connections import AccountCredentials
from messaging.entrypoints.composition import terms
from messaging.entrypoints.composition.clock import SystemClock, new_id
from messaging.entrypoints.composition.health.logins import LoginCheck
from messaging.entrypoints.composition.health.process import ProcessHealth, lanes_carried
from messaging.entrypoints.composition.provider_adapters import build_adapters
from messaging.entrypoints.composition.providers import BY_NAME, CARRIED
from messaging.entrypoints.composition.resources import Resources
from messaging.entrypoints.composition.traces import noted_ends, span_export
from messaging.entrypoints.observability.operations import Operations
from messaging.entrypoints.settings.settings import Settings


class Adapters(DeclarativeContainer):
    """Everything outside of this process, behind the ports of the application."""

    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    resources: Dependency[Resources] = Dependency(instance_of=Resources)
    process: Dependency[str] = Dependency(instance_of=str)

    clock = Singleton(SystemClock)
    new_id = Object(new_id)
    spans = Singleton(span_export, settings, on_close=resources.provided.on_close, process=process)
    telemetry = Singleton(PrometheusTelemetry, registry=resources.provided.registry, spans=spans)
    noted_ends = Singleton(noted_ends, settings)
    key_ring = Singleton(AesKeyRing, Singleton(terms.master_key, settings))

    installed = Object(BY_NAME)
    carried = Object(CARRIED)
    snapshots = Singleton(PostgresSnapshots, engine=resources.provided.engines.system, carried=carried)
    open_uow = Singleton(
        PostgresUnitOfWorkFactory,
        engine=resources.provided.engines.app,
        changed=snapshots.provided.changed,
        listening=snapshots,
    )
    open_system_uow = Singleton(
        PostgresSystemUnitOfWorkFactory,
        engine=resources.provided.engines.system,
        changed=snapshots.provided.changed,
        listening=snapshots,
        noted=noted_ends.provided.note,
    )
    optimistic_writes = Singleton(
        PostgresOptimisticWrites,
        engine=resources.provided.engines.system,
        listening=snapshots,
        noted=noted_ends.provided.note,
    )
    callback_vitals = Singleton(PostgresCallbackVitals, resources.provided.engines.system)
    open_fan_out = Singleton(
        PostgresFanOutFactory, engine=resources.provided.engines.system, lanes=Object(PostgresLanes)
    )
    submissions = Singleton(PostgresSubmissions, engine=resources.provided.engines.accepting, listening=snapshots)
    webhook_store = Singleton(PostgresWebhookStore, engine=resources.provided.engines.system)
    idempotency = Singleton(PostgresIdempotency, engine=resources.provided.engines.system)
    upkeep = Singleton(
        PostgresUpkeep,
        engine=resources.provided.engines.system,
        retention=Singleton(terms.retention, settings),
        telemetry=telemetry,
    )
    workers = Singleton(PostgresWorkers, resources.provided.engines.system)
    webhooks_heard = Singleton(PostgresWebhooksHeard, resources.provided.engines.system)
    survey = Singleton(PostgresSurvey, resources.provided.engines.system)
    tenant_totals = Singleton(PostgresTenantTotals, resources.provided.engines.system)
    logins = Singleton(PostgresLogins, resources.provided.engines)
    login_check = Singleton(LoginCheck, logins, settings)
    store_health = Singleton(PostgresHealth, engine=resources.provided.engines.system)

    limits = Singleton(RedisRateLimits, redis=resources.provided.redis)
    submission_limits = Singleton(RedisSubmissionQuotas, redis=resources.provided.redis)
    health_records = Singleton(RedisHealthRecords, redis=resources.provided.redis)
    queue = Singleton(ArqWakeupQueue, redis=resources.provided.redis)
    consumer = Singleton(ArqWakeupConsumer, url=settings.provided.redis_url.value)
    health = Singleton(
        ProcessHealth,
        store=store_health,
        logins=login_check,
        workers=workers,
        carried=carried,
        redis=resources.provided.redis,
    )
    operations = Singleton(
        Operations,
        health,
        resources.provided.registry,
        lanes=Object(lanes_carried(CARRIED)),
        instance=settings.provided.instance,
    )

    callback_exchange = resources.provided.exchange

    parts = Singleton(build_adapters, settings, resources)
    provider_adapters = parts.provided.adapters
    gateways = parts.provided.gateways
    readers = parts.provided.readers
    lookups = parts.provided.lookups
    registries = parts.provided.registries
    directories = parts.provided.directories
    setups = parts.provided.setups
    doors = parts.provided.doors
    credentials = Singleton(AccountCredentials, installed)
    capabilities = Singleton(AccountCapabilities, snapshots=snapshots, providers=installed)
