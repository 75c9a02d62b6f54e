"""Asks the API until every message has reached its final state."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from messaging.entrypoints.lab.dev.client import CallFailed, LocalClient

# Statuses in which a message may stay for good because the recipient's phone is off or nobody looks at it.
_RESTING: Final = frozenset({"submitted", "sent", "delivered"})
_ENDED: Final = frozenset({"read", "failed", "expired", "cancelled", "unconfirmed", "dead"})
_POLL_SECONDS: Final = 0.4
_PATIENCE_SECONDS: Final = 240.0
# Number of times in a row that the provider had nothing to tell and we had nothing to read.
_QUIET_LOOKS: Final = 3

Statuses = dict[str, str]


class NotEnding(Exception):
    """Messages are still under way after the longest time anything in the demo can take."""


async def follow(
    client: LocalClient,
    sandbox: LocalClient,
    accepted: Mapping[str, str],
    *,
    since: datetime,
    progress: Callable[[Counter[str]], None],
) -> dict[str, Any]:
    """Follows every accepted message and returns it as the API shows it in the end, by id. Raises NotEnding."""
    quiet, before = 0, Counter[str]()
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        messages = await _messages(client, accepted, since)
        counts = Counter(message["status"] for message in messages.values())
        progress(counts)
        open_ = [status for status in counts if status not in _ENDED | _RESTING]
        throttled = sum(counts[status] for status in _RESTING)
        if len(messages) == len(accepted) and not open_:
            quiet = quiet + 1 if counts == before and await _provider_is_done(sandbox) else 0
            if quiet >= _QUIET_LOOKS or throttled == 0:
                return messages
        before = counts
        if time.monotonic() > give_up_at:
            raise NotEnding(f"still under way after {_PATIENCE_SECONDS:.0f} s: {dict(counts)}")
        await asyncio.sleep(_POLL_SECONDS)


async def _messages(client: LocalClient, accepted: Mapping[str, str], since: datetime) -> dict[str, Any]:
    try:
        listed = await client.pages("/v1/messages", limit=100, created_after=since.isoformat())
    except CallFailed as error:
        raise NotEnding(str(error)) from error
    return {message["id"]: message for message in listed if message["id"] in accepted}


async def _provider_is_done(sandbox: LocalClient) -> bool:
    answer = await sandbox.get("/_webhooks", limit=1)
    pending: int = answer["pending"]
    return pending == 0
