"""Checks the form of a provider's ids. They become parts of URLs, where `..` or `/` would lead elsewhere."""

from messaging.domain.shared.errors import Violation


def id_violations(fits: bool, words: str) -> tuple[Violation, ...]:
    """Violations of the `external_id` of an account or a sender. `fits` says whether it has the provider's form, which
    `words` tell in a sentence without a full stop.
    """
    if fits:
        return ()
    detail = f"{words}. Copy the id from the provider's own page; a name or a phone number is none."
    return (Violation(pointer="/external_id", code="provider_id_invalid", detail=detail),)
