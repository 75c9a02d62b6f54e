"""Conversations with one mail server on behalf of one account, kept for the next message.

At most `connections` are open. One that has been idle is asked (NOOP) before it is used, and one that has carried
`most_uses` messages, or in which anything went wrong, is not used again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from msgspec import Struct

from messaging.adapters.http.transport import AskingFailed, MayStart
from messaging.adapters.providers.smtp.wire.conversation import Conversation
from messaging.adapters.providers.smtp.wire.exchange import Accepted, Exchange, Interrupted, Lost, Refused
from messaging.adapters.providers.smtp.wire.replies import Stage
from messaging.adapters.providers.smtp.wire.transaction import Envelope, Progress, transact

# A server closes idle connections after minutes; one asked a moment ago is not asked again.
_ASK_AFTER: Final = 5.0
# The code with which a server announces that it closes the connection.
_CLOSING: Final = 421


class PoolTerms(Struct, frozen=True, kw_only=True):
    """Bounds of a pool. Seconds: `slot` is the wait for a free connection, `before` covers everything up to the
    permission (connect, TLS, login, MAIL, RCPT, DATA), `answer` the time from the content's first byte to the answer to
    its final dot. Giving up early would turn messages that were taken into messages with an unknown outcome.
    """

    connections: int = 10
    most_uses: int = 100
    idle: float = 30.0
    slot: float = 8.0
    before: float = 20.0
    answer: float = 45.0


class Pool:
    """The conversations of one account. `open` makes a new one, and raises Interrupted."""

    def __init__(self, open: Callable[[], Awaitable[Conversation]], terms: PoolTerms) -> None:
        self._open = open
        self._terms = terms
        self._slots = asyncio.Semaphore(terms.connections)
        self._idle: deque[Conversation] = deque()
        self._trimming: asyncio.TimerHandle | None = None
        self.last_used = monotonic()

    @property
    def kept(self) -> int:
        """The number of conversations that are kept for the next message."""
        return len(self._idle)

    async def send(self, envelope: Envelope, content: bytes, may_start: MayStart) -> Exchange:
        """Send one message, at most once. Exceptions of `may_start` are raised."""
        self.last_used = monotonic()
        try:
            async with asyncio.timeout(self._terms.slot):
                await self._slots.acquire()
        except TimeoutError:
            reason = f"No free connection to the mail server for {self._terms.slot} s."
            return Lost(stage=Stage.CONNECT, code="no_free_connection", reason=reason)
        try:
            return await self._send(envelope, content, Progress(may_start))
        finally:
            self._slots.release()
            self.last_used = monotonic()

    async def _send(self, envelope: Envelope, content: bytes, progress: Progress) -> Exchange:
        """Over a kept conversation, and once more over a new one if the kept one turns out to be over."""
        try:
            async with asyncio.timeout(self._terms.before) as deadline:
                kept = await self._kept()
                if kept is not None:
                    ended = await self._over(kept, envelope, content, progress, deadline)
                    if progress.started or not _gone(ended):
                        return ended
                progress.stage = Stage.CONNECT
                fresh = await self._open()
                return await self._over(fresh, envelope, content, progress, deadline)
        except TimeoutError:
            return Lost(stage=progress.stage, reason="the mail server took too long")
        except AskingFailed as failed:
            raise failed.error from None
        except Interrupted as interrupted:
            return interrupted.end

    async def _over(
        self, it: Conversation, envelope: Envelope, content: bytes, progress: Progress, deadline: asyncio.Timeout
    ) -> Exchange:
        try:
            ended = await transact(it, envelope, content, progress, deadline, answer_seconds=self._terms.answer)
        except BaseException:
            it.cut()
            raise
        it.used += 1
        self._put_back(it, ended)
        return ended

    async def _kept(self) -> Conversation | None:
        """The conversation used last that can still be used."""
        while self._idle:
            it = self._idle.pop()
            idle_for = monotonic() - it.idle_since
            if it.has_ended or idle_for > self._terms.idle:
                it.cut()
            elif (idle_for < _ASK_AFTER and not it.open_transaction) or await self._answers(it):
                return it
        return None

    async def _answers(self, it: Conversation) -> bool:
        """Ask whether the server is there; RSET also calls off the transaction that it refused."""
        try:
            await it.require(Stage.CONNECT, b"RSET" if it.open_transaction else b"NOOP")
        except Interrupted:
            it.cut()
            return False
        except BaseException:
            it.cut()
            raise
        it.open_transaction = False
        return True

    def _put_back(self, it: Conversation, ended: Exchange) -> None:
        """Keep the conversation if it is in order."""
        refused = isinstance(ended, Refused) and ended.reply.code != _CLOSING
        if (refused or isinstance(ended, Accepted)) and not it.has_ended and it.used < self._terms.most_uses:
            it.open_transaction = refused
            it.idle_since = monotonic()
            self._idle.append(it)
            self._trim_later()
        else:
            it.cut()

    def _trim_later(self) -> None:
        if self._trimming is None:
            self._trimming = asyncio.get_running_loop().call_later(self._terms.idle, self._trim)

    def _trim(self) -> None:
        """Close what has been idle for too long; the one used longest ago comes first."""
        self._trimming = None
        while self._idle and monotonic() - self._idle[0].idle_since >= self._terms.idle:
            self._idle.popleft().cut()
        if self._idle:
            self._trim_later()

    async def aclose(self) -> None:
        """Take leave of the server on all idle connections."""
        if self._trimming is not None:
            self._trimming.cancel()
        idle, self._idle = list(self._idle), deque()
        for it in idle:
            await it.leave()


def _gone(ended: Exchange) -> bool:
    """Whether a kept conversation was over before the message was: the server had gone, or was just going."""
    if isinstance(ended, Lost):
        return True
    return isinstance(ended, Refused) and ended.stage is Stage.MAIL and ended.reply.code == _CLOSING
