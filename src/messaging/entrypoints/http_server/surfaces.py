"""Selects the part of an application that is public when operators have a listener of their own."""

from typing import Final

import msgspec

from messaging.entrypoints.observability.asgi import AsgiApp, Message, Receive, Scope, Send

# These paths and everything below them are private. /problems is public: refusals refer to it.
_PRIVATE: Final = ("/admin", "/metrics", "/docs", "/openapi.json")
_READINESS: Final = "/readyz"


def public_only(app: AsgiApp) -> AsgiApp:
    """The application without its private paths, and with a readiness that tells no details."""

    async def public(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        path = _normal(scope["path"])
        if _is_private(path):
            # A path that nobody has, so that the answer is that of any unknown address, in the application's own form.
            scope = {**scope, "path": "/-", "raw_path": b"/-"}
        await app(scope, receive, _without_details(send) if path == _READINESS else send)

    return public


def _normal(path: str) -> str:
    """The path as routers read it: `//admin/` is `/admin`."""
    return "/" + "/".join(part for part in path.split("/") if part)


def _is_private(path: str) -> bool:
    return any(path == private or path.startswith(f"{private}/") for private in _PRIVATE)


def _without_details(send: Send) -> Send:
    """An answer whose body says no more than its status."""
    head: Message = {}

    async def send_brief(message: Message) -> None:
        nonlocal head
        if message["type"] == "http.response.start":
            head = message
            return
        if message.get("more_body", False):
            return
        state = "ready" if head["status"] == 200 else "not_ready"
        body = msgspec.json.encode({"status": state}) if message.get("body") else b""
        headers = [(name, value) for name, value in head["headers"] if name != b"content-length"]
        await send({**head, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    return send_brief
