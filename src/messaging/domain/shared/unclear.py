"""Choices of what happens to a send whose outcome stays unknown: hold it for a person, or resend it on proof."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from messaging.domain.shared.mode import Mode


class OnUnknown(StrEnum):
    """`hold` puts the message before a person; `resend` sends it again, once, on proof that it was lost."""

    HOLD = "hold"
    RESEND = "resend"


class UnclearChoices(Struct, frozen=True, kw_only=True):
    """A tenant's choice for messages that make none themselves: by category, else `default`. None chooses nothing."""

    default: OnUnknown | None = None
    categories: Mapping[str, OnUnknown] = field(default_factory=dict)


class UnclearByMode(Struct, frozen=True, kw_only=True):
    """A tenant's choices for each of its modes: what a test key chooses touches no live message."""

    live: UnclearChoices | None = None
    test: UnclearChoices | None = None

    def of(self, mode: Mode) -> UnclearChoices | None:
        return self.live if mode is Mode.LIVE else self.test


def on_unknown(
    own: OnUnknown | None, template: OnUnknown | None, tenant: UnclearChoices | None, category: str
) -> OnUnknown:
    """The nearest choice counts: the message's own, its template's, its category's, its tenant's, else `hold`."""
    if own is not None:
        return own
    if template is not None:
        return template
    if tenant is None:
        return OnUnknown.HOLD
    return tenant.categories.get(category) or tenant.default or OnUnknown.HOLD
