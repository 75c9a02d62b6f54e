"""Webhooks that no send caused: what users write, and what happens to templates. Kept until somebody takes them."""

import msgspec

from messaging.entrypoints.sandbox.core.storage import events
from messaging.entrypoints.sandbox.core.storage.events import EventLog
from messaging.entrypoints.sandbox.core.webhooks import Item, Webhooks, event_mark
from messaging.entrypoints.sandbox.core.wire import Json
from messaging.entrypoints.sandbox.whatsapp_cloud.accounts import Accounts
from messaging.entrypoints.sandbox.whatsapp_cloud.limits import Windows
from messaging.entrypoints.sandbox.whatsapp_cloud.sent import NAME, NAMES
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.envelopes import PACKING, Update


class Event(events.Event, frozen=True, kw_only=True):
    """One durable event."""

    waba_id: str
    field: str
    item: Json
    phone_number_id: str | None = None
    """The number a user wrote to; None for management events."""
    contact: Json | None = None
    opens_window_for: tuple[str, ...] = ()
    """Ids of the user whose 24-hour window this message opens."""
    provider: str = NAME


class Events:
    """The events of this provider, and the delivery of what is in them."""

    def __init__(self, log: EventLog, accounts: Accounts, webhooks: Webhooks, windows: Windows) -> None:
        self._log = log
        self._accounts = accounts
        self._webhooks = webhooks
        self._windows = windows

    async def add(self, event: Event) -> None:
        """Store the event, then send it on its way; returns once it is durable."""
        n = await self._log.add(event)
        self._take_effect(event)
        self._deliver(n, event)

    def resume(self) -> None:
        """After a start: reopen windows, and deliver what nobody has taken yet."""
        for n, line in self._log.lines(NAMES):
            event = msgspec.json.decode(line, type=Event)
            self._take_effect(event)
            if not self._log.is_settled(n):
                self._deliver(n, event)

    def _take_effect(self, event: Event) -> None:
        if event.phone_number_id is not None and event.opens_window_for:
            self._windows.open(event.phone_number_id, event.opens_window_for, event.at)

    def _deliver(self, n: int, event: Event) -> None:
        account = self._accounts.waba(event.waba_id)
        found = self._accounts.phone(event.phone_number_id) if event.phone_number_id else None
        url = None
        if account is not None:
            phone_id = event.phone_number_id
            url = account.messages_url(phone_id) if phone_id is not None else account.app_url()
        marks = (event_mark(n),)
        if account is None or url is None:
            self._webhooks.settle_unsent(marks, "no webhook url")
            return
        update = Update(
            waba_id=event.waba_id,
            field=event.field,
            phone=found[1] if found else None,
            list_name="messages" if found else "",
            item=event.item,
            contact=event.contact,
        )
        self._webhooks.put(
            Item(
                url=url,
                secret=account.app_secret,
                packing=PACKING,
                update=update,
                marks=marks,
                settled=lambda: self._log.settle(n),
            )
        )
