"""An accepted send as the ledger keeps it, and Twilio's description of it."""

import secrets
from email.utils import formatdate
from typing import Final
from urllib.parse import parse_qsl

from messaging.entrypoints.sandbox.core.storage.ledger import Entry
from messaging.entrypoints.sandbox.core.wire import Json

NAME: Final = "twilio"
NAMES: Final = (NAME,)
# The parameter of a `StatusCallback` whose value the ledger shows as the send's reference.
_REFERENCE: Final = "ref"


class Sent(Entry, frozen=True, kw_only=True):
    """One accepted send. `sender` is the `From`, or the SID of the Messaging Service, as the caller wrote it."""

    account_sid: str
    from_: str | None
    """The number that the message left from; None for a service without one."""
    service_sid: str | None
    status_url: str | None
    """The `StatusCallback`."""
    text: str
    segments: int
    media: int
    """Number of media links."""
    provider: str = NAME


class Sids:
    """SIDs of messages: `SM` or `MM`, 24 random hexadecimal digits, and the position in the ledger in 8."""

    def mint(self, user: str, n: int, *, media: bool = False) -> str:
        return f"{'MM' if media else 'SM'}{secrets.token_hex(12)}{n:08x}"

    def position(self, message_id: str) -> int | None:
        """The ledger position in a SID of ours; None for any other text."""
        if len(message_id) != 34 or message_id[:2] not in ("SM", "MM"):
            return None
        try:
            return int(message_id[-8:], 16)
        except ValueError:
            return None


def reference_in(status_url: str) -> str | None:
    return dict(parse_qsl(status_url.partition("?")[2])).get(_REFERENCE)


def resource(entry: Sent, status: str, *, code: int | None, sent_at: float | None, updated_at: float) -> Json:
    """The message as the API describes it; numbers are texts, dates are those of e-mail."""
    uri = f"/2010-04-01/Accounts/{entry.account_sid}/Messages/{entry.message_id}"
    return {
        "sid": entry.message_id,
        "account_sid": entry.account_sid,
        "messaging_service_sid": entry.service_sid,
        "from": entry.from_,
        "to": entry.to,
        "body": entry.text,
        "status": status,
        "num_segments": str(entry.segments),
        "num_media": str(entry.media),
        "direction": "outbound-api",
        "error_code": code,
        "error_message": None,
        "price": None,
        "price_unit": "USD",
        "api_version": "2010-04-01",
        "date_created": _date(entry.received_at),
        "date_updated": _date(updated_at),
        "date_sent": None if sent_at is None else _date(sent_at),
        "uri": f"{uri}.json",
        "subresource_uris": {"media": f"{uri}/Media.json"},
    }


def _date(at: float) -> str:
    return formatdate(at).replace("-0000", "+0000")
