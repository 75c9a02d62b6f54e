"""Answers `POST /{phone}/messages`: checks the send, records it, and plans what follows."""

import re

import msgspec

from messaging.entrypoints.sandbox.core.fates.damage import FirstSends, accepted_effect, refused_effect
from messaging.entrypoints.sandbox.core.fates.faults import REFUSED_MODES, Faults, FaultSpec, Mode, Parameters
from messaging.entrypoints.sandbox.core.settings import Settings, Tuning
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.wire import Effect, Json, NotJson, Reply, Request, json_reply
from messaging.entrypoints.sandbox.whatsapp_cloud.accounts import Account, Accounts, PhoneNumber
from messaging.entrypoints.sandbox.whatsapp_cloud.limits import PairRate, Throughput, Windows
from messaging.entrypoints.sandbox.whatsapp_cloud.recipients import Outcome, outcome_for
from messaging.entrypoints.sandbox.whatsapp_cloud.sending.contents import check_content
from messaging.entrypoints.sandbox.whatsapp_cloud.sending.template_sends import check_template_send
from messaging.entrypoints.sandbox.whatsapp_cloud.sent import NAME, Sent
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.templates import Template, Templates
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.envelopes import user_id_of
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.statuses import Statuses
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import REFUSALS, GraphError, missing
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.wa_ids import wa_id_of

_FORMATTING = str.maketrans("", "", " -()")
_PHONE = re.compile(r"\+?[1-9]\d{6,14}")
_USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_LONGEST_REFERENCE = 512


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a send is for."""

    given: str
    """As the caller wrote it."""
    wa_id: str | None
    user_id: str

    @property
    def key(self) -> str:
        """The id limits, windows and magic go by."""
        return self.wa_id or self.user_id


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A send that Meta would take."""

    account: Account
    phone: PhoneNumber
    recipient: Recipient
    template: Template | None
    """None for free-form content."""
    in_window: bool


class Sends:
    """Checks a send as Meta does, makes it durable, and answers as the recipient or an armed fault demands."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        templates: Templates,
        ledger: Section[Sent],
        statuses: Statuses,
        windows: Windows,
        throughput: Throughput,
        faults: Faults,
        tuning: Tuning,
    ) -> None:
        self._accounts = accounts
        self._templates = templates
        self._ledger = ledger
        self._statuses = statuses
        self._windows = windows
        self._throughput = throughput
        self._pairs = PairRate()
        self._faults = faults
        self._tuning = tuning
        self._first_sends = FirstSends()

    async def handle(self, request: Request) -> Effect:
        """The answer to a send; raises `GraphError` for what is refused."""
        message = _decode(request)
        settings = self._tuning.current
        fault = self._fault(request, message)
        if fault is not None and fault.mode in REFUSED_MODES:
            return refused_effect(fault.mode, fault.params, settings, refusal)
        token = self._accounts.authenticate(request.token)
        account, phone = self._accounts.sender(request.parts[0], token)
        _check_envelope(message)
        if message.get("status") == "read":
            return _mark_read(message)
        send = self._check(account, phone, message, request.received_at)
        outcome = outcome_for(send.recipient.key)
        self._refuse_if_magic(send, outcome)
        mode = fault.mode if fault is not None else outcome.mode
        params = fault.params if fault is not None else Parameters()
        if mode in REFUSED_MODES:
            return refused_effect(mode, params, settings, refusal)
        entry = self._entry(request, message, send)
        await self._accept(entry, outcome)
        reply = _accepted(entry, send, held=outcome.held)
        return reply if mode is None else accepted_effect(mode, params, settings, reply, without_id=WITHOUT_ID)

    def _check(self, account: Account, phone: PhoneNumber, message: Json, now: float) -> Checked:
        settings = self._tuning.current
        recipient = _recipient(account, phone, message)
        template = self._check_content(account, message, recipient)
        in_window = self._windows.is_open(phone.id, recipient.key, settings.window_hours, now)
        if template is None and settings.window_enforced and not in_window:
            raise GraphError(131047)
        mps = throughput_of(phone, settings)
        self._throughput.check(phone.id, mps, now)
        self._pairs.take(phone.id, recipient.key, settings, now)
        self._throughput.note(phone.id, mps, now)
        return Checked(account=account, phone=phone, recipient=recipient, template=template, in_window=in_window)

    def _fault(self, request: Request, message: Json) -> FaultSpec | None:
        if not self._faults:
            return None
        to = message.get("to", message.get("recipient"))
        digits = to.translate(_FORMATTING).lstrip("+") if isinstance(to, str) else None
        return self._faults.take(NAME, request.path, request.parts[0], digits)

    def _check_content(self, account: Account, message: Json, recipient: Recipient) -> Template | None:
        kind = message.get("type")
        if not isinstance(kind, str) or not kind:
            raise missing("type")
        if kind != "template":
            check_content(kind, message)
            return None
        content = message.get("template")
        if not isinstance(content, dict):
            raise GraphError(131008, "The parameter template is required for messages of type template.")
        template = check_template_send(self._templates, account.waba_id, content)
        if template.category == "AUTHENTICATION" and recipient.wa_id is None:
            raise GraphError(131062)
        return template

    def _refuse_if_magic(self, send: Checked, outcome: Outcome) -> None:
        code = outcome.refuse
        if code is not None and self._first_sends.is_refused(send.phone.id, send.recipient.key, outcome.refusals):
            raise GraphError(code)

    def _entry(self, request: Request, message: Json, send: Checked) -> Sent:
        recipient, template = send.recipient, send.template
        n, message_id = self._ledger.reserve(recipient.key)
        reference = message.get("biz_opaque_callback_data")
        # A body written over several lines would break the ledger's lines.
        body = request.body if b"\n" not in request.body else msgspec.json.encode(message)
        wa_id = recipient.wa_id
        if wa_id is not None and outcome_for(wa_id).other_wa_id:
            wa_id = wa_id[:-8] + wa_id[-7:]
        return Sent(
            n=n,
            message_id=message_id,
            to=recipient.given,
            sender=send.phone.id,
            reference=reference if isinstance(reference, str) else None,
            received_at=request.received_at,
            waba_id=send.account.waba_id,
            wa_id=wa_id,
            user_id=recipient.user_id,
            category=template.category.lower() if template else "service",
            in_window=send.in_window,
            body=msgspec.Raw(body),
        )

    async def _accept(self, entry: Sent, outcome: Outcome) -> None:
        await self._ledger.record(entry)
        if outcome.first_status_before_answer:
            await self._statuses.reports.first_now(entry)
        else:
            self._statuses.reports.schedule(entry)


def throughput_of(phone: PhoneNumber, settings: Settings) -> float | None:
    """A number's messages per second; None without a limit."""
    return settings.throughput_mps if phone.throughput_mps is msgspec.UNSET else phone.throughput_mps


