"""Checks that each account's token works at its provider, by a cheap read, a few accounts at a time."""

import asyncio
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.secrets import CannotDecrypt
from messaging.application.ports.survey import Survey
from messaging.application.tenants.accounts.ciphers import OpenAccount
from messaging.domain.shared.ids import Prefix, typeid
from messaging.domain.tenants.tenant import ProviderAccount
from messaging.entrypoints.composition.doctor.finding import Finding, failed, fine, some, warning

_AT_ONCE: Final = 16
_SECONDS: Final = 5.0
# Accounts asked at the same time, so that thousands of accounts are not a burst of requests to the provider.
_MOST: Final = 200


class _Bad(StrEnum):
    REFUSED = "refused"
    SEALED = "sealed"
    AWAY = "away"
    UNKNOWN = "unknown"


_RENEW: Final = "give the account a new token: PATCH /v1/provider-accounts/{id} (docs/connect-….md of its provider)"
_MEND: Final = {
    _Bad.REFUSED: _RENEW,
    _Bad.SEALED: "mend the finding `master_key`; if there is none: " + _RENEW,
    _Bad.AWAY: "check this machine's way out to the provider, its base URL (`app config`) and APP_SANDBOX_BASE_URL",
    _Bad.UNKNOWN: "run a release that knows the provider, or disconnect the account: app accounts",
}


class ExamineTokens:
    def __init__(self, *, survey: Survey, open_account: OpenAccount, adapters: Mapping[str, ProviderAdapter]) -> None:
        self._survey = survey
        self._open_account = open_account
        self._adapters = adapters

    async def __call__(self) -> Sequence[Finding]:
        accounts = [seen.account for seen in await self._survey.accounts()]
        asked, fair_share = accounts[:_MOST], asyncio.Semaphore(_AT_ONCE)
        bad: dict[_Bad, list[str]] = {}

        async def one(account: ProviderAccount) -> None:
            async with fair_share:
                found = await self._ask(account)
            if found is not None:
                bad.setdefault(found[0], []).append(f"{typeid(Prefix.ACCOUNT, account.id)} ({account.mode}) {found[1]}")

        await asyncio.gather(*map(one, asked))
        return [*_findings(bad, len(asked)), *_unasked(len(accounts) - len(asked))]

    async def _ask(self, account: ProviderAccount) -> tuple[_Bad, str] | None:
        """The reason why the provider refuses the token; None if it accepts it."""
        adapter = self._adapters.get(account.provider)
        if adapter is None:
            return _Bad.UNKNOWN, f"is of provider {account.provider}, which this release does not know"
        try:
            async with asyncio.timeout(_SECONDS):
                return await _refusal(adapter, await self._open_account(account))
        except ProviderRefused as refused:
            return _Bad.REFUSED, f"is refused: {refused.detail}"
        except CannotDecrypt:
            return _Bad.SEALED, "cannot be opened with this master key"
        except (ProviderUnavailable, TimeoutError):
            return _Bad.AWAY, "gets no answer from the provider"


async def _refusal(adapter: ProviderAdapter, connection: Connection) -> tuple[_Bad, str] | None:
    """The reason why the provider refuses the token, asked in the cheapest way that it has; None if it accepts it."""
    if adapter.numbers is not None:
        await adapter.numbers.list_numbers(connection)
    elif adapter.setup is not None:
        inspection = await adapter.setup.inspect(connection)
        if refused := [finding for finding in inspection.findings if not finding.ok]:
            told = " ".join(finding.detail for finding in refused)
            if all(finding.may_pass for finding in refused):
                return _Bad.AWAY, f"cannot be used for now: {told}"
            return _Bad.REFUSED, f"is refused: {told}"
    return None


def _findings(bad: Mapping[_Bad, Sequence[str]], asked: int) -> Sequence[Finding]:
    if not bad:
        return [fine("tokens", f"{asked} asked about at the provider, all good" if asked else "no account yet")]
    return [
        (warning if kind is _Bad.AWAY else failed)("tokens", some(told), mend=_MEND[kind]) for kind, told in bad.items()
    ]


def _unasked(count: int) -> Sequence[Finding]:
    return [fine("tokens", f"{count} more were not asked about")] if count > 0 else []
