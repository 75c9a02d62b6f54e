"""The command line's look at jobs and its decisions about dead ones, made straight through the use cases."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from messaging.application.outbox.dead_jobs import DeadJobView, JobCountView, JobSummaryView
from messaging.domain.shared.ids import JobId, Prefix, parse_typeid
from messaging.domain.shared.refusals import not_found
from messaging.entrypoints.composition.commands.read_all import read_all
from messaging.entrypoints.composition.containers import build
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.settings.settings import Settings


async def summarize(settings: Settings) -> tuple[JobCountView, ...]:
    async with _outbox(settings) as outbox:
        view: JobSummaryView = await outbox.summarize()()
    return view.kinds


async def list_dead(settings: Settings, *, kind: str | None, page: int) -> tuple[DeadJobView, ...]:
    """All of them, read in pages of the given size."""
    async with _outbox(settings) as outbox:
        found: tuple[DeadJobView, ...] = await read_all(outbox.list_dead(), page=page, kind=kind)
    return found


async def retry(settings: Settings, job_id: str) -> DeadJobView:
    async with _outbox(settings) as outbox:
        view: DeadJobView = await outbox.retry_dead()(_job_id(job_id))
    return view


async def discard(settings: Settings, job_id: str) -> DeadJobView:
    async with _outbox(settings) as outbox:
        view: DeadJobView = await outbox.discard_dead()(_job_id(job_id))
    return view


def _job_id(text: str) -> JobId:
    """A malformed id names nothing, like an unknown one."""
    found = parse_typeid(Prefix.JOB, text)
    if found is None:
        raise not_found()
    return JobId(found)


@asynccontextmanager
async def _outbox(settings: Settings) -> AsyncIterator[Any]:
    async with open_resources(settings) as resources:
        yield build(settings, resources, worker="command line").outbox
