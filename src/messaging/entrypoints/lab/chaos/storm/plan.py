"""The plan of a storm: everything that is drawn by lot is drawn here, before it begins, from one seed."""

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from msgspec import Struct

from messaging.entrypoints.lab.chaos.storm.links import CALLBACKS
from messaging.entrypoints.lab.chaos.storm.recipients import FATES, address, magic_tail

T = TypeVar("T")

TENANTS: Final = 2
SENDERS: Final = 3
# Rates that two idle cores carry; on slower ones storm time passes more slowly, see `pace`.
_MESSAGES_PER_SECOND: Final = 130.0
_FAULTS_PER_SECOND: Final = 0.7
# Percentage of messages that may be sent again where the silence proves that the provider never had them.
_MAY_BE_RESENT: Final = 15


class Planned(Struct, frozen=True, kw_only=True):
    """One message: `to` decides its fate at the provider, `reference` is unique in the storm.

    `resend`: its policy for an unclear outcome is to be sent once more on negative evidence, not to be held.
    """

    to: str
    reference: str
    sender: int
    resend: bool = False
    channel: str = "whatsapp"


class Call(Struct, frozen=True, kw_only=True):
    """A request with its key, due `at` seconds after the beginning. `repeat_after` sends it again after its answer,
    `twin` at the same moment.
    """

    key: str
    tenant: int
    at: float
    batch: bool
    messages: tuple[Planned, ...]
    repeat_after: float | None
    twin: bool


class Fault(Struct, frozen=True, kw_only=True):
    """A fault `at` seconds after the beginning, which lasts `seconds` where it lasts."""

    at: float
    kind: str
    target: str
    seconds: float
    amount: int


class Storm(Struct, frozen=True, kw_only=True):
    seed: int
    seconds: float
    calls: tuple[Call, ...]
    faults: tuple[Fault, ...]


def canary(seed: int, tenant: int) -> str:
    """The text that only this tenant's contents may hold."""
    return f"canary{seed}t{tenant}q"


def draw(
    *,
    messages: int,
    faults: int,
    seed: int,
    links: Sequence[str],
    focus: str | None = None,
    channels: Sequence[str] = ("whatsapp",),
    callbacks: bool = False,
) -> Storm:
    """Draws a storm: the same arguments give the same storm. `focus` (a kind of fault) makes every other fault one of
    that kind. Each message goes by one of the `channels`. With `callbacks` the process that posts them is met too.
    """
    dice = random.Random(seed)
    seconds = max(messages / _MESSAGES_PER_SECOND, faults / _FAULTS_PER_SECOND, 10.0)
    calls = tuple(_calls(dice, messages, seed, seconds, channels))
    processes = (*_PROCESSES, CALLBACKS) if callbacks else _PROCESSES
    drawn = _faults(dice, faults, seconds, _cards(links, processes), focus)
    return Storm(seed=seed, seconds=seconds, calls=calls, faults=tuple(drawn))


def _calls(dice: random.Random, messages: int, seed: int, seconds: float, channels: Sequence[str]) -> Iterator[Call]:
    planned = 0
    for number in itertools.count():
        if planned >= messages:
            return
        # A fifth of the messages is submitted one by one.
        batch = dice.random() < 0.13
        size = min(dice.randint(10, 50), messages - planned) if batch else 1
        tenant = dice.randrange(TENANTS)
        yield Call(
            key=f"storm-{seed}-{number}",
            tenant=tenant,
            at=planned / messages * seconds,
            batch=batch,
            messages=tuple(_message(dice, seed, tenant, planned + index, channels) for index in range(size)),
            repeat_after=dice.uniform(0, 15) if dice.random() < 0.05 else None,
            twin=dice.random() < 0.02,
        )
        planned += size


def _message(dice: random.Random, seed: int, tenant: int, number: int, channels: Sequence[str]) -> Planned:
    channel = dice.choice(channels) if len(channels) > 1 else channels[0]
    tail = f"{dice.randrange(4_000_000, 4_999_999)}"
    lot = dice.randrange(1_000)
    for digits, share in FATES[channel].items():
        lot -= share
        if lot < 0:
            tail = magic_tail(digits)
            break
    return Planned(
        to=address(number, tail, channel),
        reference=f"{canary(seed, tenant)}-{number}",
        sender=dice.randrange(SENDERS),
        resend=dice.randrange(100) < _MAY_BE_RESENT,
        channel=channel,
    )


