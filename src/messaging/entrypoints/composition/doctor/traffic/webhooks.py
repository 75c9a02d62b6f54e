"""Checks providers' webhooks: bodies that were set aside, and accounts from which none has arrived."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from messaging.application.ports.survey import AccountSeen, Survey
from messaging.domain.shared.ids import AccountId, Prefix, typeid
from messaging.entrypoints.composition.doctor.finding import Finding, fine, some, warning

_REPLAY: Final = "see the log lines webhook.set_aside for the cause, mend it, then: app webhooks replay"
_CONNECT: Final = (
    "have them delivered: POST /v1/provider-accounts/{id}/subscribe, or app connect (its docs/connect-….md)"
)


class ExamineWebhooks:
    def __init__(self, *, survey: Survey) -> None:
        self._survey = survey

    async def __call__(self) -> Sequence[Finding]:
        accounts, aside = await self._survey.accounts(), await self._survey.set_aside()
        return judge(accounts, aside, now=await self._survey.now())


def judge(accounts: Sequence[AccountSeen], set_aside: Mapping[AccountId, int], *, now: datetime) -> Sequence[Finding]:
    findings: list[Finding] = []
    if set_aside:
        told = some([f"{typeid(Prefix.ACCOUNT, id)} {count}" for id, count in set_aside.items()])
        findings.append(warning("webhooks", f"{sum(set_aside.values())} set aside: {told}", mend=_REPLAY))
    silent = [_id(seen) for seen in accounts if seen.has_senders and seen.last_webhook_at is None]
    if silent:
        findings.append(warning("webhooks", f"none lately for {some(silent)}", mend=_CONNECT))
    heard = [seen.last_webhook_at for seen in accounts if seen.last_webhook_at is not None]
    if heard:
        findings.append(fine("webhooks", f"the last one came {(now - max(heard)).total_seconds():.0f} s ago"))
    return findings or [fine("webhooks", "no account expects any yet")]


def _id(seen: AccountSeen) -> str:
    return typeid(Prefix.ACCOUNT, seen.account.id)