def refusal(mode: Mode, code: int | str | None) -> Reply:
    """Meta's answer in one of the modes that refuse with an error code, or with the code asked for."""
    asked = code if isinstance(code, int) and code in REFUSALS else None
    match mode:
        case "429":
            return GraphError(asked or 130429, status=429).reply()
        case "503":
            return GraphError(asked or 131016, status=503).reply()
        case _:
            return GraphError(190).reply()


WITHOUT_ID = json_reply(200, {"messaging_product": "whatsapp", "contacts": [], "messages": []})


def _decode(request: Request) -> Json:
    try:
        return request.json()
    except NotJson as error:
        raise GraphError(100, str(error), message="(#100) The request body is not valid JSON.") from error


def _check_envelope(message: Json) -> None:
    if message.get("messaging_product") != "whatsapp":
        raise missing("messaging_product")
    if message.get("recipient_type", "individual") != "individual":
        raise GraphError(131009, "The sandbox sends to individuals only.")
    reference = message.get("biz_opaque_callback_data")
    if reference is not None and not (isinstance(reference, str) and len(reference) <= _LONGEST_REFERENCE):
        raise GraphError(100, message="(#100) Param biz_opaque_callback_data must be a string of 512 characters.")


def _recipient(account: Account, phone: PhoneNumber, message: Json) -> Recipient:
    to = message.get("to")
    if to is not None:
        if not isinstance(to, str) or not _PHONE.fullmatch(to.translate(_FORMATTING)):
            raise GraphError(131009, "The parameter to is not a phone number in E.164 form.")
        digits = to.translate(_FORMATTING).lstrip("+")
        if digits == phone.digits:
            raise GraphError(131021)
        wa_id = wa_id_of(digits)
        return Recipient(given=to, wa_id=wa_id, user_id=user_id_of(account.waba_id, wa_id))
    user_id = message.get("recipient")
    if user_id is None:
        raise missing("to")
    if not isinstance(user_id, str) or not _USER_ID.fullmatch(user_id):
        raise GraphError(131009, "The parameter recipient is not a business-scoped user id.")
    return Recipient(given=user_id, wa_id=None, user_id=user_id)


def _mark_read(message: Json) -> Reply:
    if not isinstance(message.get("message_id"), str):
        raise missing("message_id")
    return json_reply(200, {"success": True})


def _accepted(entry: Sent, send: Checked, *, held: bool) -> Reply:
    message: Json = {"id": entry.message_id}
    if send.template is not None:
        message["message_status"] = "held_for_quality_assessment" if held else "accepted"
    contact: Json = {"input": entry.to}
    if entry.wa_id is None:
        contact["user_id"] = entry.user_id
    else:
        contact["wa_id"] = entry.wa_id
    return json_reply(200, {"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]})
