"""The Graph API edges of the sandbox, apart from sending: templates, numbers, subscriptions, history."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable

import aiohttp
import msgspec

from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.wire import Json, NotJson, Reply, json_reply
from messaging.entrypoints.sandbox.whatsapp_cloud.accounts import Account, Accounts, Override, PhoneNumber
from messaging.entrypoints.sandbox.whatsapp_cloud.sending.sends import throughput_of
from messaging.entrypoints.sandbox.whatsapp_cloud.sent import Sent
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.templates import Template, Templates, pick_fields
from messaging.entrypoints.sandbox.whatsapp_cloud.tokens import Tokens
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.reviews import Reviews
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.statuses import Statuses
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import (
    GraphError,
    missing,
    unknown_object,
    unknown_path,
)
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.versions import GraphRequest

_LONGEST_OVERRIDE = 200
_PIN = re.compile(r"[0-9]{6}")
_SUCCESS: Json = {"success": True}


class Graph:
    """The management side of the look-alike."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        templates: Templates,
        reviews: Reviews,
        ledger: Section[Sent],
        statuses: Statuses,
        tuning: Tuning,
    ) -> None:
        self._accounts = accounts
        self._templates = templates
        self._reviews = reviews
        self._ledger = ledger
        self._statuses = statuses
        self._tuning = tuning
        self._tokens = Tokens(accounts)
        self._edges: dict[tuple[str, str], Callable[[GraphRequest, str, str], Awaitable[object]]] = {
            ("GET", "message_templates"): self._list_templates,
            ("POST", "message_templates"): self._create_template,
            ("DELETE", "message_templates"): self._delete_template,
            ("GET", "phone_numbers"): self._list_numbers,
            ("GET", "subscribed_apps"): self._subscription,
            ("POST", "subscribed_apps"): self._subscribe,
            ("DELETE", "subscribed_apps"): self._unsubscribe,
            ("GET", "message_history"): self._history,
            ("POST", "register"): self._register,
            ("GET", ""): self._read_node,
            ("POST", ""): self._write_node,
        }

    async def handle(self, request: GraphRequest) -> Reply:
        """The answer to one call; raises `GraphError` for what is refused."""
        object_id, *rest = request.parts
        if (request.method, request.parts) == ("GET", ("debug_token",)):
            return json_reply(200, self._tokens.debug(request))
        edge = self._edges.get((request.method, rest[0] if rest else ""))
        if edge is None or len(rest) > 1:
            raise unknown_path(request.parts)
        try:
            token = self._tokens.authenticate(request)
            return json_reply(200, await edge(request, object_id, token))
        except NotJson as error:
            raise GraphError(100, str(error), message="(#100) The request body is not valid JSON.") from error

    def _account(self, request: GraphRequest, waba_id: str, token: str) -> Account:
        account = self._accounts.waba(waba_id)
        if account is None:
            raise unknown_object(waba_id, request.method)
        return _owned(account, token)

    async def _list_templates(self, request: GraphRequest, waba_id: str, token: str) -> object:
        account = self._account(request, waba_id, token)
        return self._templates.page(account.waba_id, request.query(), f"/{request.version}{request.path}")

    async def _create_template(self, request: GraphRequest, waba_id: str, token: str) -> object:
        account = self._account(request, waba_id, token)
        template = self._templates.create(account.waba_id, request.parameters(), self._review_due_at())
        self._reviews.schedule(template)
        return {"id": template.id, "status": template.status, "category": template.category}

    async def _delete_template(self, request: GraphRequest, waba_id: str, token: str) -> object:
        account = self._account(request, waba_id, token)
        query = request.parameters()
        name, template_id = query.get("name"), query.get("hsm_id")
        if not isinstance(name, str) or not name:
            raise missing("name")
        self._templates.delete(account.waba_id, name, None if template_id is None else str(template_id))
        return _SUCCESS

    async def _list_numbers(self, request: GraphRequest, waba_id: str, token: str) -> object:
        account = self._account(request, waba_id, token)
        fields = request.query().get("fields")
        data = [pick_fields(self._number_node(account, phone), fields) for phone in account.phone_numbers]
        return {"data": data, "paging": {"cursors": {"before": "MAZDZD", "after": "MAZDZD"}} if data else {}}

    async def _subscription(self, request: GraphRequest, waba_id: str, token: str) -> object:
        account = self._account(request, waba_id, token)
        if not account.subscribed:
            return {"data": []}
        app: Json = {
            "whatsapp_business_api_data": {"id": account.app_id, "name": "Sandbox", "link": "https://example.com"}
        }
        if account.override is not None:
            app["override_callback_uri"] = account.override.uri
        return {"data": [app]}

    async def _subscribe(self, request: GraphRequest, waba_id: str, token: str) -> object:
        account = self._account(request, waba_id, token)
        override = _read_override(request.parameters())
        if override is not None:
            if not account.subscribed:
                raise GraphError(
                    100,
                    message="Before override the current webhook uri, your app must be subscribed to receive"
                    " messages for WhatsApp Business Account",
                )
            await _handshake(override)
        # An empty body subscribes and, as documented, removes an override.
        self._accounts.replace(msgspec.structs.replace(account, subscribed=True, override=override))
        return _SUCCESS

    async def _unsubscribe(self, request: GraphRequest, waba_id: str, token: str) -> object:
        account = self._account(request, waba_id, token)
        self._accounts.replace(msgspec.structs.replace(account, subscribed=False, override=None))
        return _SUCCESS

    async def _history(self, request: GraphRequest, phone_id: str, token: str) -> object:
        account, phone = self._phone(request, phone_id, token)
        message_id = request.query().get("message_id")
        if not message_id:
            raise missing("message_id")
        entry = self._ledger.find(message_id)
        if entry is None or entry.sender != phone.id:
            raise GraphError(100, message=f"(#100) No message {message_id} for this phone number.", status=422)
        events = self._statuses.history(entry)
        url = account.messages_url(phone.id)
        for event in events:
            event["webhook_uri"] = url
        node = {"id": f"{account.waba_id}{entry.n}", "message_id": message_id, "events": {"data": events}}
        return {"data": [node]}

    async def _register(self, request: GraphRequest, phone_id: str, token: str) -> object:
        account, phone = self._phone(request, phone_id, token)
        given = request.parameters()
        if given.get("messaging_product") != "whatsapp":
            raise missing("messaging_product")
        pin = given.get("pin")
        if not isinstance(pin, str) or not _PIN.fullmatch(pin):
            raise GraphError(100, message="(#100) Param pin must be a string of 6 digits.")
        if phone.pin not in (None, pin):
            raise GraphError(133005)
        self._put_phone(account, msgspec.structs.replace(phone, pin=pin, status="CONNECTED"))
        return _SUCCESS

    async def _read_node(self, request: GraphRequest, object_id: str, token: str) -> object:
        fields = request.query().get("fields")
        if object_id == "me":
            return pick_fields({"id": f"9{self._accounts.held_by(token)[0].app_id}", "name": "System user"}, fields)
        if self._accounts.phone(object_id):
            return pick_fields(self._number_node(*self._phone(request, object_id, token)), fields)
        if (template := self._templates.get(object_id)) is not None:
            self._account(request, template.waba_id, token)
            return pick_fields(template.node(), fields)
        account = self._account(request, object_id, token)
        node: Json = {"id": account.waba_id, "name": "Sandbox account", "timezone_id": "1", "currency": "USD"}
        return pick_fields(node, fields)

    async def _write_node(self, request: GraphRequest, object_id: str, token: str) -> object:
        if self._accounts.phone(object_id):
            return await self._write_number(request, *self._phone(request, object_id, token))
        template = self._templates.get(object_id)
        if template is None:
            raise unknown_object(object_id, request.method)
        self._account(request, template.waba_id, token)
        return self._edit_template(request, template)

    def _edit_template(self, request: GraphRequest, template: Template) -> object:
        changed = self._templates.edit(template, request.parameters(), self._review_due_at())
        self._reviews.schedule(changed)
        return _SUCCESS

    async def _write_number(self, request: GraphRequest, account: Account, phone: PhoneNumber) -> object:
        configuration = request.parameters().get("webhook_configuration")
        if isinstance(configuration, dict):
            override = _read_override(configuration)
            if override is not None:
                await _handshake(override)
            self._put_phone(account, msgspec.structs.replace(phone, override=override))
        return _SUCCESS

    def _put_phone(self, account: Account, phone: PhoneNumber) -> None:
        phones = tuple(phone if known.id == phone.id else known for known in account.phone_numbers)
        self._accounts.replace(msgspec.structs.replace(account, phone_numbers=phones))

    def _phone(self, request: GraphRequest, phone_id: str, token: str) -> tuple[Account, PhoneNumber]:
        found = self._accounts.phone(phone_id)
        if found is None:
            raise unknown_object(phone_id, request.method)
        return _owned(found[0], token), found[1]

    def _number_node(self, account: Account, phone: PhoneNumber) -> Json:
        mps = throughput_of(phone, self._tuning.current)
        urls = {
            "application": account.webhook_url,
            "whatsapp_business_account": account.override and account.override.uri,
            "phone_number": phone.override and phone.override.uri,
        }
        return {
            "id": phone.id,
            "display_phone_number": phone.display_phone_number,
            "verified_name": phone.verified_name,
            "quality_rating": "GREEN",
            "code_verification_status": "VERIFIED",
            "name_status": "APPROVED",
            "status": phone.status,
            "platform_type": "CLOUD_API",
            "throughput": {"level": "HIGH" if mps is None or mps > 80 else "STANDARD"},
            "whatsapp_business_manager_messaging_limit": "TIER_UNLIMITED",
            "webhook_configuration": {level: url for level, url in urls.items() if url},
        }

    def _review_due_at(self) -> float:
        return time.time() + self._tuning.current.review_delay_ms / 1000


