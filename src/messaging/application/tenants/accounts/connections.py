"""Seals a provider account's credentials for storage, and opens them for a call."""

from collections.abc import Mapping
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from messaging.application.ports.providers.descriptor import Providers
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.secrets import CannotDecrypt, TenantCipher
from messaging.domain.shared.ids import AccountId, Prefix, typeid
from messaging.domain.tenants.tenant import ProviderAccount

_encoder: Final = msgspec.msgpack.Encoder()


def _context(account_id: AccountId) -> str:
    return f"provider_accounts.credentials:{typeid(Prefix.ACCOUNT, account_id)}"


def seal_credentials(account_id: AccountId, credentials: Struct | Mapping[str, Any], cipher: TenantCipher) -> bytes:
    return cipher.seal(_context(account_id), _encoder.encode(credentials))


class AccountCredentials:
    """Opens sealed credentials in the types that the providers' descriptors name.

    The bounds of the fields are for what comes in: what is stored was accepted once, or is empty, because the account
    has been disconnected.
    """

    def __init__(self, providers: Providers) -> None:
        self._types = {name: provider.credentials for name, provider in providers.items()}
        self._decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
            name: msgspec.msgpack.Decoder(_without_bounds(credentials)) for name, credentials in self._types.items()
        }

    def open(self, account: ProviderAccount, cipher: TenantCipher) -> Struct:
        """Raises CannotDecrypt under another master key, tenant or account, or for a provider that is not installed."""
        decoder = self._decoders.get(account.provider)
        if decoder is None:
            raise CannotDecrypt(f"the provider {account.provider} is not installed")
        stored = decoder.decode(cipher.open(_context(account.id), account.sealed_credentials))
        kind = self._types[account.provider]
        return kind(**{name: getattr(stored, name) for name in kind.__struct_fields__})

    def connect(self, account: ProviderAccount, cipher: TenantCipher) -> Connection:
        """The account ready for calls. Raises as `open` does."""
        return Connection(
            mode=account.mode,
            external_id=account.external_id,
            credentials=self.open(account, cipher),
            webhook_path=webhook_path(account.provider, account.webhook_token),
            account_id=account.id,
        )


def _without_bounds(credentials: type[Struct]) -> type[Struct]:
    """The same fields without bounds. One that is not stored has its default, or is empty."""
    hints = get_type_hints(credentials)
    return msgspec.defstruct(
        "Stored", [(field.name, hints[field.name], _default(field)) for field in fields(credentials)], kw_only=True
    )


def _default(field: FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return "" if field.required else field.default


def webhook_path(provider: str, token: str) -> str:
    """The path of an account's webhooks under the public URL."""
    return f"/webhooks/{provider}/{token}"
