"""Limits on how much configuration a tenant may have: every process holds all of it in memory."""

from msgspec import Struct

from messaging.domain.shared.errors import DomainError


class ConfigurationQuotas(Struct, frozen=True, kw_only=True):
    """The most of each in one mode; for keys, of both modes together. Revoked keys and archived templates of the
    tenant's own do not count. Callback endpoints have a limit for each mode.
    """

    accounts: int = 100
    senders: int = 1_000
    templates: int = 10_000
    own_templates: int = 200
    keys: int = 1_000
    endpoints: int = 20
    test_endpoints: int = 5


def quota_exceeded(what: str, most: int) -> DomainError:
    """`what` in the plural, such as `senders`."""
    return DomainError("quota_exceeded", f"A tenant may have {most} {what}. Ask the platform's operator for more.")
