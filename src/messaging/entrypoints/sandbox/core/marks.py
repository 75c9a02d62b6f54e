"""The integers by which the webhook log names what a POST settled: one per ledger step or event."""

STEPS = 8
"""Room for the steps of one ledger entry; no script is longer."""


def step_mark(n: int, step: int) -> int:
    """The mark of one step of a ledger entry."""
    return n * STEPS + step


def event_mark(n: int) -> int:
    """The mark of an entry of the event log."""
    return -n - 1


def read_mark(mark: int) -> tuple[int, int | None]:
    """Position, and the step for a ledger entry or None for an event."""
    return (mark // STEPS, mark % STEPS) if mark >= 0 else (-mark - 1, None)
