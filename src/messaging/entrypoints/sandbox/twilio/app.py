"""The look-alike of Twilio's Programmable Messaging: its parts, and the answer to each request."""

from typing import Final

from messaging.entrypoints.sandbox.core.app import Shared
from messaging.entrypoints.sandbox.core.control import Handler
from messaging.entrypoints.sandbox.core.fates.damage import accepted_effect, refused_effect
from messaging.entrypoints.sandbox.core.fates.faults import REFUSED_MODES
from messaging.entrypoints.sandbox.core.storage.append_log import LogBroken
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.wire import Effect, Reply, Request
from messaging.entrypoints.sandbox.twilio.accounts import Account, Accounts
from messaging.entrypoints.sandbox.twilio.control import TwilioControl
from messaging.entrypoints.sandbox.twilio.messages import WITHOUT_ID, Messages, refusal
from messaging.entrypoints.sandbox.twilio.rest import Rest
from messaging.entrypoints.sandbox.twilio.rest_errors import REFUSALS, RestError
from messaging.entrypoints.sandbox.twilio.sent import NAME, NAMES, Sent, Sids
from messaging.entrypoints.sandbox.twilio.webhooks.inbound import Inbound
from messaging.entrypoints.sandbox.twilio.webhooks.statuses import Statuses

_VERSION: Final = "2010-04-01"
_SERVICES: Final = ("v1", "Services")
_END: Final = ".json"


class Twilio:
    """Twilio's API under `/2010-04-01`, and `/v1/Services`."""

    codes = REFUSALS.keys()

    def __init__(self, shared: Shared) -> None:
        self._faults = shared.faults
        self._tuning = shared.tuning
        self._accounts = Accounts(shared.journal)
        ledger = Section(shared.ledger, Sent, names=NAMES, ids=Sids())
        self._inbound = Inbound(shared.events, self._accounts, shared.webhooks)
        self._statuses = Statuses(ledger, self._inbound, self._accounts, shared.webhooks, shared.tuning)
        self._messages = Messages(ledger=ledger, statuses=self._statuses, faults=shared.faults, tuning=shared.tuning)
        self._rest = Rest(self._accounts)
        self._control = TwilioControl(self._accounts, self._inbound)

    def serves(self, request: Request) -> bool:
        return request.parts[:1] == (_VERSION,) or request.parts == _SERVICES

    async def answer(self, request: Request) -> Effect:
        try:
            return await self._answer(request)
        except RestError as error:
            return error.reply()
        except LogBroken:
            return RestError(20500).reply()

    async def _answer(self, request: Request) -> Effect:
        if request.parts == _SERVICES:
            return self._services(request)
        sid, resource = _resource(request)
        if (request.method, resource) == ("POST", ("Messages",)):
            return await self._send(request, sid)
        fault = self._faults.take(NAME, request.path, sid, None) if self._faults else None
        settings = self._tuning.current
        if fault is not None and fault.mode in REFUSED_MODES:
            return refused_effect(fault.mode, fault.params, settings, refusal)
        reply = self._read(self._accounts.authenticate(sid, request.authorization), request, resource)
        if fault is not None:
            return accepted_effect(fault.mode, fault.params, settings, reply, without_id=WITHOUT_ID)
        return reply

    async def _send(self, request: Request, sid: str) -> Effect:
        fault = self._messages.fault(request)
        if fault is not None and fault.mode in REFUSED_MODES:
            return refused_effect(fault.mode, fault.params, self._tuning.current, refusal)
        return await self._messages.create(self._accounts.authenticate(sid, request.authorization), request, fault)

    def _read(self, account: Account, request: Request, resource: tuple[str, ...]) -> Reply:
        match request.method, resource:
            case "GET", ("Messages",):
                return self._messages.listed(account, request)
            case "GET", ("Messages", sid):
                return self._messages.fetch(account, sid)
            case _:
                return self._rest.handle(account, request, resource)

    def _services(self, request: Request) -> Reply:
        for account in self._accounts:
            try:
                return self._rest.services(self._accounts.authenticate(account.sid, request.authorization))
            except RestError:
                continue
        raise RestError(20003)

    def control(self, request: Request) -> Handler | None:
        return self._control(request)

    async def open(self) -> None:
        self._messages.resume()
        self._inbound.resume()
        self._statuses.reports.resume()

    async def close(self) -> None:
        await self._statuses.reports.close()


def _resource(request: Request) -> tuple[str, tuple[str, ...]]:
    """The SID of the account in the path, and the resource behind it without `.json`; raises `RestError` 20404."""
    _, *parts = request.parts
    if len(parts) < 2 or parts[0] != "Accounts" or not parts[-1].endswith(_END):
        raise RestError(20404)
    _, sid, *resource = [*parts[:-1], parts[-1].removesuffix(_END)]
    return sid, tuple(resource)
