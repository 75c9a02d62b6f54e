"""Those who listen in a storm: each tenant's systems, which flap, hang and hang up, and log all that they are told."""

import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from messaging.entrypoints.lab.chaos.storm.pace import Pace
from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.dev.onboarding import Business
from messaging.entrypoints.lab.receivers.receiver import Answer, Receiver

# Seconds of storm for which a flapping receiver is there, and then away.
_FLAP: Final = 3.0
# By tenant: how its receivers behave.
_CASTS: Final = (("well", "flapping"), ("hanging", "closing"))
# Events are told of one sender of each tenant: enough for every promise, and the storm stays about messages.
_SENDER: Final = 0


class Listener(Struct, frozen=True, kw_only=True):
    """A receiver, and the endpoint that is told of this `sender`'s messages; ids as the API has them."""

    receiver: Receiver
    tenant: str
    endpoint: str
    sender: str


class Audience:
    """The receivers of a storm. Until `calm` they behave as their parts demand."""

    def __init__(self, *, seed: int, pace: Pace) -> None:
        self.listeners: list[Listener] = []
        self._dice = random.Random(seed)
        self._pace = pace
        self._calm = False
        self._receivers: list[Receiver] = []

    async def subscribe(self, api: str, businesses: Sequence[Business]) -> None:
        """Opens the receivers, and makes an endpoint for each."""
        for number, (business, cast) in enumerate(zip(businesses, _CASTS, strict=True)):
            async with LocalClient(api, key=business.api_key) as client:
                for part in cast:
                    receiver = Receiver(f"{part}-{number}", self._manner(part))
                    self._receivers.append(receiver)
                    await receiver.open()
                    self.listeners.append(await _listener(client, receiver, business))

    def calm(self) -> None:
        """Everybody takes what comes from now on."""
        self._calm = True

    async def close(self) -> None:
        for receiver in self._receivers:
            await receiver.close()

    def _manner(self, part: str) -> Callable[[], Answer]:
        parts = {"well": self._well, "flapping": self._flapping, "hanging": self._hanging, "closing": self._closing}
        acting = parts[part]
        return lambda: Answer.TAKE if self._calm else acting()

    def _well(self) -> Answer:
        return Answer.TAKE

    def _flapping(self) -> Answer:
        if int(self._pace.now / _FLAP) % 2 == 0:
            return Answer.TAKE
        return Answer.THROTTLE if self._dice.random() < 0.2 else Answer.REFUSE

    def _hanging(self) -> Answer:
        return Answer.HANG if self._dice.random() < 0.04 else Answer.TAKE

    def _closing(self) -> Answer:
        lot = self._dice.random()
        if lot < 0.1:
            return Answer.CLOSE
        return Answer.CLOSE_WITHIN if lot < 0.2 else Answer.TAKE


async def _listener(client: LocalClient, receiver: Receiver, business: Business) -> Listener:
    sender = business.senders[_SENDER]
    body: dict[str, Any] = {"url": receiver.url, "event_types": ["message.*"], "filters": {"sender_id": sender}}
    made = await client.post("/v1/callback-endpoints", body)
    receiver.secret = made["secret"]
    return Listener(receiver=receiver, tenant=business.tenant, endpoint=made["id"], sender=sender)
