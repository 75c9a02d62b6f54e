"""Choices of what happens to a send whose outcome stays unknown: hold it for a person, or resend it on proof."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from messaging.domain.shared.mode import Mode


class OnUnknown(StrEnum):
    """`hold` waits for a person's decision; `resend` sends the message again, once, on proof that it was lost."""

    HOLD = "hold"
    RESEND = "resend"


class UnclearChoices(Struct, frozen=True, kw_only=True):
    """A tenant's choice for messages without one of their own: by category, else `default`. None means no choice."""

    default: OnUnknown | None = None
    categories: Mapping[str, OnUnknown] = field(default_factory=dict)


class UnclearByMode(Struct, frozen=True, kw_only=True):
    """A tenant's choices for each of its modes: a test key cannot change what happens to live messages."""

    live: UnclearChoices | None = None
    test: UnclearChoices | None = None

    def of(self, mode: Mode) -> UnclearChoices | None:
        return self.live if mode is Mode.LIVE else self.test


def on_unknown(
    own: OnUnknown | None, template: OnUnknown | None, tenant: UnclearChoices | None, category: str
) -> OnUnknown:
    """The choice that applies, most specific first: the message's, its template's, its category's, its tenant's, else
    `hold`.
    """
    if own is not None:
        return own
    if template is not None:
        return template
    if tenant is None:
        return OnUnknown.HOLD
    return tenant.categories.get(category) or tenant.default or OnUnknown.HOLD
