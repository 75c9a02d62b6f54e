"""The figures of a demo, and how they are printed for a person."""

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from messaging.entrypoints.lab.demo.accounts import Verdict
from messaging.entrypoints.lab.demo.submitting import Submitted


class Latency(Struct, frozen=True, kw_only=True):
    """Percentiles of a latency, in milliseconds."""

    p50_ms: float
    p99_ms: float


def latency(seconds: Sequence[float]) -> Latency:
    if len(seconds) < 2:
        only = round(sum(seconds) * 1000, 1)
        return Latency(p50_ms=only, p99_ms=only)
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return Latency(p50_ms=round(cuts[49] * 1000, 1), p99_ms=round(cuts[98] * 1000, 1))


class OwnText(Struct, frozen=True, kw_only=True):
    """One message by a template of the tenant's own. `said` is its text, or its subject, as it got to the provider."""

    channel: str
    template: str
    version: int
    language: str
    said: str


class Report(Struct, frozen=True, kw_only=True):
    """The figures of a demo.

    `statuses` counts messages by where they ended, `failures` those that failed, by status and code. `reasons` has a
    provider's words for each code. `channels` counts the accepted messages by channel, and `ledger` what each provider
    has accepted. `own` has an example of each language in which the tenant's own templates were sent.
    """

    rows: int
    accepted: int
    refused: int
    refusals: dict[str, int]
    channels: dict[str, int]
    ledger: dict[str, int]
    statuses: dict[str, int]
    failures: dict[str, int]
    reasons: dict[str, str]
    accept: Latency
    delivery_report: Latency
    seconds: float
    verdict: Verdict
    own: tuple[OwnText, ...] = ()

    @property
    def agrees(self) -> bool:
        return self.verdict.agrees


def build(
    *,
    submitted: Submitted,
    messages: Mapping[str, Any],
    delays: Sequence[timedelta],
    verdict: Verdict,
    ledger: Mapping[str, int],
    seconds: float,
    said: Mapping[str, str] | None = None,
) -> Report:
    """Builds the report. `seconds` is the length of the whole run, start-up included; `said` is what the providers got,
    by message.
    """
    failed = [message for message in messages.values() if message["error"] and message["status"] in _FAILURES]
    failures = Counter(f"{message['status']} {message['error']['code']}" for message in failed)
    return Report(
        rows=len(submitted.accepted) + len(submitted.refused),
        accepted=len(submitted.accepted),
        refused=len(submitted.refused),
        refusals=submitted.refusals_by_code(),
        channels=dict(Counter(message["channel"] for message in messages.values()).most_common()),
        ledger=dict(ledger),
        statuses=dict(Counter(message["status"] for message in messages.values()).most_common()),
        failures=dict(failures.most_common()),
        reasons={message["error"]["code"]: message["error"]["reason"].partition(" [")[0] for message in failed},
        accept=latency(submitted.seconds),
        delivery_report=latency([delay.total_seconds() for delay in delays]),
        seconds=round(seconds, 1),
        verdict=verdict,
        own=tuple(_own_texts(messages, said or {})),
    )


def _own_texts(messages: Mapping[str, Any], said: Mapping[str, str]) -> Iterator[OwnText]:
    """One of each channel and language, in that order."""
    found: dict[tuple[str, str], OwnText] = {}
    for id, message in messages.items():
        if message.get("template_version") is not None and id in said:
            text = OwnText(
                channel=message["channel"],
                template=message["content"]["name"],
                version=message["template_version"],
                language=message["template_language"],
                said=said[id],
            )
            found.setdefault((text.channel, text.language), text)
    yield from (text for _, text in sorted(found.items()))


_FAILURES = frozenset({"failed", "dead", "unconfirmed"})
_MEANINGS = {
    "read": "the person opened it",
    "delivered": "on the person's phone",
    "sent": "on its way: the phone is off, or the mail server has it, which says no more",
    "submitted": "the provider has it and has said nothing yet",
    "failed": "refused or undeliverable, with the provider's reason",
    "unconfirmed": "nobody can tell whether the provider took it (no answer, or an error that proves nothing, such as"
    " 131000 and 131016): for a person to decide; on_unknown: resend would send it again on proof",
    "dead": "gave up, kept for a person",
    "expired": "its validity ended before it could leave",
}


def print_summary(report: Report, console: Console, *, batch: int, per_second: int) -> None:
    table = Table(title="Summary", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    table.add_row("rows", str(report.rows), "in the CSV")
    table.add_row("accepted", str(report.accepted), "answered 202, committed")
    table.add_row("refused", str(report.refused), "never queued; every row got all its reasons")
    for code, count in report.refusals.items():
        table.add_row("", str(count), f"[dim]{code}[/dim]")
    for channel, count in report.channels.items():
        table.add_row("", str(count), f"[dim]by {channel}[/dim]")
    told_by = ", ".join(f"{provider} {count}" for provider, count in report.ledger.items())
    table.add_row("in the ledger", str(sum(report.ledger.values())), f"accepted by the providers: {told_by}")
    for status, count in report.statuses.items():
        table.add_row(status, str(count), _MEANINGS.get(status, ""))
    for failure, count in report.failures.items():
        reason = report.reasons[failure.partition(" ")[2]]
        table.add_row("", str(count), f"[dim]{failure}: {escape(reason)}[/dim]")
    accept, told = report.accept, report.delivery_report
    table.add_row("accept", f"{accept.p50_ms:g} ms", f"p50, p99 {accept.p99_ms:g} ms, per batch of {batch}")
    table.add_row(
        "delivery",
        f"{told.p50_ms / 1000:.1f} s",
        f"p50, p99 {told.p99_ms / 1000:.1f} s from request to delivery report; the two senders may send "
        f"{per_second} messages a second, as new numbers at Meta, so most messages wait for that",
    )
    console.print(table)


def print_verdict(verdict: Verdict, console: Console) -> None:
    mark = "[green]agree[/green]" if verdict.agrees else "[red]do NOT agree[/red]"
    console.print(
        f"\n[bold]Ledger and database[/bold] {mark}: {verdict.compared} messages compared one by one, "
        f"{len(verdict.lost)} lost, {len(verdict.twice)} sent twice, {len(verdict.unreported)} unreported, "
        f"{len(verdict.unclear)} reported as unclear"
    )
    for what in ("lost", "twice", "unreported"):
        for id_ in getattr(verdict, what)[:10]:
            console.print(f"  {what}: {id_}")


def print_own(texts: Sequence[OwnText], console: Console) -> None:
    table = Table(
        title="\nBy the tenant's own templates, as the providers got them",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for column in ("channel", "template", "version", "language", "text, or subject"):
        table.add_column(column, overflow="fold")
    for text in texts:
        table.add_row(text.channel, text.template, str(text.version), text.language, escape(text.said))
    console.print(table)


def print_timeline(message: Mapping[str, Any], events: Sequence[Mapping[str, Any]], console: Console) -> None:
    table = Table(
        title=f"\nOne message's whole life: {message['id']}, {message['summary']}",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for column in ("#", "at", "event", "status", "detail"):
        table.add_column(column, overflow="fold")
    for event in events:
        detail = ", ".join(f"{name} {value}" for name, value in event["detail"].items() if value is not None)
        at = event["recorded_at"].partition("T")[2]
        table.add_row(str(event["seq"]), at, event["type"], event["status"], f"[dim]{escape(detail)}[/dim]")
    console.print(table)
