"""The control API for tests and operators: settings, faults, and what was received, under `/_`."""

import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec

from messaging.entrypoints.sandbox.core.fates.faults import Faults, FaultSpec
from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.storage.append_log import AppendLog
from messaging.entrypoints.sandbox.core.storage.journal import Journal
from messaging.entrypoints.sandbox.core.storage.ledger import Ledger
from messaging.entrypoints.sandbox.core.webhooks import Webhooks
from messaging.entrypoints.sandbox.core.wire import NotJson, Reply, Request, encode, json_reply
from messaging.entrypoints.sandbox.former_names import RENAMED_PATHS, refuse

Handler = Callable[[Request], Awaitable[Reply]]


class BadControl(Exception):
    """A control request that makes no sense; the text says why."""


class Control:
    """The endpoints that every sandbox has. `own` finds those that only one provider has.

    `codes` are the error codes that the providers know: a fault may answer with any of them.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        webhooks: Webhooks,
        webhook_log: AppendLog,
        faults: Faults,
        tuning: Tuning,
        journal: Journal,
        codes: Collection[int | str],
        own: Sequence[Callable[[Request], Handler | None]],
        token: str | None,
    ) -> None:
        self._ledger = ledger
        self._webhooks = webhooks
        self._webhook_log = webhook_log
        self._faults = faults
        self._tuning = tuning
        self._journal = journal
        self._codes = codes
        self._own = own
        self._token = token
        self._routes = self._map_routes()

    async def handle(self, request: Request) -> Reply:
        """The answer to one call."""
        if self._token is not None and not secrets.compare_digest(request.token or "", self._token):
            return problem(401, "the control token is missing or wrong")
        handler = self._routes.get((request.method, "/".join(request.parts))) or self._find_own(request)
        if handler is None:
            return problem(404, _no_endpoint("/".join(request.parts)))
        try:
            return await handler(request)
        except (BadControl, NotJson, msgspec.ValidationError, msgspec.DecodeError) as error:
            return problem(422, str(error))

    def _find_own(self, request: Request) -> Handler | None:
        return next((handler for find in self._own if (handler := find(request)) is not None), None)

    def _map_routes(self) -> dict[tuple[str, str], Handler]:
        return {
            ("GET", "_ledger"): self._read_ledger,
            ("GET", "_webhooks"): self._read_webhooks,
            ("GET", "_control/settings"): self._read_settings,
            ("POST", "_control/settings"): self._change_settings,
            ("GET", "_control/faults"): self._list_faults,
            ("POST", "_control/faults"): self._arm_fault,
            ("DELETE", "_control/faults"): self._clear_faults,
        }

    async def _read_ledger(self, request: Request) -> Reply:
        return _log_page(self._ledger.log, request, {})

    async def _read_webhooks(self, request: Request) -> Reply:
        extra = {"pending": self._webhooks.pending, "totals": self._webhooks.totals}
        return _log_page(self._webhook_log, request, extra)

    async def _read_settings(self, request: Request) -> Reply:
        return json_reply(200, self._tuning.current)

    async def _change_settings(self, request: Request) -> Reply:
        changes = request.json()
        refuse(changes)
        self._tuning.apply(changes)
        self._journal.put("settings", "", self._tuning.changes())
        return json_reply(200, self._tuning.current)

    async def _list_faults(self, request: Request) -> Reply:
        return json_reply(200, {"data": self._faults.views()})

    async def _arm_fault(self, request: Request) -> Reply:
        spec = msgspec.json.decode(request.body, type=FaultSpec)
        if spec.params.code is not None and spec.params.code not in self._codes:
            raise BadControl(f"the sandbox knows no error {spec.params.code}")
        fault = self._faults.arm(spec)
        return json_reply(201, fault.view())

    async def _clear_faults(self, request: Request) -> Reply:
        return json_reply(200, {"cleared": self._faults.clear()})


def _no_endpoint(path: str) -> str:
    present = RENAMED_PATHS.get(path)
    return f"/{path} is called /{present} now" if present else "no such control endpoint"


def _log_page(log: AppendLog, request: Request, extra: dict[str, object]) -> Reply:
    """A page of a log: `next` continues it (null at the end), `end` is where later lines will start."""
    query = request.query()
    limit = query.get("limit")
    try:
        page = log.page(int(query.get("after") or 0), None if limit is None else int(limit))
    except ValueError as error:
        raise BadControl(str(error)) from error
    fields: dict[str, object] = {
        "data": [msgspec.Raw(line) for line in page.lines],
        "next": str(page.end) if page.end < log.durable_end else None,
        "end": str(page.end),
    }
    return Reply(200, encode(fields | extra))


def problem(status: int, detail: str) -> Reply:
    return json_reply(status, {"detail": detail})
