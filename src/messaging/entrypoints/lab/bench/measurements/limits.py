"""Measures whether four workers together keep to a provider's limits, and how much of the limits they use."""

from messaging.entrypoints.lab.bench.report import Findings, MeasurementFailed
from messaging.entrypoints.lab.bench.rig import bodies
from messaging.entrypoints.lab.bench.rig.rig import Rig, uuid_of
from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.dev.onboarding import Business

_WORKERS = 4
_PER_SECOND = 80
_SHARE = 0.9  # the default of APP_RATE_LIMIT_SHARE
_OFFERED = 2.0
_SECONDS = 60.0
_SETTLED_AFTER = 5.0


async def limits(rig: Rig) -> Findings:
    """Sends at twice the allowed rate to a sender at 80 messages/s, which the sandbox enforces as Meta does."""
    await rig.workers(_WORKERS)
    business = await rig.onboard("Limited", per_second=_PER_SECOND)
    await rig.sandbox(drop_probability=1.0)
    allowed, seconds = _PER_SECOND * _SHARE, rig.order.seconds or _SECONDS
    began = await rig.books.now()
    rate = allowed * _OFFERED
    await rig.generate(rig.job(bodies.single(), seconds=seconds, rate=rate, business=business))
    received = await _received(rig, business)
    throttled = await rig.books.throttled(uuid_of(business))
    await rig.workers(0)
    await rig.books.forget_due_work()
    # The first seconds fill token buckets and are not measured.
    since, until = began.timestamp() + min(_SETTLED_AFTER, seconds / 4), began.timestamp() + seconds
    used = sum(since <= at < until for at in received) / (until - since)
    if not received:
        raise MeasurementFailed("nothing was sent")
    figures = {
        "offered_per_second": rate,
        "allowed_per_second": allowed,
        "sent_per_second": round(used, 2),
        "budget_used": round(used / allowed, 4),
        "throttled": throttled,
    }
    return Findings(figures={"limits": figures})


async def _received(rig: Rig, business: Business) -> list[float]:
    """The times at which the provider took each message, by its ledger."""
    async with LocalClient(rig.stack.sandbox) as sandbox:
        ledger = await sandbox.get("/_ledger")
    return [entry["received_at"] for entry in ledger["data"] if entry["sender"] in business.phone_number_ids]
