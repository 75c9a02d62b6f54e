"""Checks the form of a provider's ids. They become parts of URLs, where `..` or `/` would lead elsewhere."""

import re
from typing import Final

from messaging.domain.shared.errors import Violation

# By provider: the shape, and how it is told.
_SHAPES: Final = {"whatsapp_cloud": (re.compile(r"[0-9]{1,40}", re.ASCII), "Meta's ids are digits only")}
_ANY: Final = (re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII), "Ids are letters, digits, - and _ only")


def provider_id_violations(provider: str, external_id: str) -> tuple[Violation, ...]:
    """Violations of the `external_id` of an account or a sender, as the caller gave it."""
    shape, words = _SHAPES.get(provider, _ANY)
    if shape.fullmatch(external_id):
        return ()
    detail = f"{words}. Copy the id from the provider's own page; a name or a phone number is none."
    return (Violation(pointer="/external_id", code="provider_id_invalid", detail=detail),)
