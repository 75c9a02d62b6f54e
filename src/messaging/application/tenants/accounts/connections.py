"""Seals a provider account's credentials for storage, and opens them for a call."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from messaging.application.ports.providers.descriptor import Providers
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.secrets import CannotDecrypt, TenantCipher
from messaging.domain.shared.ids import AccountId, Prefix, typeid
from messaging.domain.tenants.tenant import ProviderAccount

_encoder: Final = msgspec.msgpack.Encoder()


def _context(account_id: AccountId) -> str:
    return f"provider_accounts.credentials:{typeid(Prefix.ACCOUNT, account_id)}"


def seal_credentials(account_id: AccountId, credentials: Struct, cipher: TenantCipher) -> bytes:
    return cipher.seal(_context(account_id), _encoder.encode(credentials))


class AccountCredentials:
    """Opens sealed credentials in the types that the providers' descriptors name."""

    def __init__(self, providers: Providers) -> None:
        self._decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
            name: msgspec.msgpack.Decoder(provider.credentials) for name, provider in providers.items()
        }

    def open(self, account: ProviderAccount, cipher: TenantCipher) -> Struct:
        """Raises CannotDecrypt under another master key, tenant or account, or for a provider that is not installed."""
        decoder = self._decoders.get(account.provider)
        if decoder is None:
            raise CannotDecrypt(f"the provider {account.provider} is not installed")
        opened = decoder.decode(cipher.open(_context(account.id), account.sealed_credentials))
        assert isinstance(opened, Struct)
        return opened

    def connect(self, account: ProviderAccount, cipher: TenantCipher) -> Connection:
        """The account ready for calls. Raises as `open` does."""
        return Connection(
            mode=account.mode,
            external_id=account.external_id,
            credentials=self.open(account, cipher),
            webhook_path=webhook_path(account.provider, account.webhook_token),
            account_id=account.id,
        )


def webhook_path(provider: str, token: str) -> str:
    """The path of an account's webhooks under the public URL."""
    return f"/webhooks/{provider}/{token}"
