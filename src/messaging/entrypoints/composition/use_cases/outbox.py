"""The container of the outbox, and the one list of jobs: every kind with its handler."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application import jobs
from messaging.application.outbox.dead_jobs import (
    DiscardDeadJob,
    ListDeadJobs,
    PurgeDeadJobs,
    RetryDeadJob,
    SummarizeJobs,
)
from messaging.application.outbox.registry import JobRegistry, register
from messaging.application.outbox.run_due_jobs import RunDueJobs
from messaging.application.outbox.run_job import RunJob
from messaging.application.templates.sync_due import LISTING_POLICY, LONGEST_LISTING
from messaging.entrypoints.composition import terms
from messaging.entrypoints.settings.settings import Settings


class OutboxUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()
    messages: Any = DependenciesContainer()
    templates: Any = DependenciesContainer()
    callbacks: Any = DependenciesContainer()

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
        Singleton(register, jobs.ReleaseCallbacks, callbacks.release),
    )
    summarize = Singleton(SummarizeJobs, open_uow=adapters.open_system_uow)
    list_dead = Singleton(ListDeadJobs, open_uow=adapters.open_system_uow)
    retry_dead = Singleton(RetryDeadJob, open_uow=adapters.open_system_uow)
    discard_dead = Singleton(DiscardDeadJob, open_uow=adapters.open_system_uow)
    purge_dead = Singleton(
        PurgeDeadJobs, open_uow=adapters.open_system_uow, kept=Singleton(terms.retention, settings).provided.messages
    )
    run_due_jobs = Singleton(
        RunDueJobs,
        open_uow=adapters.open_system_uow,
        registry=registry,
        run=Singleton(RunJob, registry=registry),
        telemetry=adapters.telemetry,
    )
