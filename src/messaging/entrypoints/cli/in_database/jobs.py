"""Jobs of the outbox, straight in the database: counted by kind, and decisions about dead ones."""

import rich_click as click

from messaging.entrypoints.cli.printing import json_option, print_fields, print_rows
from messaging.entrypoints.cli.surroundings import platform_settings

_PAGE = 100
_COUNTS = ("kind", "due", "running", "waiting", "dead", "oldest_due_at")
_DEAD = ("id", "kind", "tenant_id", "mode", "about", "attempts", "died_at", "error")


@click.group("jobs")
def jobs() -> None:
    """Count jobs, and list, retry and discard dead ones."""


@jobs.command("summary")
@json_option
def summary(as_json: bool) -> None:
    """Count the jobs that are not done, by kind."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import jobs as of_jobs

    print_rows(run(of_jobs.summarize(platform_settings())), _COUNTS, as_json=as_json)


@jobs.command("dead")
@click.option("--kind", help="Only jobs of this kind.")
@json_option
def dead(kind: str | None, as_json: bool) -> None:
    """List jobs that are not run again by themselves, newest first."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import jobs as of_jobs

    print_rows(run(of_jobs.list_dead(platform_settings(), kind=kind, page=_PAGE)), _DEAD, as_json=as_json)


@jobs.command("retry")
@click.argument("job_id")
@json_option
def retry(job_id: str, as_json: bool) -> None:
    """Let a dead job run again, at once and as if it were new."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import jobs as of_jobs

    print_fields(run(of_jobs.retry(platform_settings(), job_id)), as_json=as_json)


@jobs.command("discard")
@click.argument("job_id")
@json_option
def discard(job_id: str, as_json: bool) -> None:
    """Delete a dead job: its work is not wanted any more, or was done by hand."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import jobs as of_jobs

    print_fields(run(of_jobs.discard(platform_settings(), job_id)), as_json=as_json)


COMMANDS = (jobs,)
