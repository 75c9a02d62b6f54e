"""Makes a process die at a crash point, and sees that it did."""

from collections.abc import Mapping
from types import MappingProxyType

from messaging.application.crashpoints import EXIT_CODE
from messaging.entrypoints.lab.dev.processes.keeper import Keeper
from tests.journeys.platform import eventually


async def dies(keeper: Keeper, crash: str, extra: Mapping[str, str] = MappingProxyType({})) -> None:
    """It is started so as to die at this point, with `extra` settings until then."""
    deaths = len(keeper.exits)
    await keeper.restart({"APP_CRASHPOINT": crash, **extra})
    await died(keeper, deaths)


async def died(keeper: Keeper, before: int) -> None:
    """It ended by itself, as if killed; its keeper starts it again without a crash point."""

    async def ended() -> bool | None:
        return True if len(keeper.exits) > before else None

    await eventually(ended, within=120, what=f"{keeper.child.name} did not die\n{keeper.child.log_tail()}")
    assert keeper.exits[before:] == [EXIT_CODE], keeper.child.log_tail()
