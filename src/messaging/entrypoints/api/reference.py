"""The reference page at /docs: Swagger UI from our own files, /openapi.json, and nothing from anywhere else."""

from functools import cache
from importlib.resources import files

import msgspec
from litestar import Controller, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from messaging.entrypoints.api.errors import PROBLEMS
from messaging.entrypoints.api.openapi import openapi_document

# Swagger UI writes style attributes; everything else comes from this origin or not at all.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_MEDIA_TYPES = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
_AN_HOUR = {"Cache-Control": "public, max-age=3600"}


@cache
def _document() -> bytes:
    return msgspec.json.encode(openapi_document())


@cache
def _asset(name: str) -> bytes:
    return (files("messaging.entrypoints.api") / "reference_page" / name).read_bytes()


class ReferenceController(Controller):
    @get("/openapi.json")
    async def openapi(self) -> Response[bytes]:
        return Response(_document(), media_type="application/json")

    @get("/docs")
    async def page(self) -> Response[bytes]:
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
        return Response(_asset("index.html"), media_type="text/html; charset=utf-8", headers=headers)

    @get("/docs/{name:str}")
    async def asset(self, name: FromPath[str]) -> Response[bytes]:
        if name not in _MEDIA_TYPES:
            raise NotFoundException
        return Response(_asset(name), media_type=_MEDIA_TYPES[name], headers=_AN_HOUR)

    @get("/problems/{code:str}")
    async def problem(self, code: FromPath[str]) -> Response[bytes]:
        """What a problem document's `type` leads to."""
        kind = PROBLEMS.get(code)
        if kind is None:
            raise NotFoundException
        text = (
            f"{kind.title}\n\nCode {code}, status {kind.status}. The causes and what to do: docs/problems/{code}.md\n"
        )
        return Response(text.encode(), media_type="text/plain; charset=utf-8")

    @get("/favicon.ico")
    async def favicon(self) -> Response[bytes]:
        return Response(_asset("favicon-32x32.png"), media_type="image/png", headers=_AN_HOUR)
