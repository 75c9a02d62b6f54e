"""Answers the most frequent operations without the framework's routing, guards, injection and response objects.

They are declared in Litestar like all others, do the same work through the same functions, and are refused by the same
table of problems. Litestar still answers every other spelling of their addresses and every other method.
See docs/decisions/0008-an-express-lane-for-submissions.md.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from litestar import Request
from litestar.types import Receive, Scope, Send

from messaging.application.messages.accepting.submit import Reply
from messaging.entrypoints.api.decoding.calls import LeanCall, TenantCall
from messaging.entrypoints.api.edge.auth import Door, TenantRequest, admit
from messaging.entrypoints.api.edge.errors import problem_of
from messaging.entrypoints.api.edge.idempotency import REPLAYED_HEADER
from messaging.entrypoints.api.edge.limits import limit_headers

UseCase = TypeVar("UseCase")

_REPLAYED = (REPLAYED_HEADER.lower().encode(), b"true")


class Express(Generic[UseCase]):
    """One operation of the tenants' surface at a fixed address, as an ASGI application of its own."""

    def __init__(
        self,
        operation_id: str,
        path: str,
        answer: Callable[[TenantCall, UseCase], Awaitable[Reply]],
        *,
        door: Door,
        use_case: UseCase,
    ) -> None:
        self.path = path
        self._operation_id = operation_id
        self._answer = answer
        self._door = door
        self._use_case = use_case

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["path_template"] = self.path
        call = LeanCall(scope, receive)
        try:
            await admit(self._door, call, self._operation_id)
            reply = await self._answer(call, self._use_case)
        except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a problem document
            request: TenantRequest = Request(scope, receive, send)
            problem = problem_of(request, error).to_asgi_response(app=None, request=request)
            await problem(scope, receive, send)
        else:
            await _send(reply, send)


async def _send(reply: Reply, send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply.body))]
    if reply.replayed:
        headers.append(_REPLAYED)
    headers += [(name.lower().encode(), value.encode()) for name, value in limit_headers(reply.balances).items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})
