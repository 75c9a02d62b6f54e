"""E-mail through any mail server that takes it by SMTP, each account through its own."""

from typing import TYPE_CHECKING, Final

from messaging.adapters.providers.smtp.credentials import SmtpCredentials
from messaging.adapters.providers.smtp.settings import SmtpSettings
from messaging.application.ports.providers.descriptor import IdShape, Provider
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.channels.limits import SendLimits

if TYPE_CHECKING:
    from messaging.adapters.providers.smtp.wire.pool import PoolTerms
    from messaging.adapters.providers.tools import Tools
    from messaging.application.ports.providers.adapter import ProviderAdapter

_HOST: Final = IdShape(
    pattern=r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?",
    words="The id of an SMTP account is the host name of its mail server",
    example="smtp.example.com",
    called="host",
)
_MAILBOX: Final = r"[^@\s/\x00-\x1f<>]{1,64}@[A-Za-z0-9.-]{1,253}"
_ADDRESS: Final = IdShape(
    pattern=_MAILBOX,
    words="The id of an SMTP sender is its e-mail address",
    example="orders@example.com",
    called="sender",
    unlisted=_MAILBOX,
)


def build(tools: "Tools", terms: "PoolTerms | None" = None) -> "ProviderAdapter":
    """The adapter; `terms` are those of its connections in place of the usual ones. Its libraries load slowly, and many
    commands need the description alone.
    """
    from messaging.adapters.providers.smtp.adapter import build_adapter

    return build_adapter(tools, terms)


PROVIDER: Final = Provider(
    name="smtp",
    title="SMTP",
    channels=frozenset({Channel.EMAIL}),
    credentials=SmtpCredentials,
    settings=SmtpSettings,
    # A mail server promises to deliver or to return: `sent` is its last word, and returned mail the only echo. It
    # cannot be asked, and takes the same message twice.
    capabilities=Capabilities(),
    # Common for submission; each sender has its own, and so may have another.
    limits=SendLimits(per_second=10),
    account_id=_HOST,
    sender_id=_ADDRESS,
    secret_patterns=(r"(?i)\bAUTH (?:PLAIN|LOGIN|CRAM-MD5)\s+\S+",),
    build=build,
)
