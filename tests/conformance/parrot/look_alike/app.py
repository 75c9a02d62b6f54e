"""The look-alike of Parrot's API, under `/v1`."""

import re
from typing import Annotated, Final

import msgspec

from messaging.entrypoints.sandbox.core.app import Shared
from messaging.entrypoints.sandbox.core.control import Handler
from messaging.entrypoints.sandbox.core.fates.damage import accepted_effect, refused_effect
from messaging.entrypoints.sandbox.core.fates.faults import REFUSED_MODES, Parameters
from messaging.entrypoints.sandbox.core.storage.append_log import LogBroken
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.wire import Effect, Reply, Request, json_reply
from tests.conformance.parrot.look_alike.accounts import Account, Accounts
from tests.conformance.parrot.look_alike.errors import REFUSALS, ParrotError, refusal
from tests.conformance.parrot.look_alike.outcomes import outcome_for
from tests.conformance.parrot.look_alike.sent import NAME, Ids, Sent
from tests.conformance.parrot.look_alike.statuses import Statuses

_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_LONGEST: Final = 1_600
WITHOUT_ID: Final = json_reply(202, {"status": "queued"})


class _Send(msgspec.Struct, frozen=True, kw_only=True):
    to: str
    from_: str = msgspec.field(name="from")
    text: Annotated[str, msgspec.Meta(min_length=1)]
    client_reference: str | None = None
    webhook_url: str | None = msgspec.field(name="callback_url", default=None)


class Parrot:
    """The port `LookAlike`."""

    codes = REFUSALS.keys()

    def __init__(self, shared: Shared) -> None:
        self._faults = shared.faults
        self._tuning = shared.tuning
        self._accounts = Accounts(shared.journal)
        self._ledger = Section(shared.ledger, Sent, names=(NAME,), ids=Ids())
        self._statuses = Statuses(self._ledger, self._accounts, shared.webhooks, shared.tuning)
        self._by_key: dict[tuple[str, str], Sent] = {}

    def serves(self, request: Request) -> bool:
        return request.parts[:2] == ("v1", "messages")

    async def answer(self, request: Request) -> Effect:
        try:
            match request.method, request.parts:
                case "POST", ("v1", "messages"):
                    return await self._send(request)
                case "GET", ("v1", "messages", id):
                    return self._fetch(request, id)
                case _:
                    raise ParrotError("not_found")
        except ParrotError as error:
            return error.reply()
        except LogBroken:
            return ParrotError("internal").reply()

    async def _send(self, request: Request) -> Effect:
        account = self._accounts.authenticate(request.token)
        try:
            order = msgspec.json.decode(request.body, type=_Send)
        except msgspec.MsgspecError as error:
            raise ParrotError("invalid_recipient") from error
        settings, outcome = self._tuning.current, outcome_for(order.to)
        fault = self._faults.take(NAME, request.path, order.from_, order.to.lstrip("+")) if self._faults else None
        mode = fault.mode if fault is not None else outcome.mode
        params = fault.params if fault is not None else Parameters()
        if mode in REFUSED_MODES:
            assert mode is not None
            return refused_effect(mode, params, settings, refusal)
        key = (account.id, request.header("Idempotency-Key"))
        if (known := self._by_key.get(key)) is not None:
            return json_reply(202, self._statuses.resource(known) | {"status": "queued"})
        self._check(account, order)
        if outcome.refuse is not None:
            raise ParrotError(outcome.refuse)
        entry = await self._accept(account, order, request, key)
        reply = json_reply(202, self._statuses.resource(entry) | {"status": "queued"})
        return reply if mode is None else accepted_effect(mode, params, settings, reply, without_id=WITHOUT_ID)

    def _check(self, account: Account, order: _Send) -> None:
        if not _PHONE.fullmatch(order.to):
            raise ParrotError("invalid_recipient")
        if order.from_ not in account.senders:
            raise ParrotError("unknown_sender")
        if len(order.text) > _LONGEST:
            raise ParrotError("text_too_long")

    async def _accept(self, account: Account, order: _Send, request: Request, key: tuple[str, str]) -> Sent:
        n, id = self._ledger.reserve(order.to)
        entry = Sent(
            n=n,
            message_id=id,
            to=order.to,
            sender=order.from_,
            reference=order.client_reference,
            received_at=request.received_at,
            body=msgspec.Raw(request.body),
            account_id=account.id,
            key=key[1],
            webhook_url=order.webhook_url,
        )
        if key[1]:
            self._by_key[key] = entry
        await self._ledger.record(entry)
        if outcome_for(entry.to).first_status_before_answer:
            await self._statuses.reports.first_now(entry)
        else:
            self._statuses.reports.schedule(entry)
        return entry

    def _fetch(self, request: Request, id: str) -> Reply:
        account = self._accounts.authenticate(request.token)
        entry = self._ledger.find(id)
        if entry is None or entry.account_id != account.id:
            raise ParrotError("not_found")
        return json_reply(200, self._statuses.resource(entry))

    def control(self, request: Request) -> Handler | None:
        return self._put if (request.method, request.parts) == ("POST", ("_control", NAME, "accounts")) else None

    async def _put(self, request: Request) -> Reply:
        account = msgspec.json.decode(request.body, type=Account)
        self._accounts.put(account)
        return json_reply(200, {"id": account.id, "senders": account.senders})

    async def open(self) -> None:
        for entry in self._ledger.entries():
            if entry.key:
                self._by_key[entry.account_id, entry.key] = entry
        self._statuses.reports.resume()

    async def close(self) -> None:
        await self._statuses.reports.close()
