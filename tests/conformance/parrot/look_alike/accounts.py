"""The accounts in the sandbox, their senders, and what their calls and webhooks are signed with."""

import secrets
from typing import Annotated, Final

import msgspec

from messaging.entrypoints.sandbox.core.storage.journal import Journal
from tests.conformance.parrot.look_alike.errors import ParrotError

_KIND: Final = "parrot_account"
_Secret = Annotated[str, msgspec.Meta(min_length=1)]


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(pattern="^pa_[0-9a-f]{12}$")]
    api_token: _Secret
    signing_secret: _Secret
    senders: tuple[str, ...]


class Accounts:
    """All accounts, by the token that calls are made with."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        stored = (msgspec.json.decode(value, type=Account) for value in journal.values(_KIND))
        self._by_id = {account.id: account for account in stored}

    def put(self, account: Account) -> None:
        self._by_id[account.id] = account
        self._journal.put(_KIND, account.id, account)

    def get(self, id: str) -> Account | None:
        return self._by_id.get(id)

    def authenticate(self, token: str | None) -> Account:
        """The account whose token it is; raises ParrotError."""
        given = (token or "").encode()
        for account in self._by_id.values():
            if secrets.compare_digest(account.api_token.encode(), given):
                return account
        raise ParrotError("unauthorized")
