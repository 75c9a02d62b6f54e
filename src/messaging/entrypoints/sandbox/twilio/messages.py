"""The messages of an account: sends are checked, made durable and answered; sent ones are shown and listed."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from messaging.entrypoints.sandbox.core.fates.damage import FirstSends, accepted_effect, refused_effect
from messaging.entrypoints.sandbox.core.fates.faults import REFUSED_MODES, Faults, FaultSpec, Mode, Parameters
from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.wire import Effect, Json, Reply, Request, json_reply
from messaging.entrypoints.sandbox.twilio import segments
from messaging.entrypoints.sandbox.twilio.accounts import Account
from messaging.entrypoints.sandbox.twilio.recipients import Outcome, outcome_for
from messaging.entrypoints.sandbox.twilio.rest_errors import REFUSALS, RestError
from messaging.entrypoints.sandbox.twilio.sent import NAME, Sent, Sids, reference_in
from messaging.entrypoints.sandbox.twilio.webhooks.statuses import Statuses

_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}")
_LONGEST_BODY, _MOST_MEDIA = 1_600, 10
# Countries, by calling code, in which a sender cannot be a name.
_NO_NAMES: Final = ("+1",)
WITHOUT_ID: Final = json_reply(201, {"status": "queued"})


class _Form(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a send that the sandbox looks at."""

    to: str
    sender: str
    """`From`, or the SID of the service where there is no `From`."""
    from_: str
    service_sid: str
    body: str
    media: tuple[str, ...]
    status_url: str
    validity: str


class _Sender(msgspec.Struct, frozen=True):
    from_: str | None
    service_sid: str | None


class Messages:
    """Sends, and what became of them."""

    def __init__(self, *, ledger: Section[Sent], statuses: Statuses, faults: Faults, tuning: Tuning) -> None:
        self._ledger = ledger
        self._statuses = statuses
        self._faults = faults
        self._tuning = tuning
        self._first_sends = FirstSends()
        self._by_recipient: dict[tuple[str, str], list[str]] = defaultdict(list)
        """SIDs by account and recipient, the oldest first."""

    def resume(self) -> None:
        """After a start: find the sends of the ledger again."""
        for entry in self._ledger.entries():
            self._by_recipient[entry.account_sid, entry.to].append(entry.message_id)

    def fault(self, request: Request) -> FaultSpec | None:
        """The fault that a send runs into, before anything of it is checked."""
        form = _read(request)
        return self._faults.take(NAME, request.path, form.sender, form.to.lstrip("+")) if self._faults else None

    async def create(self, account: Account, request: Request, fault: FaultSpec | None) -> Effect:
        """The answer to a send; raises `RestError` for what is refused."""
        form, settings = _read(request), self._tuning.current
        sender = _check(account, form)
        outcome = outcome_for(form.to)
        if outcome.refuse is not None and self._first_sends.is_refused(form.sender, form.to, outcome.refusals):
            raise RestError(outcome.refuse)
        mode = fault.mode if fault is not None else outcome.mode
        params = fault.params if fault is not None else Parameters()
        if mode in REFUSED_MODES:
            assert mode is not None
            return refused_effect(mode, params, settings, refusal)
        entry = self._entry(account, request, form, sender)
        await self._accept(entry, outcome)
        reply = json_reply(201, self._answer(entry))
        return reply if mode is None else accepted_effect(mode, params, settings, reply, without_id=WITHOUT_ID)

    def fetch(self, account: Account, sid: str) -> Reply:
        entry = self._ledger.find(sid)
        if entry is None or entry.account_sid != account.sid or outcome_for(entry.to).hidden:
            raise RestError(20404)
        return json_reply(200, self._statuses.resource(entry))

    def listed(self, account: Account, request: Request) -> Reply:
        """A page of the account's messages, the newest first. `To` and `From` choose."""
        query = request.query()
        size, page = min(int(query.get("PageSize") or 50), 1_000), int(query.get("Page") or 0)
        chosen = [entry for entry in self._newest(account, query.get("To")) if _matches(entry, query)]
        shown = chosen[page * size : (page + 1) * size]
        more = len(chosen) > (page + 1) * size
        following = f"{request.path}?{urlencode(query | {'Page': str(page + 1)})}" if more else None
        nodes = [self._statuses.resource(entry) for entry in shown]
        return json_reply(200, {"messages": nodes, "page": page, "page_size": size, "next_page_uri": following})

    def _newest(self, account: Account, to: str | None) -> Iterator[Sent]:
        keys = [(account.sid, to)] if to else [key for key in self._by_recipient if key[0] == account.sid]
        found = [entry for key in keys for sid in self._by_recipient.get(key, ()) if (entry := self._ledger.find(sid))]
        return iter(sorted(found, key=lambda entry: entry.n, reverse=True))

    def _entry(self, account: Account, request: Request, form: _Form, sender: _Sender) -> Sent:
        n, _ = self._ledger.reserve(form.to)
        return Sent(
            n=n,
            message_id=Sids().mint(form.to, n, media=bool(form.media)),
            to=form.to,
            sender=form.sender,
            reference=reference_in(form.status_url),
            received_at=request.received_at,
            body=msgspec.Raw(msgspec.json.encode(_fields(request))),
            account_sid=account.sid,
            from_=sender.from_,
            service_sid=sender.service_sid,
            status_url=form.status_url or None,
            text=form.body,
            segments=segments.count(form.body),
            media=len(form.media),
        )

    async def _accept(self, entry: Sent, outcome: Outcome) -> None:
        await self._ledger.record(entry)
        self._by_recipient[entry.account_sid, entry.to].append(entry.message_id)
        if outcome.first_status_before_answer:
            await self._statuses.reports.first_now(entry)
        else:
            self._statuses.reports.schedule(entry)

    def _answer(self, entry: Sent) -> Json:
        """The answer to a send. A service has not chosen a number yet, so neither it nor the segments are known."""
        node = self._statuses.resource(entry)
        if entry.service_sid is None:
            return node | {"status": "queued"}
        return node | {"status": "accepted", "from": None, "num_segments": "0"}


