"""`app demo`: sends real messages from a CSV through a temporary platform, and shows every step."""

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from messaging.domain.shared.ids import Prefix, typeid
from messaging.entrypoints.lab.demo import report as reporting
from messaging.entrypoints.lab.demo.accounts import Books, compare, read_ledger, uuid_of
from messaging.entrypoints.lab.demo.following import follow
from messaging.entrypoints.lab.demo.orders import SHIPPED, Order, read_orders
from messaging.entrypoints.lab.demo.report import Report
from messaging.entrypoints.lab.demo.submitting import BATCH, Submitted, submit
from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.dev.onboarding import Business, Number, Onboarding, Plan, new_seed
from messaging.entrypoints.lab.dev.processes.ports import free_ports
from messaging.entrypoints.lab.dev.seeding import admin_key_of
from messaging.entrypoints.lab.dev.stack import Stack

_PLAN: Final = Plan(
    tenant="Example Shop",
    numbers=(
        Number(address="+15005550006", name="Americas", per_second=80),
        Number(address="+442079460999", name="Europe", per_second=80, prefixes=("+44", "+49", "+33", "+39")),
    ),
    others=("sms", "email"),
)
# Waits that suit a real provider are long for an audience. The sandbox answers within seconds or never, so that here an
# unclear outcome may be given up after seconds instead of a quarter of an hour.
_IMPATIENT: Final = {
    "APP_CLAIM_LEASE_SECONDS": "5",
    "APP_SENDING_LEASE_SECONDS": "10",
    "APP_ECHO_GRACE_SECONDS": "5",
}
_LOG_WIDTH: Final = 120
_CLOCK_SLACK: Final = timedelta(seconds=5)


async def run_demo(*, rows: Path | None, keep_going: bool, quiet: bool) -> Report:
    """Runs the demo. Everything is stopped when it returns, fails or is cancelled. `quiet` moves the talk to stderr."""
    console = Console(stderr=quiet, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=quiet, highlight=False, width=_LOG_WIDTH)
    began = time.monotonic()
    orders = read_orders(rows or SHIPPED)
    console.print("[bold]Starting[/bold] PostgreSQL, Redis, the sandbox provider, api, webhooks and worker …")
    async with Stack(ports=free_ports(), say=lambda text: console.print(f"  {text}"), overrides=_IMPATIENT) as stack:
        _print_parts(stack, console)
        run = Run(stack, console, orders, began)
        report = await run()
        if keep_going:
            console.print(f"\nEverything stays up: {stack.api}/docs, logs in {stack.home / 'logs'}. Ctrl-C stops it.")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        console.print("\nStopping everything …")
    console.print(f"Done in {time.monotonic() - began:.0f} s; nothing is left running.")
    return report


