"""The look-alike of a mail server: takes mail by SMTP, and mails back what servers mail back.

It listens on a port of its own, which `GET /smtp` tells and which stays the same for a state directory if it can.
"""

import asyncio
import contextlib
from typing import Final

import msgspec

from messaging.entrypoints.sandbox.core.app import Shared
from messaging.entrypoints.sandbox.core.control import BadControl, Handler
from messaging.entrypoints.sandbox.core.fates.damage import FirstSends
from messaging.entrypoints.sandbox.core.fates.faults import FaultSpec
from messaging.entrypoints.sandbox.core.fates.faults import Mode as Fault
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.wire import Effect, Reply, Request, json_reply
from messaging.entrypoints.sandbox.smtp.conversation import Conversing, Mail, Plan
from messaging.entrypoints.sandbox.smtp.listener import listening
from messaging.entrypoints.sandbox.smtp.mailing import Exchangers, Mailing
from messaging.entrypoints.sandbox.smtp.outcomes import Mode, Outcome, Point, outcome_for
from messaging.entrypoints.sandbox.smtp.sent import NAME, QueueIds, Sent, entry_of

_PORT: Final = "smtp.port"
# What the faults that every look-alike knows are for a mail server. Those that are accepted all the same and answered
# with an error are a lost answer here: a mail server's error means that it did not take the mail.
_REFUSALS: Final[dict[Fault, tuple[str, Point]]] = {
    "429": ("454 4.7.0 Throttling failure: Maximum sending rate exceeded", Point.CONTENT),
    "503": ("421 4.3.2 Service closing", Point.RCPT),
    "invalid_token": ("530 5.7.0 Authentication required", Point.RCPT),
    "500_before": ("451 4.3.0 Temporary system problem", Point.CONTENT),
}
_MODES: Final[dict[Fault, Mode]] = {
    "reset_before": Mode.LOST_BEFORE,
    "hang_before": Mode.HANG_BEFORE,
    "500_after": Mode.LOST_AFTER,
    "503_after": Mode.LOST_AFTER,
    "hang_after": Mode.HANG_AFTER,
    "reset_after": Mode.LOST_AFTER,
    "truncated_200": Mode.GARBLED,
    "non_json_200": Mode.GARBLED,
    "no_id_200": Mode.GARBLED,
    "slow": Mode.SLOW,
}


class Smtp:
    """The port `LookAlike` for a mail server."""

    codes: frozenset[int] = frozenset()

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._ledger = Section(shared.ledger, Sent, names=(NAME,), ids=QueueIds())
        self._exchangers = Exchangers(shared.journal)
        self._mailing = Mailing(self._ledger, shared.webhooks, self._exchangers, shared.tuning)
        self._first_sends = FirstSends()
        self._stopping = asyncio.Event()
        self._open = contextlib.AsyncExitStack()
        self._port = 0

    def serves(self, request: Request) -> bool:
        return request.parts[:1] == (NAME,)

    async def answer(self, request: Request) -> Effect:
        if request.parts != (NAME,) or request.method != "GET":
            return json_reply(404, {"detail": "GET /smtp tells where the mail server listens"})
        return json_reply(200, {"port": self._port})

    def control(self, request: Request) -> Handler | None:
        if request.parts != ("_control", "smtp"):
            return None
        return {"GET": self._read, "POST": self._change}.get(request.method)

    async def _read(self, request: Request) -> Reply:
        return json_reply(200, {"port": self._port, "exchangers": self._exchangers.known})

    async def _change(self, request: Request) -> Reply:
        """Tell where mail to a domain is taken: `{"exchangers": {"bounces.example.com": "127.0.0.1:2526"}}`."""
        given = msgspec.json.decode(request.body, type=_Change).exchangers
        wrong = [value for value in given.values() if not value.rpartition(":")[2].isdecimal()]
        if wrong:
            raise BadControl("an exchanger is written host:port")
        self._exchangers.put(given)
        return await self._read(request)

    async def open(self) -> None:
        self._stopping.clear()
        kept = [msgspec.json.decode(value, type=int) for value in self._shared.journal.values(_PORT)]
        self._port = await self._listen(kept[-1] if kept else 0)
        self._shared.journal.put(_PORT, "", self._port)
        self._mailing.resume()

    async def _listen(self, port: int) -> int:
        try:
            return await self._open.enter_async_context(listening(self._conversing, self._shared.host, port))
        except OSError:
            # Somebody else has the port that this sandbox had before.
            return await self._open.enter_async_context(listening(self._conversing, self._shared.host, 0))

    async def close(self) -> None:
        self._stopping.set()
        await self._open.aclose()

    def _conversing(self) -> Conversing:
        return Conversing(plan=self._plan, take=self._take, tuning=self._shared.tuning, stopping=self._stopping)

    def _plan(self, sender: str, recipient: str) -> Plan:
        """What happens to a mail: a scripted fault, or what the recipient stands for."""
        outcome = outcome_for(recipient)
        fault = self._shared.faults.take(NAME, "/messages", sender, recipient) if self._shared.faults else None
        if fault is not None:
            return _faulty(fault, outcome)
        refusal = outcome.refusal
        if refusal is None:
            return Plan(outcome=outcome, mode=outcome.mode)
        # Senders are not told apart: each attempt has a return path of its own.
        if not self._first_sends.is_refused("", recipient, refusal.times):
            return Plan(outcome=outcome)
        return Plan(outcome=outcome, refusal=refusal.line, point=refusal.point)

    async def _take(self, mail: Mail) -> str:
        """Store a mail; the answer is its id in the queue."""
        n, queue_id = self._ledger.reserve(mail.recipient)
        entry = entry_of(mail, n)
        await self._ledger.record(entry)
        self._mailing.schedule(entry)
        return queue_id


class _Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    exchangers: dict[str, str]


def _faulty(fault: FaultSpec, outcome: Outcome) -> Plan:
    seconds = None if fault.params.ms is None else fault.params.ms / 1000
    if (refusal := _REFUSALS.get(fault.mode)) is not None:
        return Plan(outcome=outcome, refusal=refusal[0], point=refusal[1])
    return Plan(outcome=outcome, mode=_MODES[fault.mode], seconds=seconds)
