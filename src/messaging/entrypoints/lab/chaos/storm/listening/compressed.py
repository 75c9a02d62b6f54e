"""Makes hours of callbacks pass in seconds: the waits, leases and limits of the process that posts them, shortened.

No command and no setting of `app` leads here: `python -m …storm.listening.compressed BUG COMMAND…` is what the storm
starts instead of `app COMMAND…`; BUG is `-` or one of `planted`. A start may be given a lease of its own.
"""

import os
import runpy
import sys
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from messaging.application.callbacks.delivering import claim, hold_lane
from messaging.application.callbacks.settling import settle
from messaging.domain.callbacks import breaker, schedule
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.lab.chaos.storm.links import CALLBACKS
from messaging.entrypoints.lab.chaos.storm.planted import PLANTS, planted_in
from messaging.entrypoints.lab.dev.stack import APP, Adjust, Launch

NONE: Final = "-"
# Seconds, in the environment of one start: what dies soon need not keep its lanes from the next for long.
LEASE_SECONDS: Final = "COMPRESSED_LEASE_SECONDS"
_SELF: Final = "messaging.entrypoints.lab.chaos.storm.listening.compressed"
_PROGRAM: Final = "messaging.entrypoints.cli"
_SECOND: Final = timedelta(seconds=1)
# A storm with its time to come to rest is shorter, so whatever is tried at all is tried within its window.
_WINDOW: Final = timedelta(minutes=20)
_WAITS: Final = (0.5, 1, 1, 2, 2, 3, 3, 3, 3)
_LEASE: Final = timedelta(seconds=12)


def compress(lease: timedelta) -> None:
    """Shortens what lasts; the code that watches over it is the same."""
    for mode in Mode:
        schedule.WINDOWS[mode] = _WINDOW
        schedule.WAITS[mode] = tuple(wait * _SECOND for wait in (*_WAITS, *[3] * 300))
    _put(breaker, "_PROBE_WAITS", tuple(wait * _SECOND for wait in (0.5, 1, 2)))
    for module in (claim, hold_lane, settle):
        _put(module, "LEASE", lease)


def _put(owner: object, name: str, value: object) -> None:
    assert hasattr(owner, name), f"{name} has gone"
    setattr(owner, name, value)


def adjusting(bug: str | None) -> Adjust:
    """Changes the start of processes: time is short for the one that posts callbacks, and `bug` is where it belongs."""
    planted = planted_in(bug)
    here = bug if bug is not None and CALLBACKS in PLANTS[bug].processes else NONE

    async def adjust(launch: Launch) -> Launch:
        if launch.name == CALLBACKS:
            return replace(launch, command=(sys.executable, "-P", "-m", _SELF, here, *launch.command[len(APP) :]))
        return launch if planted is None else await planted(launch)

    return adjust


def main() -> None:
    given = os.environ.get(LEASE_SECONDS)
    compress(_LEASE if given is None else float(given) * _SECOND)
    if sys.argv[1] != NONE:
        PLANTS[sys.argv[1]].plant()
    sys.argv = ["app", *sys.argv[2:]]
    runpy.run_module(_PROGRAM, run_name="__main__")


if __name__ == "__main__":
    main()