class Run:
    """One run on a started platform."""

    def __init__(self, stack: Stack, console: Console, orders: list[Order], began: float) -> None:
        self._stack = stack
        self._console = console
        self._orders = orders
        self._began = began

    async def __call__(self) -> Report:
        stack = self._stack
        business = await self._onboard()
        since = datetime.now(UTC) - _CLOCK_SLACK
        async with LocalClient(stack.api, key=business.api_key) as api, LocalClient(stack.sandbox) as sandbox:
            submitted = await self._submit(api)
            messages = await self._follow(api, sandbox, submitted, since)
            report = await self._judge(sandbox, submitted, messages)
            await self._show(api, report, messages)
        return report

    async def _onboard(self) -> Business:
        self._console.print("\n[bold]Onboarding[/bold] a tenant through the API")
        onboard = Onboarding(
            api=self._stack.api,
            sandbox=self._stack.sandbox,
            plan=_PLAN,
            seed=new_seed(),
            say=lambda text: self._console.print(f"  {text}"),
        )
        return await onboard(await admin_key_of(self._stack))

    async def _submit(self, api: LocalClient) -> Submitted:
        self._console.print(f"\n[bold]Submitting[/bold] {len(self._orders)} order notifications in batches of {BATCH}")
        with _bar(self._console, "  submitted", len(self._orders)) as (bar, task):
            run = secrets.token_hex(6)
            return await submit(api, self._orders, run=run, progress=lambda count: bar.advance(task, count))

    async def _follow(
        self, api: LocalClient, sandbox: LocalClient, submitted: Submitted, since: datetime
    ) -> dict[str, Any]:
        total = len(submitted.accepted)
        self._console.print(f"\n[bold]Following[/bold] {total} accepted messages to their ends")
        with _bar(self._console, "  ended", total) as (bar, task):

            def progress(counts: Counter[str]) -> None:
                moving = counts["scheduled"] + counts["queued"] + counts["sending"] + counts["unknown"]
                told = "  ".join(f"{status} {count}" for status, count in counts.most_common())
                bar.update(task, completed=counts.total() - moving - counts["submitted"], told=told)

            return await follow(api, sandbox, submitted.accepted, since=since, progress=progress)

    async def _judge(self, sandbox: LocalClient, submitted: Submitted, messages: Mapping[str, Any]) -> Report:
        assert self._stack.postgres is not None
        books = Books(self._stack.postgres.url("messaging"))
        ids = [uuid_of(id_) for id_ in submitted.accepted]
        ledger = await read_ledger(sandbox)
        return reporting.build(
            submitted=submitted,
            messages=messages,
            delays=await books.report_delays(ids),
            verdict=compare(messages, ledger.accepted, await books.accepted(ids)),
            ledger=ledger.entries,
            said={typeid(Prefix.MESSAGE, id): text for id, text in ledger.said.items()},
            seconds=time.monotonic() - self._began,
        )

    async def _show(self, api: LocalClient, report: Report, messages: Mapping[str, Any]) -> None:
        console = self._console
        console.print()
        per_second = sum(number.per_second for number in _PLAN.numbers)
        reporting.print_summary(report, console, batch=BATCH, per_second=per_second)
        reporting.print_own(report.own, console)
        reporting.print_verdict(report.verdict, console)
        chosen = _most_told(messages)
        if chosen is not None:
            events = await api.pages(f"/v1/messages/{chosen['id']}/events", limit=100)
            reporting.print_timeline(chosen, events, console)
        console.print(_NEXT)


def _most_told(messages: Mapping[str, Any]) -> Any:
    """The message to tell about: one that was tried more than once and read in the end, else any that was read."""
    read = [message for message in messages.values() if message["status"] == "read"]
    return max(read, key=lambda message: message["attempts"], default=next(iter(messages.values()), None))


def _print_parts(stack: Stack, console: Console) -> None:
    """Prints what is needed to interfere: kill the worker, flush Redis, look into the database."""
    parts = ", ".join(f"{name} {pid}" for name, pid in stack.pids.items())
    console.print(f"  pids: {parts}")
    console.print(f"  api {stack.api}   sandbox {stack.sandbox}   redis {stack.redis_url}", soft_wrap=True)
    console.print("  try it: [bold]kill -9[/bold] the worker, or [bold]FLUSHALL[/bold] Redis, while this runs")


@contextlib.contextmanager
def _bar(console: Console, title: str, total: int) -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar on a terminal; elsewhere the last state as one line."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[told]}[/dim]"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total, told="")
        try:
            yield bar, task
        finally:
            state = bar.tasks[task]
            if not console.is_terminal:
                console.print(f"{title} {state.completed:.0f}/{total}  {state.fields['told']}", soft_wrap=True)


_NEXT: Final = """
[bold]What to try next[/bold]
  app demo --keep-going      the same, and look around afterwards
  app dev                    a platform to build against, with a test key and a first curl
  app send … / app trace …   one message from the command line, and its life
  app bench                  how fast this machine is
  docs/connect-whatsapp.md   use your own number at Meta; connect-twilio.md, connect-smtp.md: your own SMS and e-mail"""
