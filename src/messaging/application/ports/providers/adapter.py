"""The parts of one provider's adapter, by what they are asked for."""

from msgspec import Struct

from messaging.application.ports.providers.lookup import StatusLookup
from messaging.application.ports.providers.numbers import NumberDirectory
from messaging.application.ports.providers.sending import ProviderGateway
from messaging.application.ports.providers.setup import AccountSetup
from messaging.application.ports.providers.templates import TemplateRegistry
from messaging.application.ports.providers.webhooks import WebhookDoor, WebhookReader


class ProviderAdapter(Struct, frozen=True, kw_only=True):
    """A provider that sends and reports; None for what it has not.

    `door` is for webhooks that do not come by HTTP; None also if the operator has not opened it.
    """

    gateway: ProviderGateway
    webhooks: WebhookReader
    lookup: StatusLookup | None = None
    templates: TemplateRegistry | None = None
    numbers: NumberDirectory | None = None
    setup: AccountSetup | None = None
    door: WebhookDoor | None = None
