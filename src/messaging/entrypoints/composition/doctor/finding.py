"""A finding of `app doctor` about one concern: its state, its severity, and what mends it."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    OK = "ok"
    # A person should look at it; the platform works.
    WARNING = "warning"
    FAILED = "failed"


class Kind(StrEnum):
    """The cause of a failed finding, which decides the exit code: 1, 3 or 4."""

    FAILURE = "failure"
    DEPENDENCY = "dependency"
    CONFIGURATION = "configuration"


class Finding(Struct, frozen=True, kw_only=True):
    """`mend` is a command, or what to change; None where nothing is to be mended. No addresses, no secrets."""

    name: str
    severity: Severity
    detail: str
    mend: str | None = None
    kind: Kind = Kind.FAILURE


Examine = Callable[[], Awaitable[Sequence[Finding]]]


def fine(name: str, detail: str) -> Finding:
    return Finding(name=name, severity=Severity.OK, detail=detail)


def warning(name: str, detail: str, *, mend: str) -> Finding:
    return Finding(name=name, severity=Severity.WARNING, detail=detail, mend=mend)


def failed(name: str, detail: str, *, mend: str, kind: Kind = Kind.FAILURE) -> Finding:
    return Finding(name=name, severity=Severity.FAILED, detail=detail, mend=mend, kind=kind)


def some(items: Sequence[str], most: int = 5) -> str:
    """The first few of many, and the number of the others."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
