"""Measures the least cost of answering: the same framework and server decode the same body and do nothing with it.

python -m messaging.entrypoints.lab.bench.floors.noop PORT
"""

import asyncio
import sys
from typing import Any

import uvicorn
import uvloop
from litestar import Litestar, get, post
from litestar.params import JSONBody
from msgspec import Struct


class AnyBody(Struct):
    """A body that is decoded into a structure, as the bodies of real endpoints are."""

    to: str | None = None
    channel: str | None = None
    content: dict[str, Any] | None = None
    reference: str | None = None
    messages: list[dict[str, Any]] | None = None
    entry: list[dict[str, Any]] | None = None


@post("/", status_code=202)
async def accept(data: JSONBody[AnyBody]) -> dict[str, str]:
    return {"status": "queued"}


@get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


def main() -> None:
    app = Litestar([accept, healthz], openapi_config=None, logging_config=None)
    config = uvicorn.Config(
        app, port=int(sys.argv[1]), log_config=None, access_log=False, ws="none", server_header=False
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
