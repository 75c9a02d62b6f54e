"""A process that finds out about unclear sends, and a provider with a ledger of what it has taken.

As a program it is such a process of its own, which dies where it is told:
`python -m … URL SYSTEM_URL POINT CAPABILITY MESSAGE REFERENCE`.
"""

import asyncio
import sys
from typing import Final
from uuid import UUID

from messaging.adapters.postgres.session.engine import Engines, create_engines
from messaging.application import crashpoints
from messaging.application.ports.providers.lookup import Sought
from messaging.application.ports.providers.sending import Connection, NotStarted, Outgoing
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.messages.retry import SendResult, Sent, Uncertain
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId
from tests.builders import TENANT, a_receipt
from tests.fakes.gateway import MayStart
from tests.integration.delivery.delivering import Delivery, make_due, submitted

FINDS: Final = Capabilities(can_find=True, can_look_up=True, confirms_delivery=True)
KEY: Final = Capabilities(takes_idempotency_key=True, confirms_delivery=True)
NOTHING: Final = Capabilities()
CAN: Final = {"finds": FINDS, "key": KEY}


class Ledger:
    """What a provider has taken, by its own ids. It drops what comes with a known key, if it `knows_keys`.

    `answers` of its sends are lost while it is set. A death sets `dying`: the process that sends or asks is gone then.
    """

    def __init__(self, *, knows_keys: bool) -> None:
        self.knows_keys = knows_keys
        self.taken: list[str] = []
        self.asked = 0
        self.answers_lost = True
        self.fault: Exception | None = None
        self.dying = asyncio.Event()
        self.dies = False

    async def send(self, outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        if not await may_start():
            return NotStarted()
        if not self.knows_keys or outgoing.idempotency_key not in self.taken:
            self.taken.append(outgoing.idempotency_key)
        await self._maybe_die()
        if self.answers_lost:
            return Uncertain(reason="The connection broke.")
        return Sent(provider_message_id=f"x.{outgoing.idempotency_key}")

    async def find(self, connection: Connection, sought: Sought) -> list[Receipt]:
        self.asked += 1
        await self._maybe_die()
        if self.fault is not None:
            raise self.fault
        if sought.reference not in self.taken:
            return []
        return [
            a_receipt(kind, provider_message_id=f"x.{sought.reference}")
            for kind in (ReceiptKind.SENT, ReceiptKind.OTHER)
        ]

    async def _maybe_die(self) -> None:
        if self.dies:
            self.dying.set()
            await asyncio.Event().wait()


class Scene:
    """One process that delivers to a provider which can prove so much."""

    def __init__(self, engines: Engines, can: Capabilities) -> None:
        self.delivery = Delivery(engines, can=can)
        self.ledger = Ledger(knows_keys=can.takes_idempotency_key)
        self.delivery.gateway.answer = self.ledger.send
        setattr(self.delivery.gateway, "find", self.ledger.find)  # noqa: B010 - the scripted one remembers by itself
        self.resolve = self.delivery.resolving()

    async def unclear(self) -> MessageKey:
        key = await submitted(self.delivery)
        await self.delivery.run()
        return key

    async def look(self) -> State:
        """The look that comes next, as if its time had come."""
        await make_due(self.delivery)
        await self.resolve()
        return await self.state()

    async def look_to_the_end(self) -> State:
        while (state := await self.look()) is State.UNKNOWN:
            continue
        return state

    async def die_at_the_next_look(self) -> None:
        """The process is gone as soon as the provider has the question; none of its transactions goes on."""
        self.ledger.dies = True
        self.ledger.dying.clear()
        await make_due(self.delivery)
        process = asyncio.create_task(self.resolve())
        await self.ledger.dying.wait()
        process.cancel()
        await asyncio.wait([process])
        self.ledger.dies = False

    async def state(self) -> State:
        async with self.delivery.open() as uow:
            (message,) = (await uow.lifecycles.lock([self.key])).values()
        return message.state

    key: MessageKey


async def unclear(engines: Engines, can: Capabilities) -> Scene:
    scene = Scene(engines, can)
    scene.key = await scene.unclear()
    assert await scene.state() is State.UNKNOWN
    return scene


async def main(url: str, system_url: str, point: str, capability: str, message: str, reference: str) -> None:
    crashpoints.arm(crashpoints.parse(point))
    engines = create_engines(url, system_url=system_url)
    scene = Scene(engines, CAN[capability])
    scene.key = MessageKey(TENANT, MessageId(UUID(message)))
    scene.ledger.taken.append(reference)
    await scene.look()
    await engines.dispose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
