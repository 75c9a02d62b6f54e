"""Jobs of the outbox, and those that are dead: /admin/v1/jobs."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from messaging.application.outbox.dead_jobs import (
    DeadJobView,
    DiscardDeadJob,
    JobSummaryView,
    ListDeadJobs,
    RetryDeadJob,
    SummarizeJobs,
)
from messaging.domain.shared.ids import JobId, Prefix
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import AdminRequest
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.edge.operations import operation


class DeadJobsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: Annotated[str, Meta(max_length=100, description="Only jobs of this kind.")] | None = None


LIST = Query(DeadJobsQuery)


class JobsController(Controller):
    path = "/admin/v1/jobs"

    @get(
        "/summary",
        opt=operation(
            "summarize_jobs",
            "Jobs",
            "Count jobs by kind",
            description="Jobs are work that follows from a change, such as listing an account's templates. Those that "
            "are done are not kept.",
            returns=JobSummaryView,
        ),
    )
    async def summarize(self, summarize_jobs: NamedDependency[SummarizeJobs]) -> JobSummaryView:
        return await summarize_jobs()

    @get(
        "/dead",
        opt=operation(
            "list_dead_jobs",
            "Jobs",
            "List dead jobs, newest first",
            description="A job is dead when its retries are used up, when it can never succeed, or when its runs kept "
            "ending their worker. A person decides whether it runs again.",
            query=DeadJobsQuery,
            returns=ListView[DeadJobView],
        ),
    )
    async def list_dead_jobs(
        self,
        request: AdminRequest,
        list_dead_jobs: NamedDependency[ListDeadJobs],
        cursors: NamedDependency[Cursors],
    ) -> ListView[DeadJobView]:
        query = LIST.read(request)
        page = await list_dead_jobs(before=cursors.uuid(request, query), limit=query.limit, kind=query.kind)
        return cursors.view(request, query, page)

    @post(
        "/dead/{job_id:str}/retry",
        status_code=200,
        opt=operation(
            "retry_dead_job",
            "Jobs",
            "Run a dead job again",
            description="It is due at once, as if it were new. Refused if the same work has been asked for since.",
            returns=DeadJobView,
            problems=("state_conflict",),
        ),
    )
    async def retry(
        self,
        request: AdminRequest,
        job_id: FromPath[str],
        retry_dead_job: NamedDependency[RetryDeadJob],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = JobId(in_path(Prefix.JOB, job_id))
        return await once(request, b"", lambda: retry_dead_job(id, by=request.auth.key_id), status=200)

    @post(
        "/dead/{job_id:str}/discard",
        status_code=200,
        opt=operation(
            "discard_dead_job",
            "Jobs",
            "Discard a dead job",
            description="It is deleted: its work is not wanted any more, or was done by hand.",
            returns=DeadJobView,
        ),
    )
    async def discard(
        self,
        request: AdminRequest,
        job_id: FromPath[str],
        discard_dead_job: NamedDependency[DiscardDeadJob],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = JobId(in_path(Prefix.JOB, job_id))
        return await once(request, b"", lambda: discard_dead_job(id, by=request.auth.key_id), status=200)
