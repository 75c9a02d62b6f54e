"""Checks at the provider what an account needs before it is stored, and sets up the rest afterwards."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, assert_never

from msgspec import Struct

from messaging.application.ports.providers import (
    AccountSetup,
    Connection,
    Credentials,
    Finding,
    Inspection,
    ProviderGateway,
    ProviderNumber,
)
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.tenants.accounts.ciphers import OpenAccount
from messaging.application.tenants.views import AccountView
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import AccountId
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.refusals import invalid, not_found
from messaging.domain.tenants.provider_ids import provider_id_violations
from messaging.domain.tenants.tenant import Principal, ProviderAccount

# Forms of placeholders in documents: `WABA_ID`, `EAAG…`, `<token>`.
_PLACEHOLDER: Final = re.compile(r"…|\.\.\.|[<>]|^[A-Z]+(?:_[A-Z]+)+$")


class NumberView(Struct, frozen=True, kw_only=True):
    """A number of an account, as the provider lists it. WhatsApp's numbers send when they are `CONNECTED`."""

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


class InspectionView(Struct, frozen=True, kw_only=True):
    """An account as the provider sees it. `numbers` are empty unless every check is `ok`."""

    ok: bool
    checks: tuple[Finding, ...]
    numbers: tuple[NumberView, ...]

    @classmethod
    def of(cls, inspection: Inspection) -> "InspectionView":
        return cls(ok=inspection.ok, checks=inspection.findings, numbers=tuple(map(NumberView.of, inspection.numbers)))


class Candidate(Struct, frozen=True, kw_only=True):
    """An account that is not stored, or not with these credentials."""

    provider: str
    external_id: str
    credentials: Credentials

    def to_connection(self, mode: Mode) -> Connection:
        return Connection(mode=mode, external_id=self.external_id, credentials=self.credentials)


class VerifyAccount:
    """Asks the provider about an account, which need not be stored; stores nothing."""

    def __init__(self, *, setups: Mapping[str, AccountSetup]) -> None:
        self._setups = setups

    async def __call__(self, principal: Principal, candidate: Candidate) -> InspectionView:
        """Raises DomainError: validation_failed for placeholders, provider_unavailable."""
        if violations := _wrong(candidate):
            raise invalid(*violations)
        return InspectionView.of(await self._inspect(principal, candidate))

    async def require(self, principal: Principal, candidate: Candidate, *, ask: bool | None) -> None:
        """Raises DomainError with everything that is wrong. `ask=None`: the provider is asked in live mode only."""
        violations = _wrong(candidate)
        if not violations and (principal.mode is Mode.LIVE if ask is None else ask):
            inspection = await self._inspect(principal, candidate)
            violations = [_violation(finding) for finding in inspection.findings if not finding.ok]
        if violations:
            raise invalid(*violations)

    async def _inspect(self, principal: Principal, candidate: Candidate) -> Inspection:
        return await self._setups[candidate.provider].inspect(candidate.to_connection(principal.mode))


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
        if override and not connection.credentials.verify_token:
            raise invalid(_NO_VERIFY_TOKEN)
        view = AccountView.of(account, self._webhooks_url, principal.role)
        await self._setups[account.provider].subscribe(connection, webhook_url=view.webhook_url if override else None)
        return view


class RegisterNumber:
    """Registers one of the account's numbers at the provider, so that it can send."""

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        open_account: OpenAccount,
        setups: Mapping[str, AccountSetup],
        gateways: Mapping[str, ProviderGateway],
    ) -> None:
        self._open = open_uow
        self._open_account = open_account
        self._setups = setups
        self._gateways = gateways

    async def __call__(self, principal: Principal, id: AccountId, *, external_id: str, pin: str) -> NumberView:
        """Raises DomainError: not_found, validation_failed, provider_refused, provider_unavailable."""
        account = await stored_account(self._open, principal, id)
        connection = await self._open_account(account)
        gateway = self._gateways[account.provider]
        _named(external_id, await gateway.list_numbers(connection), pointer="/phone_number_id")
        await self._setups[account.provider].register_number(connection, external_id, pin)
        return NumberView.of(_named(external_id, await gateway.list_numbers(connection), pointer="/phone_number_id"))


class CheckSender(Protocol):
    async def __call__(self, account: ProviderAccount, *, external_id: str, address: str) -> Sequence[Violation]: ...


class CheckNumber:
    """Checks whether a number is one of the account's, as the provider lists them now."""

    def __init__(self, *, open_account: OpenAccount, gateways: Mapping[str, ProviderGateway]) -> None:
        self._open_account = open_account
        self._gateways = gateways

    async def __call__(self, account: ProviderAccount, *, external_id: str, address: str) -> Sequence[Violation]:
        """Raises DomainError: provider_refused, provider_unavailable."""
        connection = await self._open_account(account)
        numbers = await self._gateways[account.provider].list_numbers(connection)
        number = next((number for number in numbers if number.external_id == external_id), None)
        if number is None:
            return [_unknown_number(numbers, pointer="/external_id")]
        if number.address and _digits(number.address) != _digits(address):
            detail = f"The provider says that this number is {number.address}."
            return [Violation(pointer="/address", code="number_mismatch", detail=detail)]
        return []


async def stored_account(open_uow: OpenUnitOfWork, principal: Principal, id: AccountId) -> ProviderAccount:
    """Raises DomainError `not_found`."""
    async with open_uow(principal.tenant_id, principal.mode) as uow:
        account = await uow.accounts.account(id)
    if account is None:
        raise not_found()
    return account


def _wrong(candidate: Candidate) -> list[Violation]:
    """Violations that can be found without the provider."""
    copied = placeholders(candidate.external_id, candidate.credentials)
    if any(violation.pointer == "/external_id" for violation in copied):
        return copied
    return [*provider_id_violations(candidate.provider, candidate.external_id), *copied]


def placeholders(external_id: str, credentials: Credentials) -> list[Violation]:
    """Values that were copied from a document and never filled in."""
    given = [("/external_id", external_id), ("/access_token", credentials.access_token)]
    given += [(f"/app_secrets/{index}", secret) for index, secret in enumerate(credentials.app_secrets)]
    given += [("/verify_token", credentials.verify_token or "")]
    return [violation for pointer, value in given if (violation := placeholder(pointer, value)) is not None]


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


def _violation(finding: Finding) -> Violation:
    match finding.part:
        case "token":
            return Violation(pointer="/access_token", code="token_refused", detail=finding.detail)
        case "scopes":
            return Violation(pointer="/access_token", code="scope_missing", detail=finding.detail)
        case "account":
            return Violation(pointer="/external_id", code="account_not_visible", detail=finding.detail)
        case "app_secret":
            return Violation(pointer="/app_secrets", code="app_secret_wrong", detail=finding.detail)
        case _:
            assert_never(finding.part)


_NO_VERIFY_TOKEN = Violation(
    pointer="/override",
    code="verify_token_missing",
    detail="The provider checks the URL with the account's verify_token. Give it one with PATCH.",
)
