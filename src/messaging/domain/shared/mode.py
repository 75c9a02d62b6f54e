"""Whether something is for real: keys, accounts, senders and messages each have exactly one mode."""

from enum import StrEnum


class Mode(StrEnum):
    """`test` traffic runs the whole lifecycle against the sandbox provider."""

    LIVE = "live"
    TEST = "test"
