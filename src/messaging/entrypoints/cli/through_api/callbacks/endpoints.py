"""Callback endpoints over the HTTP API: `app callbacks endpoints list`, `create`, `rotate-secret`, …"""

from typing import Any, Final
from urllib.parse import quote

import rich_click as click

from messaging.entrypoints.cli.printing import json_option, print_fields, print_json, print_rows
from messaging.entrypoints.cli.through_api.calling import Api

_PATH: Final = "/v1/callback-endpoints"
_PAGE: Final = 100
_COLUMNS: Final = ("id", "mode", "status", "url_host", "event_types", "description", "created_at")

_id = click.argument("endpoint_id", metavar="CBE_ID")


@click.command("event-types")
@json_option
def event_types(as_json: bool) -> None:
    """List all types of events. With --json also the schema of each body and a sample."""
    print_rows(Api().call("GET", "/v1/event-types")["data"], ("name", "description"), as_json=as_json)


@click.group()
def endpoints() -> None:
    """Say where events are posted, and which ones."""


@endpoints.command("list")
@json_option
def list_endpoints(as_json: bool) -> None:
    """List endpoints, newest first."""
    rows = Api().pages(_PATH, limit=_PAGE)
    print_rows(rows if as_json else [_line(row) for row in rows], _COLUMNS, as_json=as_json)


@endpoints.command("show")
@_id
@json_option
def show(endpoint_id: str, as_json: bool) -> None:
    """Show one endpoint."""
    _print(Api().call("GET", _of(endpoint_id)), as_json=as_json)


def _chosen(command: Any) -> Any:
    """The options that `create` and `change` have in common."""
    options = (
        click.option("--description", help="Your own note."),
        click.option("--event-type", "event_types", multiple=True, metavar="TYPE", help="message.*; may be repeated."),
        click.option("--filter", "filters", multiple=True, metavar="FIELD=VALUE", help="channel=sms; may be repeated."),
        click.option("--include", multiple=True, type=click.Choice(["recipient", "content"]), help="May be repeated."),
        click.option("--ordering", type=click.Choice(["per_subject", "none"]), help="Whether events wait in order."),
        click.option("--max-in-flight", type=click.IntRange(1, 32), help="The most requests at once."),
        click.option("--rate", type=click.IntRange(1, 1_000), help="The most requests a second."),
        click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="Sent with each; repeatable."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _replay(command: Any) -> Any:
    """What becomes of events that were held meanwhile."""
    since = click.option("--since", metavar="INSTANT", help="Post held events from then on, discard older ones.")
    replay = click.option(
        *("--replay", "replay"),
        type=click.Choice(["all", "none"]),
        default="all",
        show_default=True,
        help="Held events.",
    )
    return replay(since(command))


def _wanted(replay: str, since: str | None) -> dict[str, Any]:
    return {"replay": replay} if since is None else {"replay": "since", "since": since}


@endpoints.command("create")
@click.argument("url", required=False)
@click.option("--pull", is_flag=True, help="Without a URL: events are only kept, for `app events list`.")
@_chosen
@json_option
def create(url: str | None, pull: bool, as_json: bool, **chosen: Any) -> None:
    """Create an endpoint that posts to URL, and print its secret, which is shown this once."""
    if (url is None) != pull:
        raise click.UsageError("give a URL, or --pull for an endpoint that nothing is posted to")
    _print(Api().call("POST", _PATH, body={"url": url, **_given(chosen)}), as_json=as_json)


@endpoints.command("change")
@_id
@click.option("--url", help="Post to this URL, also what waits already.")
@_chosen
@json_option
def change(endpoint_id: str, url: str | None, as_json: bool, **chosen: Any) -> None:
    """Change what is given. Types, filters, headers and includes are replaced as a whole."""
    body = _given({"url": url, **chosen})
    if not body:
        raise click.UsageError("say what to change, such as --url or --event-type")
    _print(Api().call("PATCH", _of(endpoint_id), body=body), as_json=as_json)


@endpoints.command("delete")
@_id
@json_option
def delete(endpoint_id: str, as_json: bool) -> None:
    """Delete an endpoint: what waits for it is not posted any more."""
    _print(Api().call("DELETE", _of(endpoint_id)), as_json=as_json)


@endpoints.command("rotate-secret")
@_id
@click.option("--overlap", type=click.IntRange(0, 604_800), help="Seconds that both secrets sign; default: a day.")
@click.option("--force", is_flag=True, help="Also within the overlap of the last rotation.")
@json_option
def rotate_secret(endpoint_id: str, overlap: int | None, force: bool, as_json: bool) -> None:
    """Replace the secret, and print the new one, which is shown this once."""
    body = {"force": force, **({} if overlap is None else {"overlap_seconds": overlap})}
    print_fields(Api().call("POST", f"{_of(endpoint_id)}/rotate-secret", body=body), as_json=as_json)


@endpoints.command("revoke-previous-secret")
@_id
@json_option
def revoke_previous_secret(endpoint_id: str, as_json: bool) -> None:
    """Let only the newest secret sign from now on."""
    _print(Api().call("POST", f"{_of(endpoint_id)}/revoke-previous-secret"), as_json=as_json)


@endpoints.command("test")
@_id
@json_option
def send_test(endpoint_id: str, as_json: bool) -> None:
    """Have a test event posted to an endpoint. Next: look at its deliveries."""
    print_fields(Api().call("POST", f"{_of(endpoint_id)}/test"), as_json=as_json)


@endpoints.command("pause")
@_id
@json_option
def pause(endpoint_id: str, as_json: bool) -> None:
    """Post nothing for now; events are kept for 30 days."""
    print_fields(Api().call("POST", f"{_of(endpoint_id)}/pause"), as_json=as_json)


@endpoints.command("resume")
@_id
@_replay
@json_option
def resume(endpoint_id: str, replay: str, since: str | None, as_json: bool) -> None:
    """Go on after a pause."""
    print_fields(Api().call("POST", f"{_of(endpoint_id)}/resume", body=_wanted(replay, since)), as_json=as_json)


@endpoints.command("enable")
@_id
@_replay
@json_option
def enable(endpoint_id: str, replay: str, since: str | None, as_json: bool) -> None:
    """Go on after the platform has disabled the endpoint."""
    print_fields(Api().call("POST", f"{_of(endpoint_id)}/enable", body=_wanted(replay, since)), as_json=as_json)


@endpoints.command("health")
@_id
@json_option
def health(endpoint_id: str, as_json: bool) -> None:
    """Show how an endpoint does, and what waits for it."""
    print_fields(Api().call("GET", f"{_of(endpoint_id)}/health"), as_json=as_json)


def _of(endpoint_id: str) -> str:
    return f"{_PATH}/{quote(endpoint_id, safe='')}"


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The body of what was given on the command line."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    for name in ("filters", "headers"):
        if name in given:
            given[name] = dict(_pair(text, name) for text in given[name])
    return given


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=f"--{option.removesuffix('s')}")
    return name, value


def _line(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "event_types": ", ".join(row["event_types"])}


def _print(shown: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    joined = {name: ", ".join(value) for name, value in shown.items() if isinstance(value, list)}
    filters = ", ".join(f"{name}={value}" for name, value in shown["filters"].items())
    print_fields({**shown, **joined, "filters": filters}, as_json=False)


# Beside the process of the same name, `app callbacks`.
COMMANDS = (endpoints, event_types)