def refusal(mode: Mode, code: int | str | None) -> Reply:
    """Twilio's answer in one of the modes that refuse with an error code, or with the code asked for."""
    asked = code if isinstance(code, int) and code in REFUSALS else None
    match mode:
        case "429":
            return RestError(asked or 20429, status=429).reply()
        case "503":
            return RestError(asked or 20503, status=503).reply()
        case _:
            return RestError(20003).reply()


def _fields(request: Request) -> dict[str, object]:
    """The form, with a list for a name that comes more than once."""
    fields: dict[str, object] = {}
    for name, value in parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True):
        known = fields.get(name)
        if known is None:
            fields[name] = value
        else:
            fields[name] = [*known, value] if isinstance(known, list) else [known, value]
    return fields


def _read(request: Request) -> _Form:
    pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    fields = dict(pairs)
    from_, service = fields.get("From", ""), fields.get("MessagingServiceSid", "")
    return _Form(
        to=fields.get("To", ""),
        sender=from_ or service,
        from_=from_,
        service_sid=service,
        body=fields.get("Body", ""),
        media=tuple(value for name, value in pairs if name == "MediaUrl"),
        status_url=fields.get("StatusCallback", ""),
        validity=fields.get("ValidityPeriod", ""),
    )


def _check(account: Account, form: _Form) -> _Sender:
    """Who the message leaves from; raises `RestError` for what Twilio refuses."""
    if account.status != "active":
        raise RestError(20005)
    if not form.to:
        raise RestError(21604)
    if not _PHONE.fullmatch(form.to):
        raise RestError(21211)
    _check_content(form)
    if form.status_url and not (
        form.status_url.startswith(("http://", "https://")) and urlsplit(form.status_url).hostname
    ):
        raise RestError(21609)
    if form.validity and not (form.validity.isdecimal() and 1 <= int(form.validity) <= 36_000):
        raise RestError(21624)
    return _service(account, form) if form.service_sid else _number(account, form)


def _check_content(form: _Form) -> None:
    if not form.body and not form.media:
        raise RestError(21602)
    if len(form.body) > _LONGEST_BODY:
        raise RestError(21617)
    if len(form.media) > _MOST_MEDIA:
        raise RestError(21623)
    if any(not link.startswith(("http://", "https://")) for link in form.media):
        raise RestError(21620)


def _service(account: Account, form: _Form) -> _Sender:
    service = account.service(form.service_sid)
    if service is None:
        raise RestError(21701)
    if not service.senders:
        raise RestError(21703)
    return _Sender(form.from_ or service.senders[0], service.sid)


def _number(account: Account, form: _Form) -> _Sender:
    if not form.from_:
        raise RestError(21603)
    if form.from_ == form.to:
        raise RestError(21266)
    if _PHONE.fullmatch(form.from_):
        number = account.number(form.from_)
        if number is None or not number.sms:
            raise RestError(21606)
    elif form.from_.isdecimal():
        if form.from_ not in account.short_codes:
            raise RestError(21606)
    elif not _NAME.fullmatch(form.from_):
        raise RestError(21212)
    elif form.to.startswith(_NO_NAMES):
        raise RestError(21612)
    return _Sender(form.from_, None)


def _matches(entry: Sent, query: dict[str, str]) -> bool:
    """Whether a list shows the message. A filter by date is not looked at: a list may hold more than was asked for."""
    return query.get("From") in (None, "", entry.from_) and not outcome_for(entry.to).hidden
