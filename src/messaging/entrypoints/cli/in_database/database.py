"""The database's schema, and whether everything a process depends on is there: `app migrate`, `app doctor`."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import rich_click as click

from messaging.entrypoints.cli.failures import Exit, Failed, say
from messaging.entrypoints.cli.printing import json_option, print_json
from messaging.entrypoints.cli.surroundings import platform_settings, provider_settings
from messaging.entrypoints.settings.settings import MigrationSettings, load

if TYPE_CHECKING:  # imported when it runs, since its libraries load slowly
    from messaging.entrypoints.composition.doctor.finding import Finding


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 unless the schema is at its newest revision.")
@json_option
def migrate(check: bool, as_json: bool) -> None:
    """Bring the database's schema to the newest revision."""
    settings = load(MigrationSettings, os.environ, provider_settings)
    from messaging.entrypoints.composition.commands import migrations

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
    """Check everything the platform depends on; each finding names what mends it.

    Stores, schema, logins, workers, lanes, senders, tokens at the provider, webhooks, dead letters, the public URL,
    clock and disk. Ends with 0 if nothing failed (warnings do not count), 3 if a store does not answer, 4 if a setting
    is wrong, else 1.
    """
    settings = platform_settings()
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.doctor import diagnose

    findings = run(diagnose(settings))
    code = exit_code_of_findings(findings)
    if as_json:
        checks = [{**msgspec.to_builtins(it), "ok": it.severity != _FAILED} for it in findings]
        print_json({"ok": code is None, "checks": checks})
    else:
        _show(findings)
    if code is not None:
        names = ", ".join(dict.fromkeys(finding.name for finding in findings if finding.severity == _FAILED))
        raise Failed(f"not well: {names}", next_step="mend what failed above, from the top", code=code)


_FAILED: Final = "failed"
_MARKS: Final = {"ok": "ok  ", "warning": "WARN", _FAILED: "FAIL"}


def _show(findings: "Sequence[Finding]") -> None:
    for finding in findings:
        click.echo(f"{_MARKS[finding.severity]}  {finding.name:<13} {finding.detail}".rstrip())
        if finding.mend is not None:
            click.echo(f"      {'':<13} mend: {finding.mend}")


def exit_code_of_findings(findings: "Sequence[Finding]") -> Exit | None:
    """The exit code of what is to be mended first: a store, then a setting. None if nothing failed; warnings do not
    count.
    """
    kinds = {str(finding.kind) for finding in findings if finding.severity == _FAILED}
    if "dependency" in kinds:
        return Exit.DEPENDENCY_DOWN
    if "configuration" in kinds:
        return Exit.CONFIGURATION
    return Exit.FAILURE if kinds else None


COMMANDS = (migrate, doctor)
