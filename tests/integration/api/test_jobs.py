"""Administrators count jobs, and list, retry and discard dead ones, over the API and at the command line."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import Prefix, parse_typeid, typeid
from messaging.entrypoints.composition.commands import jobs
from messaging.entrypoints.composition.containers import Application
from tests.builders import TEMPLATE, TENANT
from tests.integration.api.answers import problem
from tests.integration.api.callers import Caller, Platform

JOBS = "/admin/v1/jobs"
NONE = "DELETE FROM jobs WHERE kind = 'release_held'"
DEAD = """
INSERT INTO jobs (tenant_id, id, due_at, wanted_at, died_at, mode, kind, lane, unique_key, payload, status, attempts,
    error_code, error_reason)
SELECT $1, ('019df2d9-4c00-7000-8000-00000000000' || n)::uuid, now(), now(), now(), 'live', 'release_held', 'prompt',
    'unique', jsonb_build_object('type', 'release_held', 'template_id', $2::uuid), 'dead', 10, 'busy', 'Not now.'
FROM generate_series(1, 3) n
"""
UNKNOWN = typeid(Prefix.JOB, UUID(int=9))


@pytest.fixture
async def three_dead(stored_in: str) -> AsyncIterator[None]:
    """Jobs that would do the same, so that only one of them can live."""
    connection = await asyncpg.connect(stored_in)
    # Other tests of this room use the same database, and leave jobs that nobody runs here.
    await connection.execute(NONE)
    await connection.execute(DEAD, TENANT, TEMPLATE)
    yield
    await connection.execute(NONE)
    await connection.close()


async def counted(admin: Caller) -> tuple[int, int]:
    """Those that are due or running, and those that are dead."""
    kinds = (await admin.get(f"{JOBS}/summary")).json()["kinds"]
    found = {kind["kind"]: kind for kind in kinds}.get("release_held")
    return (0, 0) if found is None else (found["due"] + found["running"], found["dead"])


async def test_dead_jobs_are_listed_in_pages_with_what_they_are_about(platform: Platform, three_dead: None) -> None:
    first = (await platform.get(f"{JOBS}/dead?limit=2&kind=release_held")).json()
    rest = (await platform.get(f"{JOBS}/dead?limit=2&kind=release_held&after={first['next_cursor']}")).json()

    assert (len(first["data"]), len(rest["data"]), rest["has_more"]) == (2, 1, False)
    [job] = rest["data"]
    assert job["about"] == {"template_id": typeid(Prefix.TEMPLATE, TEMPLATE)}
    assert (job["tenant_id"], job["kind"], job["attempts"]) == (typeid(Prefix.TENANT, TENANT), "release_held", 10)
    assert job["error"] == {"code": "busy", "reason": "Not now."}
    assert (await platform.get(f"{JOBS}/dead?kind=unheard_of")).json()["data"] == []
    assert await counted(platform) == (0, 3)


async def test_a_dead_job_is_retried_once_and_its_like_is_refused_and_discarded(
    platform: Platform, three_dead: None
) -> None:
    ids = [job["id"] for job in (await platform.get(f"{JOBS}/dead")).json()["data"]]

    retried = await platform.post(f"{JOBS}/dead/{ids[0]}/retry")
    refused = await platform.post(f"{JOBS}/dead/{ids[1]}/retry")
    discarded = await platform.post(f"{JOBS}/dead/{ids[1]}/discard")

    assert (retried.status_code, retried.json()["id"]) == (200, ids[0])
    problem(refused, 409, "state_conflict")
    assert (discarded.status_code, discarded.json()["id"]) == (200, ids[1])
    assert await counted(platform) == (1, 1)
    for gone in (ids[0], ids[1], UNKNOWN, "job_nonsense"):
        problem(await platform.post(f"{JOBS}/dead/{gone}/retry"), 404, "not_found")
        problem(await platform.post(f"{JOBS}/dead/{gone}/discard"), 404, "not_found")


async def test_the_command_line_does_the_same(application: Application, three_dead: None) -> None:
    settings = application.settings()

    listed = await jobs.list_dead(settings, kind="release_held", page=1)
    await jobs.retry(settings, listed[0].id)
    await jobs.discard(settings, listed[1].id)

    assert [parse_typeid(Prefix.JOB, job.id) is not None for job in listed] == [True] * 3
    [count] = [it for it in await jobs.summarize(settings) if it.kind == "release_held"]
    assert (count.due, count.dead) == (1, 1)
    with pytest.raises(DomainError, match="nothing here"):
        await jobs.retry(settings, "nonsense")
