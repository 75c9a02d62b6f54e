"""One send of a subject's adapter over a script of the wire, and everything that came of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from inspect import signature
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from messaging.adapters.http.client import ProviderHttp, Timeouts
from messaging.adapters.providers.tools import Tools
from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.descriptor import Provider
from messaging.application.ports.providers.sending import NotStarted, Outgoing
from messaging.domain.channels.address import Recipient
from messaging.domain.content.content import Content
from messaging.domain.messages.retry import SendResult
from tests.conformance.outcomes import Outcome, Script
from tests.conformance.subject import PUBLIC_URL, REFERENCE, Endpoint, Subject
from tests.integration.providers.whatsapp_cloud.raw_server import RawServer, a_closed_port, serving

# Short enough for a test of silence, and long enough for a loaded machine to answer: where a provider is to be heard,
# `PATIENT` holds.
QUICK: Final = Timeouts(connect=20.0, slot=20.0, read=0.2, answer=0.4)
PATIENT: Final = Timeouts(connect=20.0, slot=20.0, read=20.0, answer=20.0)
_NOBODY: Final = Endpoint(host="provider.invalid", port=443)


class Candidate(Struct, frozen=True):
    """A provider of the list, with its subject."""

    provider: Provider
    subject: Subject

    def outgoing(
        self,
        endpoint: Endpoint,
        *,
        content: Content | None = None,
        recipient: Recipient | None = None,
        valid_for: timedelta | None = None,
    ) -> Outgoing:
        subject = self.subject
        return Outgoing(
            connection=subject.connection(endpoint),
            sender_external_id=subject.sender_id,
            sender_address=subject.sender_address,
            recipient=recipient or subject.recipient,
            content=content or subject.content,
            template=None,
            reference=REFERENCE,
            valid_for=valid_for,
        )


class Tried(Struct, frozen=True):
    """`result` of the send, how often it `asked` for permission, and what reached the provider."""

    result: SendResult | NotStarted
    asked: int
    requests: tuple[bytes, ...]


class Asking:
    """A `may_start` that counts how often it is asked, and awaits `first` before it answers."""

    def __init__(self, answer: bool = True, *, first: Callable[[], Awaitable[None]] | None = None) -> None:
        self.asked = 0
        self._answer = answer
        self._first = first

    async def __call__(self) -> bool:
        self.asked += 1
        if self._first is not None:
            await self._first()
        return self._answer


@asynccontextmanager
async def an_adapter(
    candidate: Candidate,
    endpoint: Endpoint,
    *,
    timeouts: Timeouts = PATIENT,
    sandbox_url: str = "http://sandbox.invalid",
    webhooks_url: str = PUBLIC_URL,
    settings: Struct | None = None,
) -> AsyncIterator[ProviderAdapter]:
    """The provider's adapter, built as a process builds it; with `settings` of the operator that lead to `endpoint`, if
    no others are given.
    """
    http = ProviderHttp(timeouts=timeouts)
    closing: list[Callable[[], Awaitable[None]]] = [http.aclose]
    tools = Tools(
        http=http,
        settings=settings or candidate.subject.settings(endpoint),
        sandbox_url=sandbox_url,
        webhooks_url=webhooks_url,
        on_close=closing.append,
    )
    try:
        yield _built(candidate, tools, timeouts)
    finally:
        for close in reversed(closing):
            await close()


def _built(candidate: Candidate, tools: Tools, timeouts: Timeouts) -> ProviderAdapter:
    build = candidate.subject.build or candidate.provider.build
    return build(tools, timeouts) if len(signature(build).parameters) > 1 else build(tools)


async def try_outcome(candidate: Candidate, outcome: Outcome) -> Tried:
    """One send that ends so."""
    script = candidate.subject.wire.scripts[outcome]
    if outcome is Outcome.NAME_UNKNOWN:
        return await _send(candidate, _NOBODY, Asking())
    if outcome is Outcome.REFUSED:
        return await _send(candidate, Endpoint(host="127.0.0.1", port=a_closed_port()), Asking())
    timeouts = QUICK if outcome is Outcome.SILENT else PATIENT
    return await try_script(
        candidate,
        script,
        timeouts=timeouts,
        tls=outcome is Outcome.TLS_FAILED,
        leaves=outcome is Outcome.GONE_WHILE_ASKING,
    )


async def try_script(
    candidate: Candidate, script: Script, *, timeouts: Timeouts = PATIENT, tls: bool = False, leaves: bool = False
) -> Tried:
    """One send to a provider that does what the script says; it `leaves` when the adapter asks for permission."""
    assert script.behave is not None
    async with serving(script.behave) as server:

        async def see_it_leave() -> None:
            server.release.set()
            await server.left.wait()
            # The end of the stream has to come round the loop to the client's side of the socket as well.
            for _ in range(20):
                await asyncio.sleep(0)

        asking = Asking(first=see_it_leave if leaves else None)
        tried = await _send(candidate, endpoint_of(server, tls=tls), asking, timeouts=timeouts)
        return replace(tried, requests=tuple(server.requests))


def endpoint_of(server: RawServer, *, tls: bool = False) -> Endpoint:
    return Endpoint(host="127.0.0.1", port=server.port, tls=tls)


async def _send(candidate: Candidate, endpoint: Endpoint, asking: Asking, *, timeouts: Timeouts = PATIENT) -> Tried:
    async with an_adapter(candidate, endpoint, timeouts=timeouts) as adapter:
        result = await adapter.gateway.send(candidate.outgoing(endpoint), may_start=asking)
    return Tried(result, asking.asked, ())
