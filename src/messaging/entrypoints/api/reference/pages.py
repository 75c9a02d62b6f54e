"""The reference page at /docs: Swagger UI from our own files, /openapi.json, and nothing from anywhere else."""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from messaging.entrypoints.api.reference.openapi import openapi_document
from messaging.entrypoints.api.reference.problems import as_html, index, page_of

# Swagger UI writes style attributes; everything else comes from this origin or is not loaded.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
# Media types without a charset: Litestar adds it to every text type.
_MEDIA_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "start.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_AN_HOUR = {"Cache-Control": "public, max-age=3600"}


@cache
def _document() -> bytes:
    return msgspec.json.encode(openapi_document())


@cache
def _asset(name: str) -> bytes:
    return (files("messaging.entrypoints.api.reference") / "assets" / name).read_bytes()


def _page(request: Request[Any, Any, Any], markdown: str, title: str) -> Response[bytes]:
    if "text/html" in request.headers.get("accept", ""):
        headers = {"Content-Security-Policy": _PAGE_POLICY, "Vary": "Accept"}
        return Response(as_html(markdown, title).encode(), media_type="text/html", headers=headers)
    return Response(markdown.encode(), media_type="text/markdown", headers={"Vary": "Accept"})


class ReferenceController(Controller):
    @get("/openapi.json")
    async def openapi(self) -> Response[bytes]:
        return Response(_document(), media_type="application/json")

    @get("/docs")
    async def page(self) -> Response[bytes]:
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
        return Response(_asset("index.html"), media_type="text/html", headers=headers)

    @get("/docs/{name:str}")
    async def asset(self, name: FromPath[str]) -> Response[bytes]:
        if name not in _MEDIA_TYPES:
            raise NotFoundException
        return Response(_asset(name), media_type=_MEDIA_TYPES[name], headers=_AN_HOUR)

    @get("/problems")
    async def problems(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The list of all codes."""
        return _page(request, index(), "Problems")

    @get("/problems/{code:str}")
    async def problem(self, request: Request[Any, Any, Any], code: FromPath[str]) -> Response[bytes]:
        """The page that a problem document's `type` points to: HTML for a browser, Markdown for everybody else."""
        page = page_of(code)
        if page is None:
            raise NotFoundException
        return _page(request, page, code)

    @get("/favicon.ico")
    async def favicon(self) -> Response[bytes]:
        return Response(_asset("favicon-32x32.png"), media_type="image/png", headers=_AN_HOUR)
