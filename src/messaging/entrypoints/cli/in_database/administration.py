"""Tenants and keys, straight in the database: how a new installation gets its first administrator."""

import rich_click as click

from messaging.entrypoints.cli.failures import Failed
from messaging.entrypoints.cli.printing import json_option, print_fields, print_rows
from messaging.entrypoints.cli.surroundings import platform_settings

_PAGE = 100


@click.group()
def tenants() -> None:
    """Create, list, suspend and reactivate tenants."""


@tenants.command("create")
@click.argument("name")
@json_option
def create_tenant(name: str, as_json: bool) -> None:
    """Create a tenant. Next: `app keys create --tenant ten_…`."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import administration

    print_fields(run(administration.create_tenant(platform_settings(), name)), as_json=as_json)


@tenants.command("list")
@json_option
def list_tenants(as_json: bool) -> None:
    """List all tenants, newest first."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import administration

    rows = run(administration.list_tenants(platform_settings(), page=_PAGE))
    print_rows(rows, ("id", "name", "status", "created_at"), as_json=as_json)


def _change_status(tenant_id: str, status: str, *, as_json: bool) -> None:
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import administration

    print_fields(run(administration.change_status(platform_settings(), tenant_id, status)), as_json=as_json)


@tenants.command("suspend")
@click.argument("tenant_id")
@json_option
def suspend_tenant(tenant_id: str, as_json: bool) -> None:
    """Refuse a tenant's requests and hold its messages."""
    _change_status(tenant_id, "suspended", as_json=as_json)


@tenants.command("activate")
@click.argument("tenant_id")
@json_option
def activate_tenant(tenant_id: str, as_json: bool) -> None:
    """Let a suspended tenant go on."""
    _change_status(tenant_id, "active", as_json=as_json)


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command("create")
@click.option("--admin", is_flag=True, help="A platform administrator's key, as of `app admin-keys create`.")
@click.option("--tenant", "tenant_id", help="The tenant the key belongs to (ten_…).")
@click.option("--mode", type=click.Choice(["test", "live"]), default="test", show_default=True)
@click.option(
    "--role",
    type=click.Choice(["owner", "operator", "sender", "reader"]),
    default="owner",
    show_default=True,
    help="What a tenant's key may do.",
)
@click.option("--name", default="command line", show_default=True, help="What the key is for.")
@json_option
def create_key(admin: bool, tenant_id: str | None, mode: str, role: str, name: str, as_json: bool) -> None:
    """Create a key and print it; it is shown this once."""
    if admin == (tenant_id is not None):
        raise click.UsageError("Give either --admin or --tenant ten_…; `app tenants list` shows the tenants.")
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import administration

    settings = platform_settings()
    if tenant_id is None:
        print_fields(run(administration.create_admin_key(settings, name)), as_json=as_json)
    else:
        key = run(administration.create_key(settings, tenant_id, mode=mode, name=name, role=role))
        print_fields(key, as_json=as_json)


@keys.command("list")
@click.option("--tenant", "tenant_id", required=True, help="Whose keys (ten_…).")
@json_option
def list_keys(tenant_id: str, as_json: bool) -> None:
    """List a tenant's keys, revoked ones included."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import administration

    rows = run(administration.list_keys(platform_settings(), tenant_id, page=_PAGE))
    print_rows(rows, ("id", "name", "mode", "role", "hint", "created_at", "revoked_at"), as_json=as_json)


@keys.command("revoke")
@click.argument("key_id")
@click.option("--tenant", "tenant_id", required=True, help="Whose key (ten_…).")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def revoke_key(key_id: str, tenant_id: str, yes: bool, as_json: bool) -> None:
    """Take a key out of service; every process refuses it within five seconds."""
    if not yes and not click.confirm(f"Revoke {key_id}? Callers that use it get 401.", err=True):
        raise Failed("nothing was revoked", next_step="run it again with --yes")
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import administration

    print_fields(run(administration.revoke_key(platform_settings(), tenant_id, key_id)), as_json=as_json)


COMMANDS = (tenants, keys)
