"""The proof under fire: `app chaos`."""

from pathlib import Path

import rich_click as click

from messaging.domain.channels.address import Channel
from messaging.entrypoints.cli.failures import Exit, Failed, say
from messaging.entrypoints.cli.printing import json_option, print_json


@click.command()
@click.option("--n", "messages", type=click.IntRange(1, 1_000_000), default=20_000, show_default=True, help="Messages.")
@click.option("--faults", type=click.IntRange(0, 10_000), help="Default: 60, or one per 500 messages if that is more.")
@click.option("--seed", type=click.IntRange(0), help="Replays a storm; default: a new one, which is printed.")
@click.option("--evidence", type=click.Path(path_type=Path, dir_okay=False), help="Keep what was found, as SQLite.")
@click.option("--planted", metavar="BUG", help="Test the storm itself: succeed if it finds this bug, made on purpose.")
@click.option(
    "--channel",
    "channels",
    type=click.Choice(tuple(channel.value for channel in Channel)),
    multiple=True,
    help="A channel that messages go by; several share them in equal parts. Default: all, or the planted bug's.",
)
@click.option(
    "--callbacks/--no-callbacks",
    default=None,
    help="Whether tenants' systems listen, flap, hang and hang up. Default: yes, but for planted bugs elsewhere.",
)
@json_option
def chaos(
    messages: int,
    faults: int | None,
    seed: int | None,
    evidence: Path | None,
    planted: str | None,
    channels: tuple[str, ...],
    callbacks: bool | None,
    as_json: bool,
) -> None:
    """Break everything, many times, under load, and check what was promised against the provider's ledger."""
    from messaging.entrypoints.cli.processes.running import run, until_signalled
    from messaging.entrypoints.lab.chaos.command import Order, a_seed, run_chaos, usual_channels
    from messaging.entrypoints.lab.chaos.storm.planted import PLANTS

    if planted is not None and planted not in PLANTS:
        raise click.BadParameter(f"choose from {', '.join(PLANTS)}", param_hint="--planted")
    order = Order(
        messages=messages,
        faults=max(60, messages // 500) if faults is None else faults,
        seed=a_seed() if seed is None else seed,
        planted=planted,
        evidence=evidence,
        quiet_within=120.0 if planted is None else 40.0,
        channels=channels or usual_channels(planted),
        callbacks=(planted is None or PLANTS[planted].callbacks) if callbacks is None else callbacks,
    )
    say(f"seed {order.seed}: {order.messages} messages, {order.faults} faults")
    report = run(until_signalled(run_chaos(order, say=say)))
    print_json(report.as_builtins()) if as_json else click.echo(report.as_text())
    if planted is not None:
        _expect(set(report.violated), planted)
    elif not report.holds:
        by = "".join(f" --channel {channel}" for channel in channels)
        by += "" if order.callbacks else " --no-callbacks"
        replay = f"app chaos --n {messages} --faults {order.faults} --seed {order.seed}{by} --evidence FILE"
        raise Failed(
            "a promise was broken: " + (", ".join(report.violated) or "not everything came to rest"),
            next_step=f"`{replay}` replays it and keeps what was found",
            code=Exit.FAILURE,
        )


def _expect(violated: set[str], planted: str) -> None:
    from messaging.entrypoints.lab.chaos.storm.planted import PLANTS

    found = violated & PLANTS[planted].breaks
    if not found:
        raise Failed(f"{planted} was not noticed", next_step="try another seed, or more messages", code=Exit.FAILURE)
    say(f"{planted} was caught by {', '.join(sorted(found))}")


COMMANDS = (chaos,)
