"""Tenants' endpoints in memory: what each URL answers is set, and every request is kept."""

from collections.abc import Callable
from urllib.parse import urlsplit

from messaging.application.ports.callbacks.delivering.exchange import Answered, CallbackRequest, Exchanged, NoAnswer

Behaviour = Exchanged | Callable[[CallbackRequest], Exchanged]


def an_answer(status: int = 200, excerpt: bytes = b"", **headers: str) -> Answered:
    """An answer; `retry_after` becomes the header `retry-after`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answered(status=status, headers=named, excerpt=excerpt, ms=1, peer="192.0.2.1")


class FakeExchange:
    """`behaviours` says what a URL answers, or how the answer follows from the request; any other answers 200.

    Hosts in `inside` are not public, and nothing is posted to them.
    """

    def __init__(self) -> None:
        self.behaviours: dict[str, Behaviour] = {}
        self.inside: set[str] = set()
        self.posted: list[CallbackRequest] = []

    async def post(self, request: CallbackRequest) -> Exchanged:
        if any(not text.isprintable() for pair in request.headers.items() for text in pair):
            raise ValueError("a header cannot be sent")
        if (urlsplit(request.url).hostname or "") in self.inside:
            return NoAnswer(failure="address_not_public", ms=0, detail="The host's address is not public.")
        self.posted.append(request)
        behaviour = self.behaviours.get(request.url, an_answer())
        return behaviour(request) if callable(behaviour) else behaviour
