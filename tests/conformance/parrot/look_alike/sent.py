"""An accepted send as the ledger keeps it, and its ids."""

import secrets
from typing import Final

from messaging.entrypoints.sandbox.core.storage.ledger import Entry
from messaging.entrypoints.sandbox.core.wire import Json

NAME: Final = "parrot"


class Sent(Entry, frozen=True, kw_only=True):
    account_id: str
    key: str
    webhook_url: str | None
    provider: str = NAME


class Ids:
    """`msg_`, 12 random hexadecimal digits, and the position in the ledger in 8."""

    def mint(self, user: str, n: int) -> str:
        return f"msg_{secrets.token_hex(6)}{n:08x}"

    def position(self, message_id: str) -> int | None:
        try:
            return int(message_id[-8:], 16) if message_id.startswith("msg_") and len(message_id) == 24 else None
        except ValueError:
            return None


def resource(entry: Sent, status: str, *, code: str | None, at: float) -> Json:
    node: Json = {
        "id": entry.message_id,
        "status": status,
        "from": entry.sender,
        "to": entry.to,
        "client_reference": entry.reference,
        "updated_at": int(at),
    }
    return node if code is None else node | {"error_code": code}
