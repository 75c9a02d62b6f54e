"""Connects an account until its sender works: `app connect PROVIDER`, a command for each provider of the list."""

from collections.abc import Sequence
from typing import Any, Final

import rich_click as click

from messaging.application.ports.providers.descriptor import Provider
from messaging.entrypoints.cli.printing import json_option, print_fields
from messaging.entrypoints.cli.through_api.calling import Api
from messaging.entrypoints.cli.through_api.connecting.credentials import (
    Decorator,
    credential_options,
    credentials_in,
    with_options,
)
from messaging.entrypoints.cli.through_api.connecting.steps import ConnectAccount, Order, sender_option
from messaging.entrypoints.composition.providers import PROVIDERS, prefix_of

_HELP: Final = """\
Connect an account at {title} until its sender works: {steps}.

Secrets are best given in the environment, or are asked for. Nothing is stored before the provider has confirmed the
account. What was interrupted is taken up by the same command. docs/connect-{page}.md leads through it.\
"""


@click.group()
def connect() -> None:
    """Connect an account at a provider, step by step, with every step told."""


def connecting(provider: Provider, prefix: str) -> click.Command:
    """The command that connects an account at this provider. Credentials come from `<prefix>_<FIELD>` too."""
    name, channels = prefix.lower().replace("_", "-"), sorted(provider.channels)

    def run(as_json: bool, **given: Any) -> None:
        own = {key: given[key] for key in Order.__struct_fields__ if key in given}
        order = Order(**({"channel": channels[0]} | own), credentials=credentials_in(provider, given))
        print_fields(ConnectAccount(provider, name, order, Api())(), as_json=as_json)

    text = _HELP.format(title=provider.title, steps=", ".join(_told(provider)), page=name)
    options: list[Decorator] = [
        *_general(provider, channels),
        *_of_steps(provider),
        *credential_options(provider, prefix),
        json_option,
    ]
    return click.command(name, help=text)(with_options(run, options))


def _told(provider: Provider) -> list[str]:
    steps = provider.steps
    told = (
        ("check it", True),
        ("store it", True),
        ("have its webhooks delivered", steps.subscription is not None),
        ("register its number", steps.registers_numbers),
        ("add its sender", True),
        ("fetch its templates", provider.capabilities.reviews_templates),
    )
    return [step for step, taken in told if taken]


def _general(provider: Provider, channels: Sequence[str]) -> list[Decorator]:
    account = f"--{provider.account_id.called or 'external-id'}"
    options: list[Decorator] = [
        click.option(account, "account", required=True, help=f"The account. {provider.account_id.words}."),
        click.option(
            sender_option(provider),
            "sender",
            help=f"What to send from; default: the account's only one, where the provider tells."
            f" {provider.sender_id.words}.",
        ),
        click.option("--address", help="What recipients see, where the provider does not tell it."),
        click.option("--name", help=f"A name for people; default: {provider.title}."),
        click.option("--per-second", type=click.IntRange(1), help="What the provider lets the sender send a second."),
    ]
    if len(channels) > 1:
        choice = click.Choice([*map(str, channels)])
        options.append(click.option("--channel", type=choice, required=True, help="How its messages travel."))
    return options


def _of_steps(provider: Provider) -> list[Decorator]:
    options: list[Decorator] = []
    if provider.steps.registers_numbers:
        text = "Six digits to register the number with, if it is not registered."
        options.append(click.option("--pin", help=text))
    if (subscription := provider.steps.subscription) is not None:
        default = "with" if subscription.override else "without"
        text = f"Webhooks go to the account's own URL; without, {subscription.otherwise}. Default: {default}."
        options.append(click.option("--override/--no-override", default=None, help=text))
    return options


for _provider in PROVIDERS:
    connect.add_command(connecting(_provider, prefix_of(_provider)))

COMMANDS = (connect,)
