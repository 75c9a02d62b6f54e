"""Values the adapter's tests send, and a `may_start` that remembers being asked."""

from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application.ports.providers.sending import Connection, Outgoing
from messaging.domain.channels.address import Phone, Recipient
from messaging.domain.content.content import Content, Text
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import Template

PHONE_ID = "106540352242922"
WABA_ID = "102290129340398"
TOKEN = "EAAG-token"
REFERENCE = "v1.01j8zs4x7e0000000000000000.1.tag"


def a_connection(*, mode: Mode = Mode.LIVE, token: str = TOKEN) -> Connection:
    return Connection(mode=mode, external_id=WABA_ID, credentials=Credentials(access_token=token, app_secrets=()))


def an_outgoing(
    content: Content | None = None,
    *,
    recipient: Recipient | None = None,
    template: Template | None = None,
    connection: Connection | None = None,
) -> Outgoing:
    return Outgoing(
        connection=connection or a_connection(),
        sender_external_id=PHONE_ID,
        recipient=recipient or Phone("+16505551234"),
        content=content or Text(body="Hello"),
        template=template,
        reference=REFERENCE,
    )


class Permission:
    """A `may_start` that answers `allow` and counts how often it was asked."""

    def __init__(self, allow: bool = True) -> None:
        self.allow = allow
        self.asked = 0

    async def __call__(self) -> bool:
        self.asked += 1
        return self.allow
