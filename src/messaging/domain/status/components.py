"""The parts of the platform that the status page shows, and how they are judged from the platform's own figures."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from messaging.domain.channels.address import Channel


class Component(StrEnum):
    ACCEPT = "accept"
    WHATSAPP = "delivery_whatsapp"
    SMS = "delivery_sms"
    EMAIL = "delivery_email"
    WEBHOOKS = "webhooks"
    CALLBACKS = "callbacks"


class ComponentState(StrEnum):
    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    OUTAGE = "outage"


DELIVERY_OF: Final[Mapping[Channel, Component]] = {channel: Component(f"delivery_{channel}") for channel in Channel}
_RANKS: Final = tuple(ComponentState)
# Seconds for which the oldest due message of a priority may have waited before its channel is degraded. Those of `low`
# wait for their senders' limits as a rule.
_LATE: Final[Mapping[str, float]] = {"critical": 10.0, "high": 60.0, "default": 600.0, "low": 21_600.0}
# The same of events that wait for their fan-out, and of callbacks to endpoints that answer.
_LATE_CALLBACKS: Final = 30.0
# How many times that is an outage.
_OUTAGE: Final = 30


class LaneFigures(Struct, frozen=True, kw_only=True):
    """A lane as the status page sees it. `oldest_due` is in seconds, 0 where nothing is due."""

    channel: Channel
    priority: str
    oldest_due: float
    workers: int


class Figures(Struct, frozen=True, kw_only=True):
    """What is known of the platform. An answer of None means that nobody asked. `callbacks_late` is how long, in
    seconds, the oldest event or callback has waited that should be under way.
    """

    store_answers: bool
    api_answers: bool | None = None
    webhooks_answer: bool | None = None
    lanes: tuple[LaneFigures, ...] = ()
    callbacks_late: float = 0.0


def worst(states: Iterable[ComponentState]) -> ComponentState:
    return max(states, key=_RANKS.index, default=ComponentState.OPERATIONAL)


def judge(figures: Figures, channels: Iterable[Channel]) -> Mapping[Component, ComponentState]:
    """The state of each component. `channels` are those that a provider carries."""
    delivery = {DELIVERY_OF[channel]: _delivery(figures, channel) for channel in sorted(channels)}
    return {
        Component.ACCEPT: _reached(figures.store_answers, figures.api_answers),
        **delivery,
        Component.WEBHOOKS: _reached(figures.store_answers, figures.webhooks_answer),
        Component.CALLBACKS: _late(figures.callbacks_late / _LATE_CALLBACKS)
        if figures.store_answers
        else ComponentState.OUTAGE,
    }


def _reached(store: bool, process: bool | None) -> ComponentState:
    return ComponentState.OPERATIONAL if store and process is not False else ComponentState.OUTAGE


def _delivery(figures: Figures, channel: Channel) -> ComponentState:
    if not figures.store_answers:
        return ComponentState.OUTAGE
    return worst(_lane(lane) for lane in figures.lanes if lane.channel is channel)


def _lane(lane: LaneFigures) -> ComponentState:
    """Messages wait in a lane without workers, however short the time yet."""
    if lane.workers == 0 and lane.oldest_due > 0:
        return ComponentState.OUTAGE
    return _late(lane.oldest_due / _LATE[lane.priority])


def _late(times: float) -> ComponentState:
    """Of what has waited so many times as long as it may."""
    if times > _OUTAGE:
        return ComponentState.OUTAGE
    return ComponentState.DEGRADED if times > 1 else ComponentState.OPERATIONAL
