"""The container of the outbox, and the one list of jobs: every kind with its handler."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Singleton

from messaging.application import jobs
from messaging.application.outbox.registry import JobRegistry, register
from messaging.application.outbox.run_due_jobs import RunDueJobs
from messaging.application.outbox.run_job import RunJob
from messaging.application.templates.sync_due import LISTING_POLICY, LONGEST_LISTING


class OutboxUseCases(DeclarativeContainer):
    adapters: Any = DependenciesContainer()
    messages: Any = DependenciesContainer()
    templates: Any = DependenciesContainer()

    registry = Singleton(
        JobRegistry,
        Singleton(
            register,
            jobs.SyncTemplates,
            templates.sync_due,
            policy=LISTING_POLICY,
            timeout=LONGEST_LISTING,
        ),
        Singleton(register, jobs.ReleaseHeld, messages.release_held),
    )
    run_due_jobs = Singleton(
        RunDueJobs,
        open_uow=adapters.open_system_uow,
        registry=registry,
        run=Singleton(RunJob, registry=registry),
        telemetry=adapters.telemetry,
    )
