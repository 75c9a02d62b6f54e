"""Plans when each step of a message's life after acceptance happens, the same way each time it is asked."""

import random
from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from messaging.entrypoints.sandbox.core.settings import Settings

StepT = TypeVar("StepT")


class Planned(msgspec.Struct, Generic[StepT], frozen=True):
    """A step, its place in the outcome's script (whatever the order it is told in), and when it happens (epoch)."""

    index: int
    step: StepT
    at: float


def plan_steps(
    n: int, script: Sequence[StepT], settings: Settings, *, start: float, last: StepT | None = None
) -> list[Planned[StepT]]:
    """The steps of the send at ledger position `n`, and `last` behind them, whatever their order.

    Times depend on the ledger position alone, so a plan made again after a restart is the same. Only the order may be
    another by then, which is why a step keeps its index: what was settled before stays settled.
    """
    steps = list(enumerate(script))
    if chance(settings.reorder_probability, settings.webhook_seed, n, 0, "reorder"):
        steps.reverse()
    if last is not None:
        steps.append((len(steps), last))
    shortest = settings.webhook_delay_min_ms
    spread = settings.webhook_delay_max_ms - shortest
    at = start
    planned = []
    for position, (index, step) in enumerate(steps):
        at += (shortest + spread * _fraction(n, position)) / 1000
        planned.append(Planned(index, step, at))
    return planned


def chance(probability: float, seed: int | None, n: int, index: int, what: str) -> bool:
    """Whether something that is likely to this degree happens to a step; repeatable with a seed."""
    if probability <= 0:
        return False
    draw = random.random() if seed is None else random.Random(f"{seed}:{n}:{index}:{what}").random()
    return draw < probability


def _fraction(n: int, index: int) -> float:
    """A number in [0, 1) that looks random and is the same every time."""
    return ((n * 2_654_435_761 + index * 40_503 + 12_345) % 2**32) / 2**32
