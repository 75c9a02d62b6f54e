"""The database's schema, and whether everything a process depends on is there: `app migrate`, `app doctor`."""

import os

import rich_click as click

from messaging.entrypoints.cli.failures import Exit, Failed, say
from messaging.entrypoints.cli.printing import json_option, print_json
from messaging.entrypoints.cli.surroundings import platform_settings
from messaging.entrypoints.settings import MigrationSettings, load


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 unless the schema is at its newest revision.")
@json_option
def migrate(check: bool, as_json: bool) -> None:
    """Bring the database's schema to the newest revision."""
    settings = load(MigrationSettings, os.environ)
    from messaging.entrypoints.composition import migrations

    before, newest = migrations.current(settings), migrations.head()
    if check and before != newest:
        raise Failed(f"the schema is at {before}, the newest revision is {newest}", next_step="run `app migrate`")
    if not check:
        migrations.upgrade(settings)
    if as_json:
        print_json({"before": before, "now": newest})
    else:
        say(f"schema is at {newest}" if before == newest else f"schema migrated from {before} to {newest}")


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check PostgreSQL, the schema, Redis and the master key; each failing line says what to run."""
    settings = platform_settings()
    from messaging.entrypoints.cli.running import run
    from messaging.entrypoints.composition.diagnosis import diagnose

    checks = run(diagnose(settings))
    if as_json:
        print_json({"ok": all(check.ok for check in checks), "checks": checks})
    else:
        for check in checks:
            click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<12} {check.detail}".rstrip())
    failed = [check.name for check in checks if not check.ok]
    if failed:
        raise Failed(
            f"not ready: {', '.join(failed)}", next_step="mend the failing lines above", code=Exit.DEPENDENCY_DOWN
        )


COMMANDS = (migrate, doctor)
