"""Live and test mode: each key, account, sender and message belongs to exactly one."""

from enum import StrEnum
from typing import Final, NamedTuple

from messaging.domain.shared.ids import TenantId


class Mode(StrEnum):
    """`test` traffic runs the whole lifecycle against the sandbox provider."""

    LIVE = "live"
    TEST = "test"


class BothModes(StrEnum):
    """For the few pieces of work that are about a tenant as a whole; tests/house/test_modes.py lists them."""

    BOTH = "both"


BOTH_MODES: Final = BothModes.BOTH

# Rows that a tenant's transaction can see: those of one mode or, where stated explicitly, of both.
Reach = Mode | BothModes


class TenantScope(NamedTuple):
    """A tenant and the mode whose rows are meant."""

    tenant_id: TenantId
    mode: Reach
