"""A worker whose sends never end, for a test that has to kill it; says on stdout how far it has come."""

import asyncio
import sys

from tests.integration.worker.doubles import OTP, Work, worker_process


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


async def main(redis_url: str) -> int:
    work = Work()
    work.let_sends_end.clear()
    work.due[OTP] = 1
    async with worker_process(work, redis_url) as worker:
        running = asyncio.create_task(worker.run())
        while not work.sending:
            await asyncio.sleep(0.01)
        say("sending")
        await work.draining.wait()
        say("draining")
        return await running


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
