"""Which tests run together in one test process, and with which the run begins.

Tests of one group share what their fixtures prepare. With two test processes, whatever is long has to begin early:
what comes last is short, so that neither process waits for the other in the end.
"""

from pathlib import PurePosixPath
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# Files that share a platform.
_SHARED: Final = {
    "tests/journeys/test_submit_to_deliver.py": "journeys",
    "tests/journeys/test_faults.py": "journeys",
    "tests/journeys/test_revoked_token.py": "journeys",
    "tests/journeys/test_connect_whatsapp.py": "journeys",
    "tests/journeys/test_crashpoints.py": "mortal journeys",
    "tests/journeys/test_recovery.py": "mortal journeys",
}
# In other directories all files are one group.
_BY_FILE: Final = ("tests/journeys", "tests/chaos", "tests/integration/postgres", "tests/integration/dev")
# Groups of more than about ten seconds, the longest first. The others keep the order in which they were collected.
_LONGEST_FIRST: Final = (
    "mortal journeys",
    "tests/journeys/test_commands.py",
    "tests/chaos/test_storm.py",
    "tests/journeys/test_status_polling.py",
    "tests/journeys/test_callbacks_die.py",
    "journeys",
    "tests/integration/api",
    "tests/integration/postgres/plans",
    "tests/integration/providers/whatsapp_cloud",
    "tests/integration/postgres/test_migrations.py",
    "tests/integration/dev/test_children.py",
    "tests/integration/sandbox",
    "tests/integration/edge",
)


class _ByGroup(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out one group after the other, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByGroup:
    return _ByGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _rank(_group(item.nodeid.partition("::")[0])))


def _group(file: str) -> str:
    directory = PurePosixPath(file).parent.as_posix()
    return _SHARED.get(file) or (file if directory in _BY_FILE else directory)


def _rank(group: str) -> int:
    return _LONGEST_FIRST.index(group) if group in _LONGEST_FIRST else len(_LONGEST_FIRST)
