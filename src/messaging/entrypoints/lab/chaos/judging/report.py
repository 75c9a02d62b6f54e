"""The result of a storm, as an object for programs and a page for people."""

from collections import Counter
from typing import Any

import msgspec
from msgspec import Struct

from messaging.entrypoints.lab.chaos.judging.figures import Figures
from messaging.entrypoints.lab.chaos.judging.invariants import Judged


class Report(Struct, frozen=True, kw_only=True):
    """The result of a storm. `quiescent_after` is the time from the last fault until everything had come to rest
    (seconds), None if it never did.
    """

    seed: int
    planted: str | None
    messages_planned: int
    storm_seconds: float
    quiescent_after: float | None
    still_waiting: str
    faults: dict[str, int]
    answers: dict[str, int]
    unanswered: int
    figures: Figures
    told: dict[str, int]
    invariants: tuple[Judged, ...]

    @property
    def violated(self) -> tuple[str, ...]:
        return tuple(judged.id for judged in self.invariants if judged.violations)

    @property
    def holds(self) -> bool:
        return not self.violated and self.quiescent_after is not None and not self.unanswered

    def as_builtins(self) -> dict[str, Any]:
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built | {"holds": self.holds, "violated": list(self.violated)}

    def as_text(self) -> str:
        return "\n".join([*self._head(), "", *self._summary(), "", *self._table(), "", self._verdict()])

    def _head(self) -> list[str]:
        known = self.figures
        rest = "never" if self.quiescent_after is None else f"{self.quiescent_after:.1f} s after the last fault"
        return [
            f"seed {self.seed}" + (f", with the planted bug {self.planted}" if self.planted else ""),
            f"{known.messages} messages ({known.accepted} answered with 202) in {self.storm_seconds:.0f} s, "
            f"{known.ledger} accepted by the provider{self._by_provider}",
            f"{sum(self.faults.values())} faults: " + _listed(self.faults),
            "clients saw: " + _listed(self.answers) + f"; {self.unanswered} calls unanswered for good",
            "ended as: " + _listed(known.states),
            f"unconfirmed: {known.unconfirmed} = {known.unconfirmed_scripted} to recipients whose provider neither "
            f"accepts nor answers + {known.unconfirmed_heard} accepted and never told about + "
            f"{known.unconfirmed_others} others ({self._share(known.unconfirmed_others)}): "
            f"{known.unconfirmed_silent} that the provider was told to swallow, {known.unconfirmed_lost} lost with "
            f"their worker, {self._broken} on connections that broke",
            f"sent again by policy: {known.resent}, of which the provider had taken {known.accepted_twice} before",
            "callbacks: " + (_listed(self.told) if self.told["receivers"] else "nobody listened"),
            f"quiescent: {rest}" + (f" ({self.still_waiting})" if self.still_waiting else ""),
        ]

    @property
    def _by_provider(self) -> str:
        return f"s ({_listed(self.figures.providers)})" if len(self.figures.providers) > 1 else ""

    @property
    def _broken(self) -> int:
        known = self.figures
        return known.unconfirmed_others - known.unconfirmed_silent - known.unconfirmed_lost

    def _share(self, count: int) -> str:
        return f"{100 * count / max(1, self.figures.messages):.3f} %"

    def _table(self) -> list[str]:
        """The table of invariants, which also fits pages in Markdown; violations follow below it."""
        lines = ["| promise | violations | |", "|---|---|---|"]
        for judged in self.invariants:
            count = "-" if judged.violations is None else str(judged.violations)
            note = f" ({judged.note})" if judged.note else ""
            lines.append(f"| {judged.id:<3} | {count:>5} | {judged.promise}{note} |")
        return lines + [f"{judged.id}: {row}" for judged in self.invariants for row in judged.shown]

    def _summary(self) -> list[str]:
        """The line of this storm in the list of results."""
        known = self.figures
        others = f"{known.unconfirmed_others} ({self._share(known.unconfirmed_others)})"
        violations = sum(judged.violations or 0 for judged in self.invariants)
        rest = "never" if self.quiescent_after is None else f"{self.quiescent_after:.1f} s"
        row = (self.seed, known.messages, sum(self.faults.values()), violations, others, known.resent, rest)
        return [
            "| seed | messages | faults | violations | unconfirmed beyond scripted | sent again | at rest after |",
            "|---|---|---|---|---|---|---|",
            f"| {' | '.join(map(str, row))} |",
        ]

    def _verdict(self) -> str:
        if self.holds:
            return "every promise held"
        reasons = [f"violated: {', '.join(self.violated)}"] if self.violated else []
        if self.quiescent_after is None:
            reasons.append("it never came to rest")
        if self.unanswered:
            reasons.append("clients were left unanswered")
        return "; ".join(reasons) + f"; `app chaos --seed {self.seed}` with the same numbers replays it"


def _listed(counts: dict[str, int]) -> str:
    ordered = Counter(counts).most_common()
    return ", ".join(f"{name} {count}" for name, count in ordered) or "none"
