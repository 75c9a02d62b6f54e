"""Does the running API keep to its own document, whatever anybody sends? (Schemathesis, all phases)

`SCHEMATHESIS_EXAMPLES=50` tries harder than the suite does by default.
"""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from litestar.types import ASGIApp

from tests.integration.api.callers import Platform

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "3"))
ROOT = Path(__file__).parents[3]


@pytest.fixture
async def url(app: ASGIApp) -> AsyncIterator[str]:
    """The application behind a real server: raw bytes, real connections."""
    # With the protocol left out asyncio would not switch Nagle's algorithm off, and each answer would take 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none")
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
        running = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await running


@pytest.mark.slow
@pytest.mark.timeout(120 + EXAMPLES * 30)
@pytest.mark.parametrize("surface", ["/v1", "/admin/v1", "probes"])
async def test_the_api_keeps_to_its_document(platform: Platform, url: str, surface: str, tmp_path: Path) -> None:
    shop = await platform.shop()
    key = platform.key if surface == "/admin/v1" else shop.key
    paths = "^/(healthz|readyz|metrics)$" if surface == "probes" else f"^{surface}/"

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
        *("--header", f"Authorization: Bearer {key}", "--include-path-regex", paths),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--no-color", "--continue-on-failure"),
        cwd=ROOT,
        env=os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()
