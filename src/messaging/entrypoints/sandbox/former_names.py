"""Names that the sandbox of version 0.1.0 had: requests with them are refused, a state directory with them is kept.

They said callback for what a provider posts to us, which is a webhook.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

_FIELDS: Final = (
    *("delay_min_ms", "delay_max_ms", "late_ms", "batch_max", "concurrency", "timeout_ms"),
    *("retry_initial_ms", "retry_max_ms", "retry_attempts", "seed", "url"),
)
# Settings, and the URL of an account.
RENAMED: Final = {f"callback_{field}": f"webhook_{field}" for field in _FIELDS}
RENAMED_PATHS: Final = {"_callbacks": "_webhooks"}
_RENAMED_LOG: Final = ("callbacks.jsonl", "webhooks.jsonl")


def refuse(fields: Iterable[str]) -> None:
    """Raises `msgspec.ValidationError`, whose text has the present name of every field that has a former one."""
    if told := [f"{field} is called {RENAMED[field]} now" for field in fields if field in RENAMED]:
        raise msgspec.ValidationError("; ".join(told))


def renamed(stored: Mapping[str, object]) -> dict[str, object]:
    """The same fields under their present names."""
    return {RENAMED.get(field, field): value for field, value in stored.items()}


def take_over(state_dir: Path) -> None:
    """Give the log of webhooks its present name, so that what was settled before is not posted again."""
    former, present = (state_dir / name for name in _RENAMED_LOG)
    if former.exists() and not present.exists():
        former.rename(present)
