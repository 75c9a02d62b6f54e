"""Connects a test tenant's accounts for SMS and e-mail, at the sandbox's look-alikes of their providers.

A provider that is not installed is left out, with its channel.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from messaging.entrypoints.composition.providers import BY_NAME
from messaging.entrypoints.lab.dev.client import LocalClient

_DIGITS: Final = 32


class Connected(Struct, frozen=True, kw_only=True):
    """An account with one sender. `account` and `sender` are our ids, `external_id` is the provider's of the sender."""

    channel: str
    provider: str
    account: str
    sender: str
    external_id: str
    address: str


class _Way(Struct, frozen=True, kw_only=True):
    """How an account of a channel is connected.

    `credentials`, `external_id` and the sender's `address` are made from the tenant's seed. `registration` is what the
    sandbox is told of the account, given its webhook URL: the path of the control API, and the body.
    """

    provider: str
    external_id: Callable[[str], str]
    credentials: Callable[[str], dict[str, Any]]
    address: Callable[[str], str]
    registration: Callable[[str, str], tuple[str, Any] | None]


def _hexadecimal(seed: str, what: str) -> str:
    return hashlib.sha256(f"{seed}-{what}".encode()).hexdigest()[:_DIGITS]


def _number(seed: str) -> str:
    return f"+1500557{int(_hexadecimal(seed, 'number'), 16) % 10_000:04d}"


def _at_twilio(seed: str, webhook_url: str) -> tuple[str, Any]:
    number = {"phone_number": _number(seed), "friendly_name": "Example Shop", "sms_url": webhook_url}
    account = {"sid": _account_sid(seed), "auth_token": _hexadecimal(seed, "auth token"), "numbers": [number]}
    return "/_control/twilio/accounts", account


def _account_sid(seed: str) -> str:
    return f"AC{_hexadecimal(seed, 'account')}"


_WAYS: Final = {
    "sms": _Way(
        provider="twilio",
        external_id=_account_sid,
        credentials=lambda seed: {"auth_tokens": [_hexadecimal(seed, "auth token")]},
        address=_number,
        registration=_at_twilio,
    ),
    "email": _Way(
        provider="smtp",
        external_id=lambda _: "mail.example.com",
        credentials=lambda seed: {"username": "shop", "password": _hexadecimal(seed, "password")},
        address=lambda seed: f"orders@shop-{_hexadecimal(seed, 'domain')[:6]}.example",
        # The look-alike of a mail server takes any login.
        registration=lambda _, __: None,
    ),
}


class OtherChannels:
    """The accounts of one tenant on channels besides WhatsApp. `seed` makes their identities, so that a repeated step
    connects nothing twice.
    """

    def __init__(self, *, sandbox: str, seed: str, tenant: str, per_second: int) -> None:
        self._sandbox = sandbox
        self._seed = seed
        self._tenant = tenant
        self._per_second = per_second

    async def connect(self, client: LocalClient, channels: Sequence[str]) -> tuple[Connected, ...]:
        """Connects an account with a sender for each channel, and makes it known to the sandbox. Raises CallFailed."""
        ways = {channel: _WAYS[channel] for channel in channels}
        return tuple(
            [await self._connect(client, channel, way) for channel, way in ways.items() if way.provider in BY_NAME]
        )

    async def register(self, connected: Connected, webhook_url: str) -> None:
        """Tells the sandbox of the account and where its webhooks go."""
        registration = _WAYS[connected.channel].registration(self._seed, webhook_url)
        if registration is not None:
            async with LocalClient(self._sandbox) as sandbox:
                await sandbox.post(*registration)

    async def _connect(self, client: LocalClient, channel: str, way: _Way) -> Connected:
        body = {
            "provider": way.provider,
            "name": f"{self._tenant} {BY_NAME[way.provider].title}",
            "external_id": way.external_id(self._seed),
            **way.credentials(self._seed),
        }
        account = await client.post("/v1/provider-accounts", body, idempotency_key=self._key(f"account-{channel}"))
        address = way.address(self._seed)
        sender = {
            "account_id": account["id"],
            "channel": channel,
            "external_id": address,
            "address": address,
            "name": self._tenant,
            "per_second": self._per_second,
        }
        added = await client.post("/v1/senders", sender, idempotency_key=self._key(f"sender-{channel}"))
        connected = Connected(
            channel=channel,
            provider=way.provider,
            account=account["id"],
            sender=added["id"],
            external_id=address,
            address=address,
        )
        await self.register(connected, account["webhook_url"])
        return connected

    def _key(self, step: str) -> str:
        return f"onboarding-{self._seed}-{step}"
