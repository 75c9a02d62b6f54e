"""Port for addresses that providers report as the same person's: spellings of a number, business-scoped ids.

A row says that two addresses are one person, who said so and when: contacts and their addresses can be made from it.
"""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode


class AliasSource(StrEnum):
    """Where an alias was learnt: in the provider's answer to a send, or in a message that names a person
    in two ways.
    """

    ANSWER = "answer"
    INBOUND = "inbound"


class NewAlias(Struct, frozen=True, kw_only=True):
    """`alias` and `canonical` are blind indexes; `canonical` is that of the number the provider itself uses.

    `sealed` holds both addresses, encrypted.
    """

    tenant_id: TenantId
    mode: Mode
    channel: Channel
    alias: bytes
    canonical: bytes
    sealed: bytes
    source: AliasSource


class ContactAliases(Protocol):
    """The known aliases of a tenant's contacts. Bound to an open transaction."""

    async def learn(self, aliases: Sequence[NewAlias]) -> AbstractSet[bytes]:
        """Store aliases; one that was known for another person is overwritten. Returns those that were known as they
        are.
        """
        ...

    async def names_of(self, indexes: Collection[bytes]) -> AbstractSet[bytes]:
        """These indexes and all others of the same people, for the unit of work's tenant and mode."""
        ...
