"""Start a sandbox by itself: `python -m messaging.entrypoints.sandbox --port 0 --state-dir DIR`."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

import uvloop

from messaging.entrypoints.sandbox import SandboxConfig, serve


def main() -> None:
    """Serve until told to stop; prints one line of JSON with the URL and port once ready."""
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--no-fsync", action="store_true")
    arguments = parser.parse_args()
    config = SandboxConfig(state_dir=arguments.state_dir, fsync=not arguments.no_fsync)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(config, arguments.host, arguments.port, ready=_announce))


def _announce(url: str) -> None:
    sys.stdout.write(json.dumps({"url": url, "port": int(url.rpartition(":")[2])}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
