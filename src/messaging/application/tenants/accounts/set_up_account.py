"""Checks at the provider what an account needs before it is stored, and sets up the rest afterwards."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import asdict

from messaging.application.ports.providers.descriptor import Providers
from messaging.application.ports.providers.numbers import NumberDirectory, ProviderNumber
from messaging.application.ports.providers.outcomes import ProviderRefused
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.setup import AccountSetup, Finding, Inspection
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.tenants.accounts.ciphers import OpenAccount
from messaging.application.tenants.views import AccountView
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import AccountId
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.refusals import invalid, not_found
from messaging.domain.tenants.provider_ids import id_violations
from messaging.domain.tenants.tenant import Principal, ProviderAccount

T = TypeVar("T")

# Forms of placeholders in documents: `ACCOUNT_ID`, `EAAG…`, `<token>`.
_PLACEHOLDER: Final = re.compile(r"…|\.\.\.$|^<.*>$|^[A-Z]+(?:_[A-Z]+)+$")


class NumberView(Struct, frozen=True, kw_only=True):
    """A number of an account, as the provider lists it. It sends when its status is `CONNECTED`."""

    external_id: str
    address: str
    name: str
    status: str
    per_second: int

    @classmethod
    def of(cls, number: ProviderNumber) -> "NumberView":
        return cls(
            external_id=number.external_id,
            address=number.address,
            name=number.name,
            status=number.status,
            per_second=number.per_second,
        )


class AccountCheckView(Struct, frozen=True, kw_only=True):
    """The provider's answer about one part of an account. `detail` explains it to a person, also if `ok`."""

    part: str
    ok: bool
    detail: str

    @classmethod
    def of(cls, finding: Finding) -> "AccountCheckView":
        return cls(part=finding.part, ok=finding.ok, detail=finding.detail)


class InspectionView(Struct, frozen=True, kw_only=True):
    """An account as the provider sees it. `numbers` are empty unless every check is `ok`."""

    ok: bool
    checks: tuple[AccountCheckView, ...]
    numbers: tuple[NumberView, ...]

    @classmethod
    def of(cls, inspection: Inspection) -> "InspectionView":
        return cls(
            ok=inspection.ok,
            checks=tuple(map(AccountCheckView.of, inspection.findings)),
            numbers=tuple(map(NumberView.of, inspection.numbers)),
        )


class Candidate(Struct, frozen=True, kw_only=True):
    """An account that is not stored, or not with these credentials."""

    provider: str
    external_id: str
    credentials: Struct

    def to_connection(self, mode: Mode) -> Connection:
        return Connection(mode=mode, external_id=self.external_id, credentials=self.credentials)


class VerifyAccount:
    """Asks the provider about an account, which need not be stored; stores nothing."""

    def __init__(self, *, setups: Mapping[str, AccountSetup], providers: Providers) -> None:
        self._setups = setups
        self._providers = providers

    async def __call__(self, principal: Principal, candidate: Candidate) -> InspectionView:
        """Raises DomainError: validation_failed for placeholders, provider_unavailable."""
        if violations := self._wrong(candidate):
            raise invalid(*violations)
        return InspectionView.of(await self._inspect(principal, candidate))

    async def require(self, principal: Principal, candidate: Candidate, *, ask: bool | None) -> None:
        """Raises DomainError with everything that is wrong. `ask=None`: the provider is asked in live mode only."""
        violations = self._wrong(candidate)
        if not violations and (principal.mode is Mode.LIVE if ask is None else ask):
            inspection = await self._inspect(principal, candidate)
            violations = [
                Violation(pointer=finding.pointer, code=finding.code, detail=finding.detail)
                for finding in inspection.findings
                if not finding.ok
            ]
        if violations:
            raise invalid(*violations)

    async def _inspect(self, principal: Principal, candidate: Candidate) -> Inspection:
        setup = self._setups.get(candidate.provider)
        if setup is None:
            return Inspection(findings=())
        return await setup.inspect(candidate.to_connection(principal.mode))

    def _wrong(self, candidate: Candidate) -> list[Violation]:
        """Violations that can be found without the provider."""
        copied = placeholders(candidate.external_id, candidate.credentials)
        if any(violation.pointer == "/external_id" for violation in copied):
            return copied
        shape = self._providers[candidate.provider].account_id
        return [*id_violations(shape.fits(candidate.external_id), shape.words), *copied]


class SubscribeAccount:
    """Has the provider deliver the account's webhooks, with `override` to the account's own URL."""

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        open_account: OpenAccount,
        setups: Mapping[str, AccountSetup],
        webhooks_url: str,
    ) -> None:
        self._open = open_uow
        self._open_account = open_account
        self._setups = setups
        self._webhooks_url = webhooks_url

    async def __call__(self, principal: Principal, id: AccountId, *, override: bool) -> AccountView:
        """Raises DomainError: not_found, validation_failed, provider_refused, provider_unavailable."""
        account = await stored_account(self._open, principal, id)
        connection = await self._open_account(account)
        view = AccountView.of(account, self._webhooks_url, principal.role)
        await _offered(self._setups, account, _NO_SUBSCRIPTION).subscribe(
            connection, webhook_url=view.webhook_url if override else None
        )
        return view


