"""Blind indexes under which a person's address is stored and looked up."""

from messaging.application.ports.secrets import TenantCipher
from messaging.domain.channels.addresses.identity import identity, spellings


def index_of(cipher: TenantCipher, address: str) -> bytes:
    """The blind index that is stored for a person, whichever spelling of the address was given."""
    return cipher.blind_index(identity(address))


def indexes_of(cipher: TenantCipher, address: str) -> tuple[bytes, ...]:
    """The blind indexes to look for a person under: first that which is stored now, then those stored before spellings
    were unified.
    """
    return tuple(cipher.blind_index(spelling) for spelling in spellings(address))
