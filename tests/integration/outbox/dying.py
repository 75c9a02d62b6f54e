"""A worker of jobs in a process of its own, which dies where it is told: `python -m … URL POINT`."""

import asyncio
import sys

from messaging.adapters.postgres.session.engine import create_engines
from messaging.application import crashpoints
from tests.integration.outbox.working import Worker


async def main(url: str, system_url: str, point: str) -> None:
    crashpoints.arm(crashpoints.parse(point))
    engines = create_engines(url, system_url=system_url)
    await Worker(engines).until_nothing_is_due()
    await engines.dispose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
