"""The business accounts and numbers in the sandbox, who may act for them, and where their webhooks go."""

import re
import time
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from messaging.entrypoints.sandbox.core.storage.journal import Journal
from messaging.entrypoints.sandbox.former_names import renamed
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import GraphError, unknown_object

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Secret = Annotated[str, msgspec.Meta(min_length=1)]
_NO_DIGIT = re.compile(r"\D")


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook URL that replaces the app's for `messages` events."""

    uri: str
    verify_token: str


class PhoneNumber(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One business number; `throughput_mps` left out follows the settings, null means no limit."""

    id: Id
    display_phone_number: str
    verified_name: str = "Sandbox"
    throughput_mps: Annotated[float, msgspec.Meta(gt=0)] | msgspec.UnsetType | None = msgspec.UNSET
    override: Override | None = None
    status: Literal["CONNECTED", "PENDING", "DISCONNECTED"] = "CONNECTED"
    """Only a connected number sends; registering connects it."""
    pin: str | None = None
    """The second factor; the first registration sets it when there is none."""

    @property
    def digits(self) -> str:
        """The number as WhatsApp writes it: country code and digits alone."""
        return _NO_DIGIT.sub("", self.display_phone_number)


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One WhatsApp Business Account together with the (single) Meta app that serves it."""

    waba_id: Id
    access_token: Secret
    app_secret: Secret
    verify_token: str | None = None
    webhook_url: Annotated[str, msgspec.Meta(pattern="^https?://")] | None = None
    """The app-level URL: template and account events always go here."""
    phone_numbers: tuple[PhoneNumber, ...] = ()
    subscribed: bool = True
    """Whether the app gets this account's events at all."""
    override: Override | None = None
    app_id: Id = "1"
    scopes: tuple[str, ...] = ("whatsapp_business_management", "whatsapp_business_messaging")
    """What the token may do."""
    token_expires_at: int = 0
    """Epoch seconds; 0 is never."""

    def messages_url(self, phone_number_id: str) -> str | None:
        """Where `messages` events of a number go: number before account before app."""
        if not self.subscribed:
            return None
        for phone in self.phone_numbers:
            if phone.id == phone_number_id and phone.override:
                return phone.override.uri
        return self.override.uri if self.override else self.webhook_url

    def app_url(self) -> str | None:
        """Where template and account events go; overrides do not apply to them."""
        return self.webhook_url if self.subscribed else None


class NumberTaken(Exception):
    """A phone number id already belongs to another account."""


class Accounts:
    """All accounts, found by their id, by a number's id, or by token."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._by_waba: dict[str, Account] = {}
        self._by_phone: dict[str, tuple[Account, PhoneNumber]] = {}
        self._tokens: dict[str, int] = {}
        for stored in journal.values("account"):
            self._index(msgspec.convert(renamed(msgspec.json.decode(stored)), Account))

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_waba.values())

    def put(self, account: Account) -> Account:
        """Create or replace an account; overrides set through the Graph API survive. Raises `NumberTaken`."""
        if known := self._by_waba.get(account.waba_id):
            account = _with_known_overrides(account, known)
        self.replace(account)
        return account

    def replace(self, account: Account) -> None:
        """Store the account exactly as given."""
        for phone in account.phone_numbers:
            owner = self._by_phone.get(phone.id)
            if owner is not None and owner[0].waba_id != account.waba_id:
                raise NumberTaken(phone.id)
        self._index(account)
        self._journal.put("account", account.waba_id, account)

    def waba(self, waba_id: str) -> Account | None:
        """The account with this id."""
        return self._by_waba.get(waba_id)

    def phone(self, phone_number_id: str) -> tuple[Account, PhoneNumber] | None:
        """The number with this id, and its account."""
        return self._by_phone.get(phone_number_id)

    def authenticate(self, token: str | None) -> str:
        """The caller's token; raises Graph error 104 without one and 190 for one nobody holds."""
        if token is None:
            raise GraphError(104)
        expires_at = self._tokens.get(token)
        if expires_at is None:
            raise GraphError(190)
        if 0 < expires_at <= time.time():
            raise GraphError(190, message="Error validating access token: Session has expired.", subcode=463)
        return token

    def sender(self, phone_number_id: str, token: str) -> tuple[Account, PhoneNumber]:
        """The number a caller sends from; raises 100/33 for an unknown id and 10 for somebody else's."""
        found = self._by_phone.get(phone_number_id)
        if found is None:
            raise unknown_object(phone_number_id, "post")
        if found[0].access_token != token:
            raise GraphError(10)
        if found[1].status != "CONNECTED":
            raise GraphError(133010)
        return found

    def held_by(self, token: str) -> list[Account]:
        """The accounts a token was granted for."""
        return [account for account in self._by_waba.values() if account.access_token == token]

    def _index(self, account: Account) -> None:
        self._by_waba[account.waba_id] = account
        gone = [id_ for id_, (owner, _) in self._by_phone.items() if owner.waba_id == account.waba_id]
        for id_ in gone:
            del self._by_phone[id_]
        self._by_phone.update({phone.id: (account, phone) for phone in account.phone_numbers})
        self._tokens = {known.access_token: known.token_expires_at for known in self._by_waba.values()}


def _with_known_overrides(account: Account, known: Account) -> Account:
    overrides = {phone.id: phone.override for phone in known.phone_numbers}
    phones = tuple(
        phone if phone.override else msgspec.structs.replace(phone, override=overrides.get(phone.id))
        for phone in account.phone_numbers
    )
    return msgspec.structs.replace(account, override=account.override or known.override, phone_numbers=phones)
