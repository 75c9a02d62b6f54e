"""Blind indexes under which a person's address is stored and looked up."""

from messaging.application.ports.secrets import TenantCipher
from messaging.domain.channels.identity import identity, spellings


def index_of(cipher: TenantCipher, address: str) -> bytes:
    """What is stored with everything about a person, however their address was spelt."""
    return cipher.blind_index(identity(address))


def indexes_of(cipher: TenantCipher, address: str) -> tuple[bytes, ...]:
    """Where to look for a person: first what is stored now, then what was stored before spellings were known as one."""
    return tuple(cipher.blind_index(spelling) for spelling in spellings(address))
