"""Parrot's refusals, code by code."""

from typing import Final

from messaging.entrypoints.sandbox.core.fates.faults import Mode
from messaging.entrypoints.sandbox.core.wire import Reply, json_reply

# HTTP status by code.
REFUSALS: Final[dict[str, int]] = {
    "unauthorized": 401,
    "invalid_recipient": 422,
    "opted_out": 422,
    "unknown_sender": 422,
    "text_too_long": 422,
    "unreachable": 422,
    "rate_limited": 429,
    "overloaded": 503,
    "internal": 500,
    "not_found": 404,
}
_OF_MODES: Final[dict[Mode, str]] = {"429": "rate_limited", "503": "overloaded", "invalid_token": "unauthorized"}


class ParrotError(Exception):
    """A request that Parrot refuses."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    def reply(self) -> Reply:
        return json_reply(REFUSALS[self.code], {"error": {"code": self.code, "message": f"It is {self.code}."}})


def refusal(mode: Mode, code: int | str | None) -> Reply:
    """Parrot's answer in one of the modes that refuse, or with the code asked for."""
    asked = code if isinstance(code, str) and code in REFUSALS else _OF_MODES[mode]
    return ParrotError(asked).reply()
