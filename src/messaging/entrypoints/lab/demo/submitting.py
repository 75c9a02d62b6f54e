"""Submits a thousand messages in batches, and keeps the answer to each row."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from messaging.entrypoints.lab.demo.orders import Order, submission_of
from messaging.entrypoints.lab.dev.client import LocalClient

BATCH: Final = 50


class Refusal(Struct, frozen=True, kw_only=True):
    order: str
    codes: tuple[str, ...]
    detail: str


class Submitted(Struct, frozen=True, kw_only=True):
    """The answers to a submission. `accepted` maps public message ids to order numbers; `seconds` is how long each
    batch took.
    """

    accepted: dict[str, str]
    refused: tuple[Refusal, ...]
    seconds: tuple[float, ...]

    def refusals_by_code(self) -> dict[str, int]:
        """Counts the refused rows by reason; a row with two reasons counts for both."""
        return dict(Counter(code for refusal in self.refused for code in refusal.codes).most_common())


async def submit(
    client: LocalClient, orders: Sequence[Order], *, run: str, progress: Callable[[int], None]
) -> Submitted:
    """Submits all rows. `progress` is told how many rows each answered batch had. A repeated batch (same `run`) has no
    second effect.
    """
    accepted: dict[str, str] = {}
    refused: list[Refusal] = []
    seconds: list[float] = []
    for start in range(0, len(orders), BATCH):
        part = orders[start : start + BATCH]
        began = time.perf_counter()
        answer = await client.post(
            "/v1/messages/batch",
            {"messages": [submission_of(order) for order in part]},
            idempotency_key=f"demo-{run}-{start}",
        )
        seconds.append(time.perf_counter() - began)
        for order, item in zip(part, answer["data"], strict=True):
            if item["status"] == "accepted":
                accepted[item["message"]["id"]] = order.order
            else:
                refused.append(_refusal(order, item["errors"]))
        progress(len(part))
    return Submitted(accepted=accepted, refused=tuple(refused), seconds=tuple(seconds))


def _refusal(order: Order, errors: list[dict[str, str]]) -> Refusal:
    return Refusal(
        order=order.order,
        codes=tuple(dict.fromkeys(error["code"] for error in errors)),
        detail=" ".join(error["detail"] for error in errors),
    )
