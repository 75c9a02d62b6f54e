"""WhatsApp's ids: of a user, which in three countries is not the number people write, and of a message."""

import base64
import re
import secrets
from typing import Final

_MEXICO: Final = re.compile(r"52([0-9]{10})")
_ARGENTINA: Final = re.compile(r"54([1-9][0-9]{9})")
# Area codes from 31 on: their users joined before the ninth digit came, and are known without it.
_BRAZIL: Final = re.compile(r"55([3-9][1-9])9([6-9][0-9]{7})")


def wa_id_of(digits: str) -> str:
    """`digits` is a number without '+'; the answer is the same for each spelling of it."""
    if found := _MEXICO.fullmatch(digits):
        return f"521{found[1]}"
    if found := _ARGENTINA.fullmatch(digits):
        return f"549{found[1]}"
    if found := _BRAZIL.fullmatch(digits):
        return f"55{found[1]}{found[2]}"
    return digits


class Wamids:
    """Ids of messages, which begin with `wamid.`."""

    def mint(self, user: str, n: int, *, inbound: bool = False) -> str:
        """A message id that looks like Meta's: the user, a direction byte, ten random hex digits and the position."""
        tail = f"{secrets.token_hex(5)}{n:08X}".upper().encode()
        name = user.encode()[:120]
        direction = b"\x15\x02\x00\x12\x18" if inbound else b"\x15\x02\x00\x11\x18"
        raw = b"\x1d\x18" + bytes([len(name)]) + name + direction + bytes([len(tail)]) + tail + b"\x00"
        return "wamid." + base64.b64encode(raw).decode()

    def position(self, message_id: str) -> int | None:
        """The ledger position in a message id of ours; None for any other text."""
        try:
            raw = base64.b64decode(message_id.removeprefix("wamid."), validate=True)
            return int(raw[-9:-1], 16)
        except ValueError:
            return None
