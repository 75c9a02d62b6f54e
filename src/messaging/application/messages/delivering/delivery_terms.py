"""Settings for delivery in one process: its name, leases and intervals."""

from datetime import timedelta

from msgspec import Struct, field

from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.transitions import lifecycle


class DeliveryTerms(Struct, frozen=True, kw_only=True):
    """`lease` covers the time from claim to start, `sending_lease` the provider's whole request; both by the database's
    clock. `grace` is how long an unknown outcome waits for the provider's echo; `check_every` overrides the interval at
    which policies check the status of accepted messages.
    """

    worker: str
    lease: timedelta = timedelta(seconds=30)
    sending_lease: timedelta = timedelta(seconds=60)
    grace: lifecycle.EchoGrace = field(default_factory=lambda: ECHO_GRACE)
    check_every: timedelta | None = None
