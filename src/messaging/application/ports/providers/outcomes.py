"""Ends of a management call to a provider other than its answer. Outcomes of sends are values, not exceptions."""

from messaging.domain.shared.errors import DomainError


class ProviderRefused(DomainError):
    """A management call was refused: `code` is `provider_refused`, `detail` the provider's reason."""


class ProviderUnavailable(DomainError):
    """A management call did not get an answer; `code` is `provider_unavailable`. Nothing is known to have changed."""
