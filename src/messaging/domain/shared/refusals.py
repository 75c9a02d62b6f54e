"""Errors that several slices raise, defined once so that their wording is the same everywhere."""

from messaging.domain.shared.errors import DomainError, Violation


def not_found() -> DomainError:
    """The answer for ids that are unknown, malformed or another tenant's: always the same, so that ids cannot be
    probed.
    """
    return DomainError("not_found", "There is nothing here under this id for this key.")


def invalid(*violations: Violation) -> DomainError:
    return DomainError("validation_failed", "The request cannot be accepted; errors lists every reason.", violations)


def already_exists(detail: str) -> DomainError:
    return DomainError("already_exists", detail)
