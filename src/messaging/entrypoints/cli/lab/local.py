"""Everything on this machine, nothing installed: `app dev`, `app env`, `app sandbox`, `app demo`, `app bench`."""

import os
import shlex
from pathlib import Path

import rich_click as click

from messaging.domain.channels.address import Channel
from messaging.entrypoints.cli.failures import Exit, Failed, say
from messaging.entrypoints.cli.printing import json_option, print_json

_STANDARD = ("accept", "accept_batch", "deliver", "receipts", "loop")
_MEASUREMENTS = ("all", *_STANDARD, "memory", "scale", "fairness", "limits", "growth", "callbacks")
# The size of these measurements is a number of messages; that of the others is a time.
_SIZED_IN_MESSAGES = ("memory", "fairness", "growth")
_CHANNELS = tuple(channel.value for channel in Channel)
# The other measurements are of one channel, the first.
_BY_CHANNEL = ("accept", "accept_batch", "deliver", "loop", "memory")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65_535), default=8003, show_default=True, help="0 picks a free one.")
@click.option("--state-dir", type=click.Path(path_type=Path, file_okay=False), default=Path("sandbox-state"))
@click.option("--fsync/--no-fsync", default=True, show_default=True, help="Accepted sends survive a power cut, too.")
@click.option("--instance", help="What /healthz calls this sandbox, for whoever must know that it reached no other.")
@json_option
def sandbox(host: str, port: int, state_dir: Path, fsync: bool, instance: str | None, as_json: bool) -> None:
    """Run the provider look-alike that test keys send to."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.sandbox import SandboxConfig, serve

    def ready(url: str) -> None:
        print_json({"url": url}) if as_json else say(f"sandbox provider on {url}, ledger at {url}/_ledger")

    state_dir.mkdir(parents=True, exist_ok=True)
    run(serve(SandboxConfig(state_dir=state_dir, fsync=fsync, instance=instance), host, port, ready=ready))


@click.command()
@click.option("--state-dir", type=click.Path(path_type=Path, file_okay=False), help="Keep the data here (else: none).")
@click.option("--port-base", type=click.IntRange(1_024, 65_000), help="First of seven ports; default: free ones.")
@json_option
def dev(state_dir: Path | None, port_base: int | None, as_json: bool) -> None:
    """Run the whole platform with a seeded test tenant until Ctrl-C.

    PostgreSQL and Redis are embedded unless APP_DATABASE_URL or APP_REDIS_URL is set.
    """
    from messaging.entrypoints.cli.processes.running import run, until_signalled
    from messaging.entrypoints.lab.dev.command import run_dev

    def ready(printed: dict[str, str], hints: str) -> None:
        print_json(printed) if as_json else click.echo(hints)

    try:
        run(
            until_signalled(run_dev(state_dir=state_dir, port_base=port_base, environ=os.environ, say=say, ready=ready))
        )
    except KeyboardInterrupt:
        say("stopped")  # Ctrl-C is how this command is meant to end


@click.command()
@json_option
def env(as_json: bool) -> None:
    """Print API, KEY, ADMIN_KEY and SANDBOX of the running `app dev` for a shell: eval "$(app env)"."""
    from messaging.entrypoints.lab.dev.profile import find_profile

    profile = find_profile()
    if profile is None:
        raise Failed("no `app dev` runs", next_step="start one with `make dev`", code=Exit.DEPENDENCY_DOWN)
    if as_json:
        print_json(profile.exports)
        return
    for name, value in profile.exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@click.command()
@click.option("--rows", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Another CSV to send.")
@click.option("--keep-going", is_flag=True, help="Leave everything running afterwards, until Ctrl-C.")
@json_option
def demo(rows: Path | None, keep_going: bool, as_json: bool) -> None:
    """Send 1 000 order notifications through a real platform, follow each to its end, report, and exit."""
    from messaging.entrypoints.cli.processes.running import run, until_signalled
    from messaging.entrypoints.lab.demo.command import run_demo

    report = run(until_signalled(run_demo(rows=rows, keep_going=keep_going, quiet=as_json)))
    if as_json:
        print_json(report)
    if not report.agrees:
        raise Failed(
            "the sandbox's ledger and the database do not agree; see the report above",
            next_step="run `app demo --keep-going` and `app trace` the messages named",
            code=Exit.FAILURE,
        )


@click.command()
@click.argument("what", type=click.Choice(_MEASUREMENTS), nargs=-1)
@click.option("--seconds", type=click.FloatRange(1, 3_600), help="Of each measurement; default: its own.")
@click.option("--rate", type=click.FloatRange(1, 100_000), default=400.0, show_default=True, help="Of `loop`.")
@click.option(
    "--n",
    type=click.IntRange(1, 100_000_000),
    help="Messages queued (memory), queued per tenant (fairness), in the tables (growth); else the same as --seconds.",
)
@click.option("--runs", type=click.IntRange(1, 100), default=1, show_default=True, help="Medians of so many are shown.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses the recipients.")
@click.option("--concurrency", type=click.IntRange(1, 1_024), default=64, show_default=True)
@click.option(
    "--channel",
    "channels",
    type=click.Choice(_CHANNELS),
    multiple=True,
    help=f"Of {', '.join(_BY_CHANNEL)}; several make a mixed backlog. Default: {_CHANNELS[0]}.",
)
@json_option
def bench(
    what: tuple[str, ...],
    seconds: float | None,
    rate: float,
    n: int | None,
    runs: int,
    seed: int,
    concurrency: int,
    channels: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure throughput and latency, next to the floor of this machine in the same minutes.

    Several are measured on one platform, one after the other. `all` (the default) is accept, accept_batch, deliver,
    receipts and loop; the others are for the asking.
    """
    from messaging.entrypoints.cli.processes.running import run, until_signalled
    from messaging.entrypoints.lab.bench.command import run_bench
    from messaging.entrypoints.lab.bench.rig.rig import Order

    if n is not None and seconds is None and not set(what) & set(_SIZED_IN_MESSAGES):
        seconds, n = float(n), None
    chosen = channels or _CHANNELS[:1]
    if chosen != _CHANNELS[:1] and (others := set(what or ("all",)) - set(_BY_CHANNEL)):
        raise click.BadParameter(f"{', '.join(sorted(others))} is of {_CHANNELS[0]} only", param_hint="--channel")
    order = Order(seconds=seconds, rate=rate, n=n, seed=seed, concurrency=concurrency, channels=chosen)
    report = run(until_signalled(run_bench(what or ("all",), order, runs=runs, say=say)))
    print_json(report.as_builtins()) if as_json else click.echo(report.as_table())


COMMANDS = (dev, env, demo, bench, sandbox)
