"""Keys of the platform's administrators, straight in the database: no admin key is needed for the first one."""

from datetime import UTC, datetime, timedelta

import rich_click as click

from messaging.entrypoints.cli.failures import Failed
from messaging.entrypoints.cli.printing import json_option, print_fields, print_rows
from messaging.entrypoints.cli.surroundings import platform_settings

_PAGE = 100
_COLUMNS = ("id", "name", "hint", "created_at", "expires_at", "revoked_at")

_expires_option = click.option(
    "--expires-in-days",
    "days",
    type=click.IntRange(1, 36_500),
    help="When the key stops working; left out: never.",
)
_yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
_force_option = click.option(
    "--force", is_flag=True, help="Also if the last key that works would end earlier than at present."
)


@click.group("admin-keys")
def admin_keys() -> None:
    """Create, list, revoke and rotate keys of the platform's administrators."""


@admin_keys.command("create")
@click.option("--name", default="command line", show_default=True, help="Whose key, or what it is for.")
@_expires_option
@json_option
def create(name: str, days: int | None, as_json: bool) -> None:
    """Create a key good for /admin/v1 and print it; it is shown this once."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import administration

    key = run(administration.create_admin_key(platform_settings(), name, expires_at=_in(days)))
    print_fields(key, as_json=as_json)


@admin_keys.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List all of them, newest first, revoked and expired ones included."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import administration

    rows = run(administration.list_admin_keys(platform_settings(), page=_PAGE))
    print_rows(rows, _COLUMNS, as_json=as_json)


@admin_keys.command("revoke")
@click.argument("key_id")
@_force_option
@_yes_option
@json_option
def revoke(key_id: str, force: bool, yes: bool, as_json: bool) -> None:
    """Take a key out of service; every process refuses it within five seconds."""
    if not yes and not click.confirm(f"Revoke {key_id}? Whoever uses it gets 401.", err=True):
        raise Failed("nothing was revoked", next_step="run it again with --yes")
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import administration

    print_fields(run(administration.revoke_admin_key(platform_settings(), key_id, force=force)), as_json=as_json)


@admin_keys.command("rotate")
@click.argument("key_id")
@click.option(
    "--overlap-seconds",
    type=click.IntRange(0, 30 * 86_400),
    default=3_600,
    show_default=True,
    help="How long the old key still works.",
)
@_expires_option
@_force_option
@json_option
def rotate(key_id: str, overlap_seconds: int, days: int | None, force: bool, as_json: bool) -> None:
    """Create a key in place of another and print it; it is shown this once."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import administration

    overlap = timedelta(seconds=overlap_seconds)
    rotation = administration.rotate_admin_key(
        platform_settings(), key_id, overlap=overlap, expires_at=_in(days), force=force
    )
    print_fields(run(rotation), as_json=as_json)


def _in(days: int | None) -> datetime | None:
    return None if days is None else datetime.now(UTC) + timedelta(days=days)


COMMANDS = (admin_keys,)