def _owned(account: Account, token: str) -> Account:
    if account.access_token != token:
        raise GraphError(200)
    return account


def _read_override(fields: Json) -> Override | None:
    """The override a call asks for; an absent or empty URL asks for none."""
    uri = fields.get("override_callback_uri")
    if uri is None or uri == "":
        return None
    verify_token = fields.get("verify_token")
    if not isinstance(uri, str) or not uri.startswith(("http://", "https://")) or len(uri) > _LONGEST_OVERRIDE:
        raise GraphError(100, message="(#100) Param override_callback_uri must be a URL of at most 200 characters.")
    if not isinstance(verify_token, str) or not verify_token:
        raise missing("verify_token")
    return Override(uri=uri, verify_token=verify_token)


async def _handshake(override: Override) -> None:
    """Ask the URL to repeat a challenge; raises 2200 when it does not."""
    challenge = str(secrets.randbelow(10**10))
    query = {
        "hub.mode": "subscribe",
        "hub.challenge": challenge,
        "hub.verify_token": override.verify_token,
    }
    try:
        async with (
            asyncio.timeout(10),
            aiohttp.ClientSession() as session,
            session.get(override.uri, params=query, allow_redirects=False) as answer,
        ):
            body = (await answer.content.read(4096)).decode("latin-1")
            problem = f"HTTP Status Code = {answer.status}; HTTP Message = {answer.reason}"
            if answer.status == 200 and body == challenge:
                return
            if answer.status == 200:
                problem = "the challenge was not repeated"
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        problem = type(error).__name__
    raise GraphError(2200, message=f"(#2200) Webhook verification failed with the following errors: {problem}")
