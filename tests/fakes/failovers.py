"""A database server in memory that can be switched for another, which may have forgotten something."""

from collections.abc import Sequence
from datetime import datetime

from messaging.domain.messages.message_state import DispatchKind, MessageKey
from messaging.domain.messages.state import State
from tests.fakes.messages import InMemoryTransaction


class InMemoryServer:
    """`identity` is the server's own; `known` is the one that was written to, as far as anybody has noticed."""

    def __init__(self) -> None:
        self.identity = self.known = 1
        self.settled = True
        self.switched_at: datetime | None = None

    def switch(self) -> None:
        self.identity += 1


class InMemoryFailovers:
    """What it notes is not undone with the transaction; whoever asks first has the turn."""

    def __init__(self, transaction: InMemoryTransaction, server: InMemoryServer) -> None:
        self._transaction = transaction
        self._server = server

    async def claims_are_open(self) -> bool:
        return self._server.settled and self._server.identity == self._server.known

    async def notice(self) -> bool:
        if self._server.identity != self._server.known:
            self._server.known, self._server.settled = self._server.identity, False
            self._server.switched_at = self._transaction.now
        return not self._server.settled

    async def take_turn(self) -> bool:
        return not self._server.settled

    async def doubtful(self, limit: int) -> Sequence[MessageKey]:
        switched_at = self._server.switched_at
        due = [it for it in self._transaction.due(DispatchKind.DELIVER) if switched_at and it.due_at <= switched_at]
        waiting = [it for it in due if it.state.state in (State.SCHEDULED, State.QUEUED)][:limit]
        held = [it for it in self._transaction.all() if it.state.state in (State.CLAIMED, State.SENDING)][:limit]
        return [stored.state.key for stored in waiting + held]

    async def settle(self) -> None:
        self._server.settled = True
