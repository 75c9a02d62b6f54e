"""The control API for tests and operators: accounts, settings, faults, inbound messages, and what was received."""

import secrets
import time
from collections.abc import Awaitable, Callable

import msgspec

from messaging.entrypoints.sandbox.core.append_log import AppendLog
from messaging.entrypoints.sandbox.core.faults import Faults, FaultSpec
from messaging.entrypoints.sandbox.core.journal import Journal
from messaging.entrypoints.sandbox.core.ledger import Ledger
from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.webhooks import Webhooks
from messaging.entrypoints.sandbox.core.wire import NotJson, Reply, Request, encode, json_reply
from messaging.entrypoints.sandbox.former_names import RENAMED_PATHS, refuse
from messaging.entrypoints.sandbox.whatsapp_cloud.accounts import Account, Accounts, NumberTaken
from messaging.entrypoints.sandbox.whatsapp_cloud.graph_errors import REFUSALS
from messaging.entrypoints.sandbox.whatsapp_cloud.limits import Throughput
from messaging.entrypoints.sandbox.whatsapp_cloud.recipients import MAGIC, OUTCOMES
from messaging.entrypoints.sandbox.whatsapp_cloud.sending.sends import throughput_of
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.templates import Templates
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.events import Events
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.inbound import InboundSpec, read_inbound
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.reviews import Reviews

Handler = Callable[[Request], Awaitable[Reply]]
TEMPLATE_STATUSES = ("APPROVED", "REJECTED", "PENDING", "PAUSED", "DISABLED", "FLAGGED", "ARCHIVED")


class TemplateChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A status or quality Meta might give a template."""

    status: str | None = None
    reason: str = "NONE"
    quality: str | None = None


class BadControl(Exception):
    """A control request that makes no sense; the text says why."""


class Control:
    """The sandbox's own endpoints, all under `/_`."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        templates: Templates,
        reviews: Reviews,
        ledger: Ledger,
        events: Events,
        webhooks: Webhooks,
        webhook_log: AppendLog,
        throughput: Throughput,
        faults: Faults,
        tuning: Tuning,
        journal: Journal,
        token: str | None,
    ) -> None:
        self._accounts = accounts
        self._templates = templates
        self._reviews = reviews
        self._ledger = ledger
        self._events = events
        self._webhooks = webhooks
        self._webhook_log = webhook_log
        self._throughput = throughput
        self._faults = faults
        self._tuning = tuning
        self._journal = journal
        self._token = token
        self._routes = self._map_routes()

    async def handle(self, request: Request) -> Reply:
        """The answer to one call."""
        if self._token is not None and not secrets.compare_digest(request.token or "", self._token):
            return _problem(401, "the control token is missing or wrong")
        handler = self._routes.get((request.method, "/".join(request.parts)))
        if request.parts[:2] == ("_control", "templates") and request.method == "POST":
            handler = self._change_template
        if handler is None:
            return _problem(404, _no_endpoint("/".join(request.parts)))
        try:
            return await handler(request)
        except (BadControl, NotJson, msgspec.ValidationError, msgspec.DecodeError) as error:
            return _problem(422, str(error))
        except NumberTaken as error:
            return _problem(409, f"phone number {error} belongs to another account")

    def _map_routes(self) -> dict[tuple[str, str], Handler]:
        return {
            ("GET", "_ledger"): self._read_ledger,
            ("GET", "_webhooks"): self._read_webhooks,
            ("GET", "_control/accounts"): self._list_accounts,
            ("POST", "_control/accounts"): self._put_account,
            ("GET", "_control/settings"): self._read_settings,
            ("POST", "_control/settings"): self._change_settings,
            ("GET", "_control/faults"): self._list_faults,
            ("POST", "_control/faults"): self._arm_fault,
            ("DELETE", "_control/faults"): self._clear_faults,
            ("GET", "_control/recipients"): self._list_recipients,
            ("POST", "_control/inbound"): self._inbound,
        }

    async def _read_ledger(self, request: Request) -> Reply:
        return _log_page(self._ledger.log, request, {})

    async def _read_webhooks(self, request: Request) -> Reply:
        extra = {"pending": self._webhooks.pending, "totals": self._webhooks.totals}
        return _log_page(self._webhook_log, request, extra)

    async def _list_accounts(self, request: Request) -> Reply:
        shown = [_without_secrets(account) for account in self._accounts]
        return json_reply(200, {"data": shown})

    async def _put_account(self, request: Request) -> Reply:
        given = request.json()
        refuse(given)
        account = self._accounts.put(msgspec.convert(given, Account))
        return json_reply(200, _without_secrets(account))

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
        if spec.params.code is not None and spec.params.code not in REFUSALS:
            raise BadControl(f"the sandbox knows no error {spec.params.code}")
        fault = self._faults.arm(spec)
        return json_reply(201, fault.view())

    async def _clear_faults(self, request: Request) -> Reply:
        return json_reply(200, {"cleared": self._faults.clear()})

    async def _list_recipients(self, request: Request) -> Reply:
        data = [
            {"ends_with": f"{MAGIC}{digits:02d}", "outcome": outcome.summary} for digits, outcome in OUTCOMES.items()
        ]
        return json_reply(200, {"data": data})

    async def _inbound(self, request: Request) -> Reply:
        spec = msgspec.json.decode(request.body, type=InboundSpec)
        found = self._accounts.phone(spec.phone_number_id)
        if found is None:
            raise BadControl(f"there is no phone number {spec.phone_number_id}")
        now = time.time()
        try:
            message_id, event = read_inbound(spec, *found, secrets.randbelow(2**32), now)
        except ValueError as error:
            raise BadControl(str(error)) from error
        await self._events.add(event)
        self._throughput.note(found[1].id, throughput_of(found[1], self._tuning.current), now)
        return json_reply(202, {"message_id": message_id, "from_user_id": event.item["from_user_id"]})

    async def _change_template(self, request: Request) -> Reply:
        template = self._templates.get(request.parts[-1])
        if template is None:
            raise BadControl(f"there is no template {request.parts[-1]}")
        change = msgspec.json.decode(request.body, type=TemplateChange)
        if change.status is not None:
            if change.status not in TEMPLATE_STATUSES:
                raise BadControl(f"status must be one of {', '.join(TEMPLATE_STATUSES)}")
            self._reviews.set_status(template, change.status, change.reason)
        if change.quality is not None:
            current = self._templates.get(template.id)
            assert current is not None
            self._reviews.set_quality(current, change.quality)
        return json_reply(200, self._templates.get(template.id))


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


def _no_endpoint(path: str) -> str:
    present = RENAMED_PATHS.get(path)
    return f"/{path} is called /{present} now" if present else "no such control endpoint"


def _without_secrets(account: Account) -> dict[str, object]:
    shown = msgspec.to_builtins(account)
    return {**shown, "access_token": "***", "app_secret": "***", "verify_token": "***"}


def _problem(status: int, detail: str) -> Reply:
    return json_reply(status, {"detail": detail})
