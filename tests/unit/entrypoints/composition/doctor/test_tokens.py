"""Every account's token is asked about at its provider, and no trouble with one hides another's."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.setup import Finding as Finding_
from messaging.application.ports.providers.setup import Inspection
from messaging.application.ports.secrets import CannotDecrypt
from messaging.application.ports.survey import AccountSeen
from messaging.domain.shared.ids import AccountId
from messaging.domain.tenants.tenant import ProviderAccount
from messaging.entrypoints.composition.doctor.finding import Finding, Severity
from messaging.entrypoints.composition.doctor.traffic import tokens
from messaging.entrypoints.composition.doctor.traffic.tokens import ExamineTokens
from tests.builders import an_account


class Accounts:
    """A survey of these accounts."""

    def __init__(self, *accounts: ProviderAccount) -> None:
        self._accounts = accounts

    async def accounts(self) -> Sequence[AccountSeen]:
        return [AccountSeen(account=account, has_senders=True, last_webhook_at=None) for account in self._accounts]


class Provider:
    """Answers each account as its name says."""

    async def list_numbers(self, name: str) -> Sequence[Any]:
        if name == "refused":
            raise ProviderRefused("provider_refused", "code 190: the session has expired")
        if name == "away":
            raise ProviderUnavailable("provider_unavailable", "no answer")
        return ()


async def opened(account: ProviderAccount) -> Any:
    if account.name == "sealed":
        raise CannotDecrypt
    return account.name


def named(*names: str) -> list[ProviderAccount]:
    return [
        an_account(id=AccountId(UUID(int=n + 1)), name=name, provider="fax" if name == "unknown" else "whatsapp_cloud")
        for n, name in enumerate(names)
    ]


async def examined(*names: str) -> Mapping[str, Finding]:
    """Findings by severity and what mends them."""
    survey: Any = Accounts(*named(*names))
    open_account: Any = opened
    provider: Any = Provider()
    adapters = {"whatsapp_cloud": ProviderAdapter(gateway=provider, webhooks=provider, numbers=provider)}
    found = await ExamineTokens(survey=survey, open_account=open_account, adapters=adapters)()
    return {finding.detail: finding for finding in found}


async def test_each_kind_of_trouble_is_told_with_what_mends_it() -> None:
    found = list((await examined("good", "refused", "sealed", "unknown", "away", "refused")).values())

    told = {str(finding.severity) + ": " + finding.detail.split(")", 1)[1].split(",")[0] for finding in found}
    assert told == {
        "failed:  is refused: code 190: the session has expired",
        "failed:  cannot be opened with this master key",
        "failed:  is of provider fax",
        "warning:  gets no answer from the provider",
    }
    assert all(finding.mend for finding in found)
    assert sum(finding.detail.count("is refused") for finding in found) == 2


async def test_good_tokens_are_counted_and_so_are_those_nobody_asked_about(monkeypatch: Any) -> None:
    monkeypatch.setattr(tokens, "_MOST", 2)

    found = await examined("good", "good", "good")

    assert list(found) == ["2 asked about at the provider, all good", "1 more were not asked about"]
    assert {finding.severity for finding in found.values()} == {Severity.OK}


class Inspected:
    """A provider that lists no senders: it finds what the account's name says."""

    async def inspect(self, name: str) -> Inspection:
        def found(part: str, *, may_pass: bool) -> Finding_:
            ok = part not in name
            return Finding_(part=part, ok=ok, detail=f"{part}.", pointer="/x", code="x", may_pass=may_pass)

        return Inspection(findings=(found("busy", may_pass=True), found("wrong", may_pass=False)))


async def test_what_may_pass_by_itself_is_only_warned_of() -> None:
    provider: Any = Inspected()
    adapters = {"whatsapp_cloud": ProviderAdapter(gateway=provider, webhooks=provider, setup=provider)}
    survey: Any = Accounts(*named("good", "busy", "busy and wrong"))
    open_account: Any = opened

    found = await ExamineTokens(survey=survey, open_account=open_account, adapters=adapters)()

    told = {finding.severity: finding.detail.split(") ", 1)[1] for finding in found}
    assert told == {
        Severity.WARNING: "cannot be used for now: busy.",
        Severity.FAILED: "is refused: busy. wrong.",
    }
