"""Builds the process of `app api`."""

import asyncio
from functools import partial
from typing import cast

from messaging.application.tenants.accounts.ciphers import FingerprintRequests
from messaging.entrypoints.api.admin.sealing import SealForPlatform, SealForTenant
from messaging.entrypoints.api.app import AdminUseCases, ApiDependencies, TenantUseCases, create_app
from messaging.entrypoints.api.decoding.cursors import Cursors
from messaging.entrypoints.api.edge.auth import Door
from messaging.entrypoints.api.edge.failed_keys import FailedKeys
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.cli.processes.listeners import serve_all
from messaging.entrypoints.cli.processes.prepare import prepare
from messaging.entrypoints.cli.processes.running import run, worker_name
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.health.logins import refuse_excess
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.observability.telemetry import AccessLog, AsgiApp
from messaging.entrypoints.settings.settings import Settings


def run_api(settings: Settings, *, host: str, port: int) -> None:
    prepare(settings, process="api")

    async def main() -> None:
        async with open_resources(settings) as resources:
            application = build(settings, resources, worker=worker_name("api"))
            await refuse_excess(application.adapters.logins(), settings)
            api = cast(AsgiApp, create_app(api_dependencies(application)))
            telemetry, admin_port = application.adapters.telemetry(), settings.api_admin_port
            await serve_all(api, settings, telemetry, host=host, port=port, admin_port=admin_port)

    run(main())


def api_dependencies(application: Application) -> ApiDependencies:
    adapters = application.adapters
    return ApiDependencies(
        door=_door(application),
        tenant=_tenant_use_cases(application),
        admin=_admin_use_cases(application),
        cursors=Cursors(sign=adapters.key_ring().sign),
        once=Once(
            idempotency=adapters.idempotency(),
            fingerprints=FingerprintRequests(snapshots=adapters.snapshots(), key_ring=adapters.key_ring()),
            clock=adapters.clock(),
        ),
        operations=adapters.operations(),
        telemetry=adapters.telemetry(),
        access_log=AccessLog(process="api"),
        watch_snapshots=partial(_watch_store, application),
    )


async def _watch_store(application: Application) -> None:
    """What is accepted after a failover was seen is in no doubt: so that it is seen soon, the API looks too."""
    async with asyncio.TaskGroup() as group:
        group.create_task(application.adapters.snapshots().watch())
        group.create_task(application.messages.notice_failover().watch())


def _door(application: Application) -> Door:
    settings, tenants = application.settings(), application.tenants
    proxies = settings.trusted_proxies.networks if settings.trusted_proxies is not None else ()
    return Door(
        authenticate=tenants.authenticate(),
        failed_keys=FailedKeys(per_minute=settings.failed_keys_per_minute, proxies=proxies),
        limit_changes=tenants.limit_changes(),
    )


def _tenant_use_cases(application: Application) -> TenantUseCases:
    messages, templates, tenants = application.messages, application.templates, application.tenants
    return TenantUseCases(
        submit_messages=messages.submit(),
        check_message=messages.check(),
        find_message=messages.find(),
        list_messages=messages.list(),
        summarize_messages=messages.summarize(),
        list_events=messages.list_events(),
        cancel_message=messages.cancel(),
        retry_message=messages.retry(),
        list_dead_letters=messages.list_dead_letters(),
        find_dead_letter=messages.find_dead_letter(),
        retry_dead_letter=messages.retry_dead_letter(),
        discard_dead_letter=messages.discard_dead_letter(),
        act_on_messages=messages.act(),
        list_inbound=application.conversations.list(),
        list_provider_events=application.webhooks.list_events(),
        find_provider_event=application.webhooks.find_event(),
        create_template=templates.create(),
        list_templates=templates.list(),
        find_template=templates.find(),
        sync_templates=templates.sync(),
        connect_account=tenants.connect_account(),
        verify_account=tenants.verify_account(),
        change_account=tenants.change_account(),
        delete_account=tenants.delete_account(),
        subscribe_account=tenants.subscribe_account(),
        register_number=tenants.register_number(),
        find_account=tenants.find_account(),
        list_accounts=tenants.list_accounts(),
        add_sender=tenants.add_sender(),
        change_sender=tenants.change_sender(),
        find_sender=tenants.find_sender(),
        list_senders=tenants.list_senders(),
        find_health=tenants.find_health(),
        list_rules=tenants.list_rules(),
        replace_rules=tenants.replace_rules(),
        who_am_i=tenants.who_am_i(),
        choose_for_template=templates.choose(),
        find_preferences=tenants.find_preferences(),
        change_preferences=tenants.change_preferences(),
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
        issue_admin_key=tenants.issue_admin_key(),
        list_admin_keys=tenants.list_admin_keys(),
        revoke_admin_key=tenants.revoke_admin_key(),
        rotate_admin_key=tenants.rotate_admin_key(),
        seal_for_platform=SealForPlatform(key_ring=adapters.key_ring()),
    )
