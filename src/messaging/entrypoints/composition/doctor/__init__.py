"""`app doctor`: everything an installation depends on, looked at in the order in which it should be mended.

A file per concern. Each is examined by itself, so one run shows all that is wrong.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.doctor.finding import Examine, Finding, Kind, Severity, failed
from messaging.entrypoints.composition.doctor.installation.clock import ExamineClock
from messaging.entrypoints.composition.doctor.installation.disk import ExamineDisk
from messaging.entrypoints.composition.doctor.installation.master_key import ExamineMasterKey
from messaging.entrypoints.composition.doctor.installation.public_url import ExaminePublicUrl
from messaging.entrypoints.composition.doctor.installation.readiness import as_findings
from messaging.entrypoints.composition.doctor.traffic.callbacks import ExamineCallbacks
from messaging.entrypoints.composition.doctor.traffic.dead_letters import ExamineDeadLetters
from messaging.entrypoints.composition.doctor.traffic.jobs import ExamineJobs
from messaging.entrypoints.composition.doctor.traffic.lanes import ExamineLanes
from messaging.entrypoints.composition.doctor.traffic.senders import ExamineSenders
from messaging.entrypoints.composition.doctor.traffic.tokens import ExamineTokens
from messaging.entrypoints.composition.doctor.traffic.webhooks import ExamineWebhooks
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.settings.settings import Settings

# If one of these fails, nothing else can be asked of the database. After any other failure the rest is still examined.
_FIRST: Final = ("postgres", "migrations")


async def diagnose(settings: Settings) -> Sequence[Finding]:
    """Every finding, good ones included, in the order in which they should be mended."""
    async with open_resources(settings) as resources:
        application = build(settings, resources, worker="doctor")
        findings = as_findings(await application.adapters.health().checks())
        if all(finding.severity is Severity.OK for finding in findings if finding.name in _FIRST):
            for name, examine in _of_the_database(application, settings).items():
                findings += await _examined(name, examine)
        findings += await ExaminePublicUrl(settings=settings)()
    return findings


def _of_the_database(application: Application, settings: Settings) -> Mapping[str, Examine]:
    adapters, survey = application.adapters, application.adapters.survey()
    return {
        "master_key": ExamineMasterKey(
            open_uow=adapters.open_system_uow(), snapshots=adapters.snapshots(), key_ring=adapters.key_ring()
        ),
        "lanes": ExamineLanes(health=adapters.health(), survey=survey),
        "senders": ExamineSenders(survey=survey, tell_health=application.accounts.tell_health()),
        "tokens": ExamineTokens(
            survey=survey, open_account=application.accounts.open(), adapters=adapters.provider_adapters()
        ),
        "webhooks": ExamineWebhooks(survey=survey),
        "dead_letters": ExamineDeadLetters(survey=survey),
        "jobs": ExamineJobs(health=adapters.health(), survey=survey),
        "callbacks": ExamineCallbacks(vitals=adapters.callback_vitals()),
        "clock": ExamineClock(survey=survey, clock=adapters.clock()),
        "disk": ExamineDisk(survey=survey, settings=settings),
    }


async def _examined(name: str, examine: Examine) -> Sequence[Finding]:
    try:
        return await examine()
    except StoreUnavailable:
        return [failed(name, "PostgreSQL went away meanwhile", mend="app doctor", kind=Kind.DEPENDENCY)]
