"""Answers to a request that a scripted fault or a magic recipient spoils."""

from collections.abc import Callable

from messaging.entrypoints.sandbox.core.fates.faults import Mode, Parameters
from messaging.entrypoints.sandbox.core.settings import Settings
from messaging.entrypoints.sandbox.core.wire import Effect, Hang, Late, Reply, Reset, Truncated

Refuse = Callable[[Mode, int | str | None], Reply]


def refused_effect(mode: Mode, params: Parameters, settings: Settings, refuse: Refuse) -> Effect:
    """The answer of a mode in which nothing was accepted. `refuse` gives the provider's own refusals: for the modes
    `429`, `503` and `invalid_token`, and the error code asked for, if any. A code of another provider counts as none.
    """
    match mode:
        case "429" | "503" | "invalid_token":
            return refuse(mode, params.code)
        case "500_before":
            return _server_page(500)
        case "reset_before":
            return Reset()
        case "hang_before":
            return Hang(_hang_seconds(params, settings))
        case _:
            raise AssertionError(f"{mode} accepts")


def accepted_effect(mode: Mode, params: Parameters, settings: Settings, reply: Reply, *, without_id: Reply) -> Effect:
    """The answer of a mode in which the request took effect and only the answer suffers."""
    match mode:
        case "500_after" | "503_after":
            return _server_page(int(mode[:3]))
        case "reset_after":
            return Reset()
        case "hang_after":
            return Hang(_hang_seconds(params, settings))
        case "truncated_200":
            return Truncated(reply)
        case "non_json_200":
            return Reply(reply.status, b"<html><body>OK</body></html>", b"text/html")
        case "no_id_200":
            return without_id
        case "slow":
            return Late(reply, (settings.slow_ms if params.ms is None else params.ms) / 1000)
        case _:
            raise AssertionError(f"{mode} refuses")


class FirstSends:
    """Counts the refusals of recipients that are refused so many times in a row before a send is accepted."""

    def __init__(self) -> None:
        self._refused: dict[tuple[str, str], int] = {}

    def is_refused(self, sender: str, recipient: str, times: int | None) -> bool:
        """Whether this send is; `times` is the number of refusals, None for every send."""
        if times is None:
            return True
        refused = self._refused.get((sender, recipient), 0)
        if refused >= times:
            del self._refused[sender, recipient]
            return False
        self._refused[sender, recipient] = refused + 1
        return True


def _server_page(status: int) -> Reply:
    return Reply(status, b"<html><body>Sorry, something went wrong.</body></html>", b"text/html")


def _hang_seconds(params: Parameters, settings: Settings) -> float:
    return min(settings.hang_max_ms, params.ms or settings.hang_max_ms) / 1000
