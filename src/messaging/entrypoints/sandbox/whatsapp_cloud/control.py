"""The control API's endpoints for what only WhatsApp has: accounts, recipients, users' messages, templates."""

import secrets
import time

import msgspec

from messaging.entrypoints.sandbox.core.control import BadControl, Handler, problem
from messaging.entrypoints.sandbox.core.fates.outcomes import MAGIC
from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.wire import Reply, Request, json_reply
from messaging.entrypoints.sandbox.former_names import refuse
from messaging.entrypoints.sandbox.whatsapp_cloud.accounts import Account, Accounts, NumberTaken
from messaging.entrypoints.sandbox.whatsapp_cloud.limits import Throughput
from messaging.entrypoints.sandbox.whatsapp_cloud.recipients import OUTCOMES
from messaging.entrypoints.sandbox.whatsapp_cloud.sending.sends import throughput_of
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.templates import Templates
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.events import Events
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.inbound import InboundSpec, read_inbound
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.reviews import Reviews

TEMPLATE_STATUSES = ("APPROVED", "REJECTED", "PENDING", "PAUSED", "DISABLED", "FLAGGED", "ARCHIVED")


class TemplateChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A status or quality Meta might give a template."""

    status: str | None = None
    reason: str = "NONE"
    quality: str | None = None


class BusinessControl:
    """Finds the endpoint of a request by its method and path."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        templates: Templates,
        reviews: Reviews,
        events: Events,
        throughput: Throughput,
        tuning: Tuning,
    ) -> None:
        self._accounts = accounts
        self._templates = templates
        self._reviews = reviews
        self._events = events
        self._throughput = throughput
        self._tuning = tuning
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "_control/accounts"): self._list_accounts,
            ("POST", "_control/accounts"): self._put_account,
            ("GET", "_control/recipients"): self._list_recipients,
            ("POST", "_control/inbound"): self._inbound,
        }

    def __call__(self, request: Request) -> Handler | None:
        if request.parts[:2] == ("_control", "templates") and request.method == "POST":
            return self._change_template
        return self._routes.get((request.method, "/".join(request.parts)))

    async def _list_accounts(self, request: Request) -> Reply:
        shown = [_without_secrets(account) for account in self._accounts]
        return json_reply(200, {"data": shown})

    async def _put_account(self, request: Request) -> Reply:
        given = request.json()
        refuse(given)
        try:
            account = self._accounts.put(msgspec.convert(given, Account))
        except NumberTaken as error:
            return problem(409, f"phone number {error} belongs to another account")
        return json_reply(200, _without_secrets(account))

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


def _without_secrets(account: Account) -> dict[str, object]:
    shown = msgspec.to_builtins(account)
    return {**shown, "access_token": "***", "app_secret": "***", "verify_token": "***"}
