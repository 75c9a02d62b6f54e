"""How does each process get what it needs? The one place that sees both the object graph and the processes' doors."""

import asyncio
from functools import partial
from typing import cast

from msgspec import Struct

from messaging.application import crashpoints
from messaging.domain.messages.message import Priority
from messaging.domain.shared.address import Channel
from messaging.entrypoints.api.app import AdminUseCases, ApiDependencies, TenantUseCases
from messaging.entrypoints.api.app import create_app as create_api
from messaging.entrypoints.api.cursors import Cursors
from messaging.entrypoints.api.idempotency import Once
from messaging.entrypoints.api.sealing import SealForTenant
from messaging.entrypoints.cli.running import run, serve, worker_name
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.settings import Settings
from messaging.entrypoints.telemetry import AsgiApp, CountRequests, configure_logging
from messaging.entrypoints.webhooks.app import WebhooksDependencies
from messaging.entrypoints.webhooks.app import create_app as create_webhooks
from messaging.entrypoints.worker.app import WorkerDependencies, WorkerProcess, WorkerTerms


class WorkerScope(Struct, frozen=True, kw_only=True):
    """Which part of the work one worker takes, and where it tells its health."""

    channels: tuple[str, ...]
    priorities: tuple[str, ...]
    inbox: bool
    host: str
    port: int


def _prepare(settings: Settings, *, process: str) -> None:
    configure_logging(settings.log_level, process=process)
    if settings.crashpoint is not None:
        crashpoints.arm(settings.crashpoint.crashes)


def run_api(settings: Settings, *, host: str, port: int) -> None:
    _prepare(settings, process="api")

    async def main() -> None:
        async with open_resources(settings) as resources:
            application = build(settings, resources, worker=worker_name("api"))
            # Litestar types its ASGI callables more narrowly than the protocol is.
            api = cast(AsgiApp, create_api(api_dependencies(application)))
            await serve(
                CountRequests(api, application.adapters.telemetry()),
                host=host,
                port=port,
                grace=settings.shutdown_grace_seconds,
            )

    run(main())


def run_webhooks(settings: Settings, *, host: str, port: int) -> None:
    _prepare(settings, process="webhooks")

    async def main() -> None:
        async with open_resources(settings) as resources:
            app = create_webhooks(webhooks_dependencies(build(settings, resources, worker=worker_name("webhooks"))))
            await serve(app, host=host, port=port, grace=settings.shutdown_grace_seconds)

    run(main())


def run_worker(settings: Settings, scope: WorkerScope) -> int:
    """The exit code: 1 when started sends did not end within the grace."""
    _prepare(settings, process="worker")

    async def main() -> int:
        async with open_resources(settings) as resources:
            has = worker_dependencies(build(settings, resources, worker=worker_name("worker")))
            return await WorkerProcess(has, _terms(settings, scope)).run()

    return run(main())


def _terms(settings: Settings, scope: WorkerScope) -> WorkerTerms:
    return WorkerTerms(
        channels=tuple(Channel(name) for name in scope.channels),
        priorities=tuple(Priority(name) for name in scope.priorities),
        inbox=scope.inbox,
        host=scope.host,
        port=scope.port,
        grace=settings.drain_grace_seconds,
    )


def api_dependencies(application: Application) -> ApiDependencies:
    adapters = application.adapters
    return ApiDependencies(
        authenticate=application.tenants.authenticate(),
        tenant=_tenant_use_cases(application),
        admin=_admin_use_cases(application),
        cursors=Cursors(sign=adapters.key_ring().sign),
        once=Once(idempotency=adapters.idempotency(), clock=adapters.clock()),
        operations=adapters.operations(),
        watch_snapshots=partial(_watch_store, application),
    )


async def _watch_store(application: Application) -> None:
    """What is accepted after a failover was seen is in no doubt: so that it is seen soon, the API looks too."""
    async with asyncio.TaskGroup() as group:
        group.create_task(application.adapters.snapshots().watch())
        group.create_task(application.messages.notice_failover().watch())


def _tenant_use_cases(application: Application) -> TenantUseCases:
    messages, templates, tenants = application.messages, application.templates, application.tenants
    return TenantUseCases(
        submit_messages=messages.submit(),
        check_message=messages.check(),
        find_message=messages.find(),
        list_messages=messages.list(),
        list_events=messages.list_events(),
        cancel_message=messages.cancel(),
        retry_message=messages.retry(),
        list_dead_letters=messages.list_dead_letters(),
        find_dead_letter=messages.find_dead_letter(),
        retry_dead_letter=messages.retry_dead_letter(),
        discard_dead_letter=messages.discard_dead_letter(),
        act_on_messages=messages.act(),
        list_inbound=application.conversations.list(),
        create_template=templates.create(),
        list_templates=templates.list(),
        find_template=templates.find(),
        sync_templates=templates.sync(),
        connect_account=tenants.connect_account(),
        change_account=tenants.change_account(),
        find_account=tenants.find_account(),
        list_accounts=tenants.list_accounts(),
        add_sender=tenants.add_sender(),
        change_sender=tenants.change_sender(),
        find_sender=tenants.find_sender(),
        list_senders=tenants.list_senders(),
        list_rules=tenants.list_rules(),
        replace_rules=tenants.replace_rules(),
        who_am_i=tenants.who_am_i(),
    )


def _admin_use_cases(application: Application) -> AdminUseCases:
    adapters, tenants = application.adapters, application.tenants
    return AdminUseCases(
        create_tenant=tenants.create_tenant(),
        change_tenant=tenants.change_tenant(),
        find_tenant=tenants.find_tenant(),
        list_tenants=tenants.list_tenants(),
        issue_key=tenants.issue_key(),
        list_keys=tenants.list_keys(),
        revoke_key=tenants.revoke_key(),
        seal_for_tenant=SealForTenant(snapshots=adapters.snapshots(), key_ring=adapters.key_ring()),
    )


def webhooks_dependencies(application: Application) -> WebhooksDependencies:
    return WebhooksDependencies(
        accept=application.inbox.accept(),
        watch_snapshots=application.adapters.snapshots().watch,
        operations=application.adapters.operations(),
    )


def worker_dependencies(application: Application) -> WorkerDependencies:
    adapters = application.adapters
    return WorkerDependencies(
        deliver=application.messages.deliver(),
        stop_waiting=application.messages.stop_waiting(),
        check_silent=application.messages.check_silent(),
        process_callbacks=application.inbox.process(),
        rematch=application.inbox.rematch(),
        quarantine=application.messages.quarantine(),
        open_uow=adapters.open_system_uow(),
        queue=adapters.queue(),
        consumer=adapters.consumer(),
        watch_snapshots=adapters.snapshots().watch,
        upkeep=adapters.upkeep(),
        telemetry=adapters.telemetry(),
        operations=adapters.operations(),
    )
