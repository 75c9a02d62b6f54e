"""Events of providers that the platform does not interpret yet: `app provider-events`."""

import rich_click as click

from messaging.entrypoints.cli.printing import json_option, print_rows
from messaging.entrypoints.cli.through_api.calling import Api


@click.command("provider-events")
@click.option("--kind", help="Only events of this kind, such as account_update or sender_unknown.")
@click.option("--account", help="Only events of this provider account (acc_…).")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="At most so many.")
@json_option
def provider_events(kind: str | None, account: str | None, limit: int, as_json: bool) -> None:
    """List what providers told about your accounts and numbers beyond messages, newest first.

    A content of more than 32 KiB is left out; GET /v1/provider-events/{id} shows it.
    """
    given = {"kind": kind, "account_id": account}
    query = {name: value for name, value in given.items() if value is not None}
    page = Api().call("GET", "/v1/provider-events", query={"limit": limit, **query})
    print_rows(page["data"], ("id", "kind", "occurred_at", "received_at", "account_id", "content"), as_json=as_json)


COMMANDS = (provider_events,)
