"""Seals a provider account's credentials for storage, and opens them for a call."""

import msgspec

from messaging.application.ports.providers import Connection, Credentials
from messaging.application.ports.secrets import TenantCipher
from messaging.domain.shared.ids import AccountId, Prefix, typeid
from messaging.domain.tenants.tenant import ProviderAccount

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Credentials] = msgspec.msgpack.Decoder(Credentials)


def _context(account_id: AccountId) -> str:
    return f"provider_accounts.credentials:{typeid(Prefix.ACCOUNT, account_id)}"


def seal_credentials(account_id: AccountId, credentials: Credentials, cipher: TenantCipher) -> bytes:
    return cipher.seal(_context(account_id), _encoder.encode(credentials))


def open_credentials(account: ProviderAccount, cipher: TenantCipher) -> Credentials:
    """Raises CannotDecrypt under another master key, tenant or account."""
    return _decoder.decode(cipher.open(_context(account.id), account.sealed_credentials))


def open_connection(account: ProviderAccount, cipher: TenantCipher) -> Connection:
    return Connection(mode=account.mode, external_id=account.external_id, credentials=open_credentials(account, cipher))
