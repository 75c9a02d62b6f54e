"""An accepted send as the ledger keeps it."""

from typing import Final

from messaging.entrypoints.sandbox.core.storage.ledger import Entry

NAME: Final = "whatsapp_cloud"
# Lines without a provider are from the time when this one was the only one.
NAMES: Final = (NAME, "")


class Sent(Entry, frozen=True, kw_only=True):
    """One accepted send. `sender` is the phone-number id it left from, `reference` its `biz_opaque_callback_data`."""

    waba_id: str
    wa_id: str | None
    """Digits; None when the user is known by its business-scoped id alone."""
    user_id: str
    category: str
    """Pricing category: service for free-form content, else the template's."""
    in_window: bool
    """Whether the user's 24-hour window was open, which makes utility and service messages free."""
    provider: str = NAME

    @property
    def recipient(self) -> str:
        """The id that decides about the message's fate."""
        return self.wa_id or self.user_id
