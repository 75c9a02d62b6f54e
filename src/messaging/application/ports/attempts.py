"""Port for finding attempts: by a provider's message ids, and by failures that a person knew of when sending again."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.ids import AccountId


class AttemptRef(Struct, frozen=True, kw_only=True):
    """One attempt of a message, by its number (`epoch`, which starts at 1)."""

    key: MessageKey
    epoch: int


class Attempts(Protocol):
    """Attempts, found within an open transaction of a tenant or of the platform."""

    async def find(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Mapping[tuple[AccountId, str], AttemptRef]:
        """The attempts that the provider's message ids belong to; unknown ids are left out."""
        ...

    async def known_failed(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, int]:
        """For each locked message that a person sent again after a failure, the number of the attempt that had failed.

        Messages that were never sent again by a person are left out.
        """
        ...
