"""Parrot's error codes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from messaging.adapters.providers.error_codes import Kind, Meaning
from messaging.domain.messages.retry import Scope


def _m(kind: Kind, scope: Scope, title: str, advice: str, wait: int | None = None) -> Meaning:
    wait_for = None if wait is None else timedelta(seconds=wait)
    return Meaning(kind=kind, scope=scope, title=title, advice=advice, wait=wait_for)


_WAIT: Final = "Nothing to do: the message waits and goes by itself."
ERRORS: Final[Mapping[str, Meaning]] = {
    "unauthorized": _m(Kind.CONFIGURATION, Scope.CREDENTIAL, "The token is wrong", "Take the token from the console."),
    "invalid_recipient": _m(Kind.MESSAGE, Scope.RECIPIENT, "The number is not valid", "Check the number."),
    "opted_out": _m(Kind.MESSAGE, Scope.RECIPIENT, "The person has opted out", "Send nothing more."),
    "unknown_sender": _m(Kind.CONFIGURATION, Scope.SENDER, "The sender is not the account's", "Use another sender."),
    "text_too_long": _m(Kind.MESSAGE, Scope.MESSAGE, "The text is too long", "Shorten it."),
    "unreachable": _m(Kind.MESSAGE, Scope.RECIPIENT, "The phone is out of reach", "Try later."),
    "rate_limited": _m(Kind.THROTTLED, Scope.ACCOUNT, "Too many requests", _WAIT, 2),
    "overloaded": _m(Kind.TRANSIENT, Scope.ACCOUNT, "Parrot takes nothing right now", _WAIT, 5),
    "not_found": _m(Kind.CONFIGURATION, Scope.ACCOUNT, "The account does not exist", "Take the id from the console."),
    "internal": _m(Kind.UNCLEAR, Scope.MESSAGE, "Parrot had an internal error", _WAIT),
}
