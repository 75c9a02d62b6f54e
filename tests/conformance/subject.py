"""What one provider contributes to the conformance suite: its subject, in `tests/conformance/subjects/<name>.py`.

A subject tells how the provider's adapter is built against a given end of the wire, and holds samples of the vendor's
payloads. Everything that is checked is in the suite, and is the same for every provider.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import httpx
from msgspec import Struct

from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.webhooks import WebhookRequest
from messaging.domain.channels.address import Recipient
from messaging.domain.content.content import Content
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.state import State
from tests.conformance.outcomes import Outcome, Script

PUBLIC_URL: Final = "https://hooks.example"
# Of the form that the platform writes, with a made-up tag.
REFERENCE: Final = "v1.01j8zs4x7e0000000000000000.1.tagtagta"


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where an adapter under test finds its provider; `tls` asks for a connection that is encrypted from the start."""

    host: str
    port: int
    tls: bool = False

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"


class Wire(Struct, frozen=True, kw_only=True):
    """What the provider's end of a connection does for each outcome of a send, in the provider's protocol.

    `answers` are the protocol's answers that are no acceptance, by a name such as `503`. `accepted_id` is the
    provider's id of the message in the script of `Outcome.ACCEPTED`; None where the id is the adapter's own.
    """

    scripts: Mapping[Outcome, Script]
    answers: Mapping[str, Script]
    accepted_id: str | None


class Codes(Struct, frozen=True, kw_only=True):
    """The provider's documented errors. `refusal` is the wire's script that answers a send with a code.

    `listed` tells whether the adapter's table has a line for a code. A send refused with a code of `unclear` may have
    been accepted; every other code proves that it was not. `failed` is a webhook that reports a message as failed with
    a code, for providers that report so.
    """

    documented: tuple[str, ...]
    refusal: Callable[[str], Script]
    listed: Callable[[str], bool]
    unclear: frozenset[str] = frozenset()
    failed: Callable[[str], WebhookRequest] | None = None


class Signed(Struct, frozen=True, kw_only=True):
    """How webhooks are signed. `sign` signs a request with a secret at a time, and `trusting` are an account's
    credentials with these secrets, the newest first; without one, nothing is authentic.

    `headers` are the lower-case names of the headers that hold the signature. `covers_url` tells whether the URL is
    signed besides the body. `lasts` is how long a signature is good for if its time is signed too: an older one is of a
    webhook that somebody recorded. None for a vendor that signs no time.
    """

    sign: Callable[[WebhookRequest, str, datetime], WebhookRequest]
    trusting: Callable[..., Struct]
    headers: frozenset[str]
    covers_url: bool
    lasts: timedelta | None = None


class Webhooks(Struct, frozen=True, kw_only=True):
    """Samples of the provider's webhooks, unsigned.

    `recorded` are the vendor's payloads as documented or captured. `story` are the webhooks of one message in the
    provider's order, after which the message is in the state `ends`; they are about the message `message_id` and carry
    `REFERENCE` if the provider echoes it. `unknown` is a status report with a status and a field that nobody knows,
    `untimed` one without any time.

    `signed` is None for a provider that signs nothing: then nothing that comes by HTTP may be authentic.
    """

    recorded: Mapping[str, WebhookRequest]
    story: tuple[WebhookRequest, ...]
    message_id: str
    ends: State
    unknown: WebhookRequest
    untimed: WebhookRequest
    signed: Signed | None


class SandboxUse(Struct, frozen=True, kw_only=True):
    """How the provider's look-alike is used. `open` makes an account there, whose webhooks go to the URL given, and
    answers the connection to it in test mode; its argument is a client of the sandbox's control API. `door` tells the
    look-alike of the adapter's open door, for a provider whose webhooks do not come by HTTP.

    `reaches` are the kinds of receipts that a send to `recipient` (the subject's own, if none is given) ends in.
    """

    open: Callable[[httpx.AsyncClient, str], Awaitable[Connection]]
    reaches: frozenset[ReceiptKind]
    recipient: Recipient | None = None
    door: Callable[[httpx.AsyncClient, ProviderAdapter], Awaitable[None]] | None = None


class Subject(Struct, frozen=True, kw_only=True):
    """One provider under test. `page` is the page of the documentation that tells how to connect it.

    `settings` are the operator's settings that lead to an endpoint, `connection` is a live account there. `secrets` are
    the texts in its credentials that nobody may ever see. `content` to `recipient` is an ordinary send; `carries` and
    `reaches` are all kinds of content and recipients that the adapter takes.

    `validity` reads from a request how long the provider may try to deliver the message, None where the request does
    not say; without it the provider cannot be told.
    """

    page: str
    settings: Callable[[Endpoint], Struct]
    connection: Callable[[Endpoint], Connection]
    secrets: tuple[str, ...]
    sender_id: str
    sender_address: str
    recipient: Recipient
    content: Content
    carries: frozenset[type[Content]]
    reaches: frozenset[type[Recipient]]
    wire: Wire
    codes: Codes
    webhooks: Webhooks
    sandbox: SandboxUse
    validity: Callable[[bytes], timedelta | None] | None = None
    # Builds the adapter where the provider's own `build` does not do, from the tools and, if it takes them, the time
    # limits of the test.
    build: Callable[..., ProviderAdapter] | None = None
