"""The checks of `/readyz` as findings: PostgreSQL, schema, partitions, relay lag, identity, logins, workers, Redis."""

from collections.abc import Sequence
from typing import Final

from messaging.application.ports.health import Check
from messaging.entrypoints.composition.doctor.finding import Finding, Kind, Severity

_MEND: Final = {
    "postgres": "start PostgreSQL, or set APP_DATABASE_URL and APP_DATABASE_SYSTEM_URL to the primary",
    "migrations": "app migrate",
    "logins": "psql -X -f deploy/postgres/logins.sql, then: app migrate",
    "partitions": "app worker",
    "relay_lag": "app worker",
    "workers": "app worker",
    "redis": "start Redis, or set APP_REDIS_URL to one that takes writes",
}
_KIND: Final = {
    "postgres": Kind.DEPENDENCY,
    "logins": Kind.CONFIGURATION,
    "redis": Kind.DEPENDENCY,
}


def as_findings(checks: Sequence[Check]) -> list[Finding]:
    return [_finding(check) for check in checks]


def _finding(check: Check) -> Finding:
    if check.ok:
        return Finding(name=check.name, severity=Severity.OK, detail=check.detail)
    return Finding(
        name=check.name,
        severity=Severity.FAILED,
        detail=check.detail,
        mend=_MEND.get(check.name, "app doctor"),
        kind=_KIND.get(check.name, Kind.FAILURE),
    )
