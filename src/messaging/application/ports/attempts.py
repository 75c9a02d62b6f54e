"""Port for finding attempts: by a provider's message ids, and by failures that a person knew of when sending again."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.ids import AccountId


class AttemptRef(Struct, frozen=True, kw_only=True):
    key: MessageKey
    epoch: int


class Attempts(Protocol):
    """Bound to an open transaction."""

    async def find(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Mapping[tuple[AccountId, str], AttemptRef]:
        """Which attempts the provider's message ids belong to; unknown ids are left out."""
        ...

    async def known_failed(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, int]:
        """The newest attempt of each locked message that had failed when a person sent it again; most have none."""
        ...
