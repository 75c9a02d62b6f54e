"""Rules for the URL of a callback endpoint, which need no network: those of every target, and https in live mode.

Whether its host may be reached is decided later, with every attempt, on the address that is about to be connected.
"""

from collections.abc import Collection

from messaging.domain.callbacks.target import Target, read_target
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.mode import Mode


def url_violations(url: str, mode: Mode, denied_ports: Collection[int] = ()) -> tuple[Violation, ...]:
    """All that is wrong with an endpoint's URL, each with how to mend it; pointers are relative to the endpoint."""
    target = read_target(url, denied_ports=denied_ports)
    details = [] if isinstance(target, Target) else [flaw.detail for flaw in target]
    if mode is Mode.LIVE and url[:5].lower() == "http:":
        details.append("In live mode callbacks are posted by https only. Use a URL that starts with https://.")
    return tuple(Violation(pointer="/url", code="callback_url_invalid", detail=detail) for detail in details)


def url_host(url: str) -> str:
    """The host of a URL that has no violations, as it is shown where the URL itself is not."""
    target = read_target(url)
    assert isinstance(target, Target)
    return target.host
