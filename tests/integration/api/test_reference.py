"""Is the contract served, complete and honest about every route, and is the reference page from nowhere else?"""

import re
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.types import ASGIApp

from messaging.entrypoints.api.edge.edge import Edge
from messaging.entrypoints.api.reference.openapi import openapi_document
from tests.integration.api.callers import Platform


async def test_the_served_document_is_the_printed_one(platform: Platform) -> None:
    served = (await platform.client.get("/openapi.json")).json()

    assert served == openapi_document()


async def test_the_page_and_all_it_loads_come_from_here(platform: Platform) -> None:
    page = await platform.client.get("/docs")

    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 5
    for path in loaded:
        assert path.startswith("/"), path
        assert (await platform.client.get(path)).status_code == 200
    script = (await platform.client.get("/docs/start.js")).text
    assert "http" not in script.replace('url: "/openapi.json"', "")
    assert (await platform.client.get("/favicon.ico")).headers["content-type"] == "image/png"


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fapp.py", "%2e%2e%2fapp.py", "index.html"])
async def test_only_the_pages_own_files_are_served(platform: Platform, name: str) -> None:
    assert (await platform.client.get(f"/docs/{name}")).status_code == 404


async def test_a_problems_type_leads_to_its_page(platform: Platform) -> None:
    refused = (await platform.client.get("/v1/messages")).json()

    page = await platform.client.get(refused["type"])
    shown = await platform.client.get(refused["type"], headers={"Accept": "text/html,*/*;q=0.8"})

    assert page.headers["content-type"] == "text/markdown; charset=utf-8"
    assert page.text.startswith("# unauthorized")
    assert "## How to fix it" in page.text
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h2>How to fix it</h2>" in shown.text


@pytest.mark.parametrize(
    "code", sorted(path.stem for path in (Path(__file__).parents[3] / "docs/problems").glob("[a-z]*.md"))
)
async def test_every_code_of_a_violation_has_a_page_too(platform: Platform, code: str) -> None:
    assert (await platform.client.get(f"/problems/{code}")).text.startswith(f"# {code}")


async def test_the_index_of_problems_links_to_pages_that_are_there(platform: Platform) -> None:
    index = await platform.client.get("/problems", headers={"Accept": "text/html"})

    linked = re.findall(r'href="(\w+)"', index.text)
    assert "window_closed" in linked


@pytest.mark.parametrize("code", ["no_such_code", "README", "..%2Findex", "unauthorized.md"])
async def test_nothing_else_is_served_as_a_problem(platform: Platform, code: str) -> None:
    assert (await platform.client.get(f"/problems/{code}")).status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/docs/start.js", "/docs/swagger-ui.css", "/problems/unauthorized"])
async def test_a_charset_is_told_once(platform: Platform, path: str) -> None:
    assert (await platform.client.get(path)).headers["content-type"].count("charset") == 1


async def test_probes_answer_without_a_key(platform: Platform) -> None:
    alive: httpx.Response = await platform.client.get("/healthz")
    metrics = await platform.client.get("/metrics")

    assert alive.status_code == 200
    assert metrics.headers["content-type"].startswith("text/plain")


def test_every_route_is_documented_and_every_documented_path_is_a_route(app: ASGIApp) -> None:
    assert isinstance(app, Edge)
    litestar = app.app
    assert isinstance(litestar, Litestar)
    served = {
        (re.sub(r"\{(\w+):str\}", r"{\1}", route.path), method)
        for route in litestar.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    }
    pages = {
        (path, "GET")
        for path in ("/openapi.json", "/docs", "/docs/{name}", "/problems", "/problems/{code}", "/favicon.ico")
    }
    documented = {(path, method.upper()) for path, methods in openapi_document()["paths"].items() for method in methods}

    assert served - pages == documented