class RegisterNumber:
    """Registers one of the account's numbers at the provider, so that it can send."""

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        open_account: OpenAccount,
        setups: Mapping[str, AccountSetup],
        directories: Mapping[str, NumberDirectory],
    ) -> None:
        self._open = open_uow
        self._open_account = open_account
        self._setups = setups
        self._directories = directories

    async def __call__(self, principal: Principal, id: AccountId, *, external_id: str, pin: str) -> NumberView:
        """Raises DomainError: not_found, validation_failed, provider_refused, provider_unavailable."""
        account = await stored_account(self._open, principal, id)
        connection = await self._open_account(account)
        setup = _offered(self._setups, account, _NO_NUMBERS)
        directory = _offered(self._directories, account, _NO_NUMBERS)
        _named(external_id, await directory.list_numbers(connection), pointer="/phone_number_id")
        await setup.register_number(connection, external_id, pin)
        return NumberView.of(_named(external_id, await directory.list_numbers(connection), pointer="/phone_number_id"))


class CheckSender(Protocol):
    async def __call__(self, account: ProviderAccount, *, external_id: str, address: str) -> Sequence[Violation]: ...


class CheckNumber:
    """Checks whether a number is one of the account's, as the provider lists them now."""

    def __init__(
        self, *, open_account: OpenAccount, directories: Mapping[str, NumberDirectory], providers: Providers
    ) -> None:
        self._open_account = open_account
        self._directories = directories
        self._providers = providers

    async def __call__(self, account: ProviderAccount, *, external_id: str, address: str) -> Sequence[Violation]:
        """No violation where the provider lists no senders, or none with such an id.

        Raises DomainError: provider_refused, provider_unavailable.
        """
        directory = self._directories.get(account.provider)
        if directory is None or not self._providers[account.provider].sender_id.listed(external_id):
            return []
        numbers = await directory.list_numbers(await self._open_account(account))
        number = next((number for number in numbers if number.external_id == external_id), None)
        if number is None:
            return [_unknown_number(numbers, pointer="/external_id")]
        if number.address and _digits(number.address) != _digits(address):
            detail = f"The provider says that this number is {number.address}."
            return [Violation(pointer="/address", code="number_mismatch", detail=detail)]
        return []


_NO_SUBSCRIPTION: Final = (
    "takes no subscription over its API. If it posts webhooks, enter the account's webhook_url there."
)
_NO_NUMBERS: Final = "has no numbers to register. Its senders can send as soon as they are added."


def _offered(parts: Mapping[str, T], account: ProviderAccount, otherwise: str) -> T:
    """The provider's part. Raises ProviderRefused if it has no such part."""
    if (part := parts.get(account.provider)) is None:
        raise ProviderRefused("provider_refused", f"The provider {account.provider} {otherwise}")
    return part


async def stored_account(open_uow: OpenUnitOfWork, principal: Principal, id: AccountId) -> ProviderAccount:
    """Raises DomainError `not_found`."""
    async with open_uow(principal.tenant_id, principal.mode) as uow:
        account = await uow.accounts.account(id)
    if account is None:
        raise not_found()
    return account


def placeholders(external_id: str, credentials: Struct) -> list[Violation]:
    """Values that were copied from a document and never filled in."""
    given = [("/external_id", external_id), *_texts("", asdict(credentials))]
    return [violation for pointer, value in given if (violation := placeholder(pointer, value)) is not None]


def _texts(pointer: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every text in a value, however deep, with the pointer to it."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(f"{pointer}/{name}", inner)
    elif isinstance(value, Sequence):
        for index, inner in enumerate(value):
            yield from _texts(f"{pointer}/{index}", inner)


def placeholder(pointer: str, value: str) -> Violation | None:
    if _PLACEHOLDER.search(value) is None:
        return None
    detail = "This is what documents write in place of a value. Put your own there."
    return Violation(pointer=pointer, code="placeholder_value", detail=detail)


def _digits(address: str) -> str:
    return "".join(c for c in address if c in "0123456789")


def _named(external_id: str, numbers: Sequence[ProviderNumber], *, pointer: str) -> ProviderNumber:
    for number in numbers:
        if number.external_id == external_id:
            return number
    raise invalid(_unknown_number(numbers, pointer=pointer))


def _unknown_number(numbers: Sequence[ProviderNumber], *, pointer: str) -> Violation:
    listed = ", ".join(f"{number.external_id} ({number.address})" for number in numbers[:20]) or "none"
    detail = f"The account has no number with this id. It has: {listed}."
    return Violation(pointer=pointer, code="number_unknown", detail=detail)