# --- faults ---------------------------------------------------------------------------------------------------------

_PROCESSES: Final = ("worker", "worker-2", "api", "webhooks")
# Modes of the provider that is gone for a second and remembers afterwards what it accepted.
_PROVIDER: Final = "sandbox"
_LINK_KINDS: Final = ("cut", "limit", "delay", "swallow", "refuse", "half_close")
_PROVIDER_MODES: Final = (
    *("429", "503", "invalid_token", "500_before", "reset_before", "hang_before"),
    *("500_after", "hang_after", "reset_after", "truncated_200", "slow"),
)
# How often each family of faults is drawn, relative to the others.
_FAMILIES: Final = {"process": 8, "link": 7, "postgres": 2, "redis": 3, "provider": 2, "webhooks": 2}


_Cards = dict[str, list[tuple[str, str]]]


def _faults(dice: random.Random, count: int, seconds: float, cards: _Cards, focus: str | None) -> list[Fault]:
    decks = {family: _deck(dice, given) for family, given in cards.items()}
    weighted = _deck(dice, [family for family, share in _FAMILIES.items() for _ in range(share)])
    # One fault of each family comes first, so that even a short storm has something of everything.
    families = itertools.chain(dice.sample(list(_FAMILIES), len(_FAMILIES)), weighted)
    focused = _deck(dice, [card for given in cards.values() for card in given if card[0] == focus])
    moments = sorted(dice.uniform(0.04, 0.98) * seconds for _ in range(count))
    drawn = []
    for index, at in enumerate(moments):
        kind, target = next(focused) if focus is not None and index % 2 == 0 else next(decks[next(families)])
        drawn.append(
            Fault(at=at, kind=kind, target=target, seconds=_how_long(dice, kind, target), amount=_how_much(dice, kind))
        )
    return drawn


def _cards(links: Sequence[str], processes: Sequence[str]) -> _Cards:
    return {
        # Workers are where a crash hurts most, so they crash most.
        "process": [
            *(("kill", name) for name in ("worker", "worker-2", *processes, _PROVIDER)),
            *(("terminate", name) for name in processes),
            *(("freeze", name) for name in ("worker", *processes)),
        ],
        "link": [(kind, link) for link in links for kind in _LINK_KINDS],
        "postgres": [("stop_database", "postgres")],
        "redis": [("kill_redis", "redis"), ("flush", "redis")],
        "provider": [("provider", mode) for mode in _PROVIDER_MODES],
        "webhooks": [("webhooks", how) for how in ("duplicate", "reorder", "drop", "delay")],
    }


def _deck(dice: random.Random, cards: Sequence[T]) -> Iterator[T]:
    """The cards without end: the deck is shuffled again whenever it is used up, so that every card comes before one
    comes twice.
    """
    while True:
        yield from dice.sample(cards, len(cards))


def _how_long(dice: random.Random, kind: str, target: str) -> float:
    match kind:
        case "swallow" | "limit" if target.endswith(("→sandbox", "→mail")):
            # Whatever is sent into such a hole has an end that nobody can know: a few of them are enough.
            return dice.uniform(0.02, 0.15)
        case "freeze":
            # Sometimes longer than the lease of a claim.
            return dice.uniform(12, 15) if dice.random() < 0.3 else dice.uniform(0.5, 4)
        case "stop_database" | "kill_redis":
            return dice.uniform(0, 2)
        case "webhooks":
            return dice.uniform(2, 6)
        case _:
            return dice.uniform(0.3, 3)


def _how_much(dice: random.Random, kind: str) -> int:
    """The size of a fault: bytes for `limit`, milliseconds for `delay` and before `stop_database`, requests for
    `provider`.
    """
    match kind:
        case "stop_database":
            return dice.choice((0, 10, 25, 50))
        case "limit":
            return dice.choice((1, 50, 400, 3_000, 20_000))
        case "delay":
            return dice.randint(20, 700)
        case "provider":
            return dice.randint(1, 4)
        case _:
            return 0
