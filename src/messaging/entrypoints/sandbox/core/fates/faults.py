"""The scripted faults that are armed, and the choice of those that apply to a request."""

import itertools
import random
from typing import Annotated, Literal

import msgspec

Mode = Literal[
    "429",
    "503",
    "invalid_token",
    "500_before",
    "reset_before",
    "hang_before",
    "500_after",
    "503_after",
    "hang_after",
    "reset_after",
    "truncated_200",
    "non_json_200",
    "no_id_200",
    "slow",
]
"""`before` means the send is never accepted; `after` and the 200s mean it is accepted all the same."""
REFUSED_MODES = frozenset({"429", "503", "invalid_token", "500_before", "reset_before", "hang_before"})


class Match(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests a fault is for; what is left out matches everything."""

    provider: str | None = None
    phone_number_id: str | None = None
    """The id that the request names in its path: of the sender or, with some providers, of the account."""
    to: str | None = None
    """Digits of the recipient, or another id that the provider has for it."""
    path: str | None = None
    """A part of the path behind the version, such as `/messages`."""

    def covers(self, provider: str, path: str, object_id: str, to: str | None) -> bool:
        """Whether a request falls under this match."""
        return (
            self.provider in (None, provider)
            and self.phone_number_id in (None, object_id)
            and (self.to is None or self.to.lstrip("+") == to)
            and (self.path is None or self.path in path)
        )


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Details of a fault."""

    ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)] | None = None
    """Wait of `slow`, or bound of a hang."""
    code: int | str | None = None
    """The provider's error code instead of the mode's own; for `429` and `503`."""


class FaultSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault as it is asked for: `times` or `probability` or neither (then: always)."""

    mode: Mode
    match: Match = Match()
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    seed: int | None = None
    params: Parameters = Parameters()


class Fault:
    """An armed fault and how often it has struck."""

    def __init__(self, fault_id: int, spec: FaultSpec) -> None:
        self.id = fault_id
        self.spec = spec
        self.struck = 0
        self._random = random.Random(spec.seed)

    def strikes(self) -> bool:
        """Decides whether the fault strikes one matching request; counts when it strikes."""
        if self.spec.times is not None and self.struck >= self.spec.times:
            return False
        if self.spec.probability is not None and self._random.random() >= self.spec.probability:
            return False
        self.struck += 1
        return True

    def view(self) -> dict[str, object]:
        """The fault as the control API shows it."""
        return {"id": self.id, "struck": self.struck, **msgspec.to_builtins(self.spec)}


class Faults:
    """Armed faults in order of arming; the first that strikes wins. They do not survive a restart."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._ids = itertools.count(1)

    def __bool__(self) -> bool:
        return bool(self._armed)

    def arm(self, spec: FaultSpec) -> Fault:
        """Add a fault."""
        fault = Fault(next(self._ids), spec)
        self._armed.append(fault)
        return fault

    def clear(self) -> int:
        """Disarm everything; returns how many faults there were."""
        count = len(self._armed)
        self._armed.clear()
        return count

    def views(self) -> list[dict[str, object]]:
        """All armed faults, spent ones included."""
        return [fault.view() for fault in self._armed]

    def take(self, provider: str, path: str, object_id: str, to: str | None) -> FaultSpec | None:
        """The fault this request runs into, if any."""
        for fault in self._armed:
            if fault.spec.match.covers(provider, path, object_id, to) and fault.strikes():
                return fault.spec
        return None
