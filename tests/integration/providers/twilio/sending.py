"""Values that the adapter's tests send, and the adapter's parts."""

from messaging.adapters.http.client import ProviderHttp
from messaging.adapters.providers.tools import Tools
from messaging.adapters.providers.twilio import PROVIDER
from messaging.adapters.providers.twilio.credentials import Credentials
from messaging.adapters.providers.twilio.settings import TwilioSettings
from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.sending import Connection, Outgoing
from messaging.domain.channels.address import Phone, Recipient
from messaging.domain.content.content import Content, Text
from messaging.domain.shared.mode import Mode

LIVE, HOOKS = "https://api.twilio.com", "https://hooks.example.com"
ACCOUNT, TOKEN = "AC" + "0" * 32, "auth-token"
SERVICE, EMPTY_SERVICE = "MG" + "5" * 32, "MG" + "6" * 32
API_KEY = "SK" + "7" * 32
NUMBER = "+15017250604"
PATH = "/webhooks/twilio/t0ken"
REFERENCE = "v1.01j8zs4x7e0000000000000000.1.tag"
SEND_URL = f"{LIVE}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


def an_adapter(http: ProviderHttp, *, sandbox: str = "http://sandbox.local", hooks: str = HOOKS) -> ProviderAdapter:
    def on_close(_: object) -> None:
        """Nothing is opened that would have to be closed."""

    return PROVIDER.build(
        Tools(http=http, settings=TwilioSettings(), sandbox_url=sandbox, webhooks_url=hooks, on_close=on_close)
    )


def a_connection(
    *, mode: Mode = Mode.LIVE, credentials: Credentials | None = None, webhook_path: str = PATH
) -> Connection:
    known = credentials or Credentials(auth_tokens=(TOKEN,))
    return Connection(mode=mode, external_id=ACCOUNT, credentials=known, webhook_path=webhook_path)


def an_outgoing(
    content: Content | None = None,
    *,
    recipient: Recipient | None = None,
    sender: str = NUMBER,
    connection: Connection | None = None,
    reference: str = REFERENCE,
) -> Outgoing:
    return Outgoing(
        connection=connection or a_connection(),
        sender_external_id=sender,
        sender_address=sender,
        recipient=recipient or Phone("+16505551234"),
        content=content or Text(body="Hello"),
        template=None,
        reference=reference,
    )


class Permission:
    """A `may_start` that answers `allow` and counts how often it was asked."""

    def __init__(self, allow: bool = True) -> None:
        self.allow = allow
        self.asked = 0

    async def __call__(self) -> bool:
        self.asked += 1
        return self.allow
