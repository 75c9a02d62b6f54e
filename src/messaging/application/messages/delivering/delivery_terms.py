"""Settings for delivery in one process: batch size, concurrency, leases and intervals."""

from datetime import timedelta

from msgspec import Struct, field

from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.transitions import lifecycle


class DeliveryTerms(Struct, frozen=True, kw_only=True):
    """`lease` covers the time from claim to stamp, `sending_lease` the provider's whole request; both are the
    database's time. `concurrency` bounds the sends under way in this process; those slower than `slow_after` give their
    places back, and may be as many again. `check_every` overrides how often the policies have a silent message checked.
    """

    worker: str
    batch: int = 100
    concurrency: int = 64
    lease: timedelta = timedelta(seconds=30)
    sending_lease: timedelta = timedelta(seconds=60)
    slow_after: timedelta = timedelta(seconds=2)
    grace: lifecycle.EchoGrace = field(default_factory=lambda: ECHO_GRACE)
    check_every: timedelta | None = None
