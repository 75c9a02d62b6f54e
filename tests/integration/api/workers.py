"""What a worker would do with every message that is due, without a provider: only the attempt's fate is made up."""

from collections.abc import Callable
from datetime import timedelta
from enum import Enum

from messaging.application.ports.lifecycles import Lifecycles
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.receipts import ProviderError, ReceiptKind
from messaging.domain.messages.retry import Rejected, Uncertain
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.outcome import conclude
from messaging.domain.shared.ids import SenderId
from messaging.entrypoints.composition.containers import Application
from tests.builders import a_receipt
from tests.seeding import lock_due


class Fate(Enum):
    DIES = "its content cannot be rendered"
    IS_REFUSED = "the provider refuses it"
    FAILS_LATER = "the provider accepts it and reports a failure"
    GOES_UNCONFIRMED = "the connection breaks after the request, and no echo ever comes"


_LANE = DeliverLane(channel=Channel.WHATSAPP, priority=Priority.DEFAULT)
_LEASE = timedelta(seconds=30)
_REFUSED = Rejected(code="131026", reason="Undeliverable.")
_ERROR = ProviderError(code="unreadable", reason="Its stored content cannot be read.")


async def work_through(application: Application, sender: SenderId, fate: Fate, *, epoch: int = 1) -> None:
    """Every message due from this sender meets `fate` in its attempt of this number."""
    keys = await _take_up(application, sender)

    def start(message: MessageState) -> Change | None:
        return lifecycle.start(message, epoch=epoch, worker="test", lease=_LEASE)

    match fate:
        case Fate.DIES:
            await _move(application, keys, lambda message: lifecycle.dead_letter(message, epoch=epoch, error=_ERROR))
        case Fate.IS_REFUSED:
            await _move(application, keys, start, lambda message: conclude(message, epoch=epoch, result=_REFUSED))
        case Fate.FAILS_LATER:
            await _move(
                application,
                keys,
                start,
                lambda message: lifecycle.receive(message, [(epoch, a_receipt(ReceiptKind.FAILED))]),
            )
        case Fate.GOES_UNCONFIRMED:
            await _move(
                application,
                keys,
                start,
                lambda message: conclude(message, epoch=epoch, result=Uncertain(reason="The connection broke.")),
                lifecycle.resolve_unknown,
            )


async def _take_up(application: Application, sender: SenderId) -> list[MessageKey]:
    async with application.adapters.open_system_uow()() as uow:
        due = await lock_due(uow.due_messages, _LANE, sender=sender)
        assert due, "nothing was due"
        changes = [lifecycle.take_up(item.message, worker="test", lease=_LEASE) for item in due]
        await uow.lifecycles.apply([change for change in changes if change is not None])
        await uow.commit()
    return [item.message.key for item in due]


async def _move(
    application: Application, keys: list[MessageKey], *steps: Callable[[MessageState], Change | None]
) -> None:
    for step in steps:
        async with application.adapters.open_system_uow()() as uow:
            await _apply(uow.lifecycles, keys, step)
            await uow.commit()


async def _apply(lifecycles: Lifecycles, keys: list[MessageKey], step: Callable[[MessageState], Change | None]) -> None:
    messages = (await lifecycles.lock(keys)).values()
    changes = [change for message in messages if (change := step(message)) is not None]
    assert len(changes) == len(keys)
    await lifecycles.apply(changes)
