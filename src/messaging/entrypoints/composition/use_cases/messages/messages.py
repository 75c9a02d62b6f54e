"""The container that builds what callers ask of messages: accepting, reading and operating on them."""

from typing import Any, Final

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.gather import Gatherer
from messaging.application.messages.accepting.check import CheckMessage
from messaging.application.messages.accepting.submission_limits import LimitSubmissions
from messaging.application.messages.accepting.submit import StoreDoors, SubmitMessages
from messaging.application.messages.operating.bulk_actions import ActOnMessages
from messaging.application.messages.operating.cancel import CancelMessage
from messaging.application.messages.operating.discard import DiscardDeadLetter
from messaging.application.messages.operating.release_held import ReleaseHeld
from messaging.application.messages.operating.retry import RetryDeadLetter, RetryMessage
from messaging.application.messages.reading.queries import (
    FindDeadLetter,
    FindMessage,
    ListDeadLetters,
    ListEvents,
    ListMessages,
)
from messaging.application.messages.reading.summarize import SummarizeMessages
from messaging.application.messages.reading.trace import FindTrace
from messaging.entrypoints.composition import terms
from messaging.entrypoints.settings.settings import Settings

_BATCHES_WAITING: Final = 64
# A transaction by itself costs as much as eight messages in it. A longer wait saves hardly more, and callers notice it.
_LINGER_SECONDS: Final = 0.004


class MessageUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()

    submit = Singleton(
        SubmitMessages,
        doors=Singleton(
            StoreDoors,
            # Group commit: concurrent requests share a transaction.
            one=Singleton(
                Gatherer,
                adapters.submissions.provided.accept_many,
                max_batch=settings.provided.accept_batch,
                writers=settings.provided.accept_writers,
                linger=_LINGER_SECONDS,
            ),
            # A batch of a thousand messages takes a few megabytes until it is stored.
            batch=Singleton(
                Gatherer, adapters.submissions.provided.accept_many, max_batch=1, capacity=_BATCHES_WAITING, writers=4
            ),
            known=adapters.submissions.provided.known,
        ),
        limit=Singleton(
            LimitSubmissions,
            quotas=adapters.submission_limits,
            default=Singleton(terms.submission_limits, settings),
            telemetry=adapters.telemetry,
        ),
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        open_uow=adapters.open_uow,
        clock=adapters.clock,
        new_id=adapters.new_id,
        telemetry=adapters.telemetry,
    )
    check = Singleton(
        CheckMessage,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        open_uow=adapters.open_uow,
        clock=adapters.clock,
        new_id=adapters.new_id,
    )
    find = Singleton(FindMessage, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring)
    list = Singleton(ListMessages, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring)
    summarize = Singleton(SummarizeMessages, open_uow=adapters.open_uow, clock=adapters.clock)
    list_events = Singleton(
        ListEvents, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring
    )

    find_trace = Singleton(
        FindTrace, open_uow=adapters.open_uow, snapshots=adapters.snapshots, telemetry=adapters.telemetry
    )

    cancel = Singleton(CancelMessage, open_uow=adapters.open_uow)
    retry = Singleton(RetryMessage, open_uow=adapters.open_uow)
    find_dead_letter = Singleton(FindDeadLetter, open_uow=adapters.open_uow)
    list_dead_letters = Singleton(ListDeadLetters, open_uow=adapters.open_uow)
    retry_dead_letter = Singleton(RetryDeadLetter, open_uow=adapters.open_uow, retry_message=retry)
    discard_dead_letter = Singleton(DiscardDeadLetter, open_uow=adapters.open_uow)
    act = Singleton(ActOnMessages, open_uow=adapters.open_uow)
    release_held = Singleton(ReleaseHeld, open_uow=adapters.open_system_uow)
