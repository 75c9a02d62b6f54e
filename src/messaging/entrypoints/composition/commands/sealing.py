"""Sealing for programs that have the master key and no platform around it."""

from messaging.adapters.crypto.keyring import AesKeyRing
from messaging.application.ports.secrets import KeyRing


def key_ring(master_key: bytes) -> KeyRing:
    return AesKeyRing(master_key)
