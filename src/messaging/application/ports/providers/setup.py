"""The port to the steps at a provider after which an account can send and its webhooks are delivered."""

from typing import Protocol

from msgspec import Struct

from messaging.application.ports.providers.numbers import ProviderNumber
from messaging.application.ports.providers.sending import Connection


class Finding(Struct, frozen=True, kw_only=True):
    """The provider's answer about one part of an account. `detail` explains it to a person, also if `ok`.

    `pointer` leads to the field of the request that is at fault (`/external_id`, or a field of the credentials), and
    `code` is the code of that violation. `may_pass`: nothing need be changed, it may be otherwise in a while.
    """

    part: str
    ok: bool
    detail: str
    pointer: str
    code: str
    may_pass: bool = False


class Inspection(Struct, frozen=True, kw_only=True):
    """The findings about an account with the credentials given. `numbers` is empty unless all findings are `ok`."""

    findings: tuple[Finding, ...]
    numbers: tuple[ProviderNumber, ...] = ()

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings)


class AccountSetup(Protocol):
    """The steps at the provider after which an account can send and its webhooks are delivered."""

    async def inspect(self, connection: Connection) -> Inspection:
        """Ask the provider about every part of the account; a refusal is a finding. Raises ProviderUnavailable."""
        ...

    async def subscribe(self, connection: Connection, *, webhook_url: str | None) -> None:
        """Subscribe to the account's webhooks: at `webhook_url`, which the provider checks at once, or at the app's
        URL.

        Raises ProviderRefused or ProviderUnavailable, or DomainError `validation_failed` if the account's credentials
        lack what the provider's check of the URL needs.
        """
        ...

    async def register_number(self, connection: Connection, external_id: str, pin: str) -> None:
        """Register a number, so that it can send. `pin` becomes its second factor, or must be the one it has.

        Raises ProviderRefused or ProviderUnavailable.
        """
        ...
