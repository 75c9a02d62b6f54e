"""WhatsApp's 24-hour customer service window, within which free-form content may be sent."""

from datetime import datetime, timedelta

WINDOW = timedelta(hours=24)
# Meta counts from the person's message by its own clock; the window closes a little early here so that Meta does not
# refuse with 131047.
MARGIN = timedelta(minutes=5)


def is_open(last_inbound_at: datetime | None, *, now: datetime) -> bool:
    return last_inbound_at is not None and now < last_inbound_at + WINDOW - MARGIN
