"""The accounts in the sandbox, their senders, who may act for them, and where their inbound webhooks go."""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from messaging.entrypoints.sandbox.core.storage.journal import Journal
from messaging.entrypoints.sandbox.twilio.rest_errors import RestError

_KIND = "twilio_account"
Secret = Annotated[str, msgspec.Meta(min_length=1)]
Url = Annotated[str, msgspec.Meta(pattern="^(https?://.*)?$")]


class Number(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A phone number of the account. `sms_url` is where messages to it are posted; empty for nowhere."""

    phone_number: Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{6,14}$")]
    friendly_name: str = "Sandbox"
    sms: bool = True
    sms_url: Url = ""

    @property
    def sid(self) -> str:
        return "PN" + hashlib.md5(self.phone_number.encode(), usedforsecurity=False).hexdigest()


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Messaging Service and the numbers it may send from, of which it takes the first."""

    sid: Annotated[str, msgspec.Meta(pattern="^MG[0-9a-f]{32}$")]
    senders: tuple[str, ...] = ()


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account; `auth_token` signs its webhooks. Calls take either token, or an API key of `api_keys`."""

    sid: Annotated[str, msgspec.Meta(pattern="^AC[0-9a-f]{32}$")]
    auth_token: Secret
    secondary_auth_token: Secret | None = None
    api_keys: dict[str, str] = {}
    """Secret by SID."""
    friendly_name: str = "Sandbox"
    status: Literal["active", "suspended", "closed"] = "active"
    type: Literal["Full", "Trial"] = "Full"
    numbers: tuple[Number, ...] = ()
    short_codes: tuple[Annotated[str, msgspec.Meta(pattern="^[0-9]{3,8}$")], ...] = ()
    services: tuple[Service, ...] = ()

    def number(self, phone_number: str) -> Number | None:
        return next((number for number in self.numbers if number.phone_number == phone_number), None)

    def service(self, sid: str) -> Service | None:
        return next((service for service in self.services if service.sid == sid), None)

    def service_of(self, phone_number: str) -> Service | None:
        return next((service for service in self.services if phone_number in service.senders), None)


class Accounts:
    """All accounts, found by their SID."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        stored = (msgspec.json.decode(value, type=Account) for value in journal.values(_KIND))
        self._by_sid = {account.sid: account for account in stored}

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_sid.values())

    def put(self, account: Account) -> Account:
        """Create or replace an account; an `sms_url` set through the API survives."""
        if known := self._by_sid.get(account.sid):
            account = msgspec.structs.replace(account, numbers=tuple(_with_url(n, known) for n in account.numbers))
        self.replace(account)
        return account

    def replace(self, account: Account) -> None:
        """Store the account exactly as given."""
        self._by_sid[account.sid] = account
        self._journal.put(_KIND, account.sid, account)

    def get(self, sid: str) -> Account | None:
        return self._by_sid.get(sid)

    def authenticate(self, sid: str, authorization: str) -> Account:
        """The account that a call is for; raises 20003 for credentials that are not its own."""
        account = self._by_sid.get(sid)
        user, password = _read_basic(authorization)
        if account is None or not _may_act(account, user, password):
            raise RestError(20003)
        return account


def _with_url(number: Number, known: Account) -> Number:
    before = known.number(number.phone_number)
    return number if number.sms_url or before is None else msgspec.structs.replace(number, sms_url=before.sms_url)


def _read_basic(authorization: str) -> tuple[str, str]:
    scheme, _, credential = authorization.partition(" ")
    try:
        user, _, password = base64.b64decode(credential, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (user, password) if scheme.lower() == "basic" else ("", "")


def _may_act(account: Account, user: str, password: str) -> bool:
    accepted = [account.api_keys.get(user)]
    if user == account.sid:
        accepted = [account.auth_token, account.secondary_auth_token]
    return any(secret is not None and secrets.compare_digest(secret.encode(), password.encode()) for secret in accepted)
