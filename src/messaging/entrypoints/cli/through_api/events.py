"""Events over the HTTP API: `app events list` shows them, `app listen` forwards them to a program under development."""

import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import rich_click as click

from messaging.domain.callbacks.signature import SECRET_BYTES, secret_key, secret_text, signature_headers
from messaging.domain.shared.ids import Prefix, typeid
from messaging.entrypoints.cli.failures import Failed
from messaging.entrypoints.cli.printing import json_option, print_json, print_rows
from messaging.entrypoints.cli.through_api.calling import Api

_PATH: Final = "/v1/events"
_ENDPOINTS: Final = "/v1/callback-endpoints"
_COLUMNS: Final = ("id", "type", "timestamp", "subject", "status")
_PAGE: Final = 100
# Seconds that a forwarded event may take, as for a real callback.
_TIMEOUT: Final = 15.0

_type = click.option("--type", "type_", help="Only events of this type; 'message.*' for all of a group.")
_subject = click.option("--subject", metavar="ID", help="Only events about this message, template, … (msg_…, tpl_…).")


@click.group()
def events() -> None:
    """Show what callbacks tell. To have them sent to your machine while you develop: `app listen`."""


@events.command("list")
@_type
@_subject
@click.option("--after", metavar="EVENT_ID", help="Only events after this one (evt_…), or go on where a list ended.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="At most so many.")
@json_option
def list_events(type_: str | None, subject: str | None, after: str | None, limit: int, as_json: bool) -> None:
    """List events of the last 30 days, oldest first."""
    page = Api().call("GET", _PATH, query={**_filters(type_, subject), **_given(after=after), "limit": limit})
    if as_json:
        print_json(page["data"])
    else:
        print_rows([_line(event) for event in page["data"]], _COLUMNS, as_json=False)
    if page["has_more"]:
        click.echo(f"There may be more: the same command with --after {page['next_cursor']}", err=True)


@click.command()
@click.option("--forward", "url", required=True, metavar="URL", help="Where to post each event, on your machine.")
@_type
@_subject
@click.option("--after", metavar="EVENT_ID", help="Begin behind this event (evt_…). Default: with what happens now.")
@click.option("--secret", metavar="whsec_…", help="Sign with this secret. Default: a new one, which is printed.")
@click.option("--poll", type=click.FloatRange(min=0.05), default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many events. Default: on Ctrl-C.")
def listen(
    url: str,
    type_: str | None,
    subject: str | None,
    after: str | None,
    secret: str | None,
    poll: float,
    count: int | None,
) -> None:
    """Post events to a URL of yours as they happen, signed like callbacks, and print what it answers.

    Nothing on the internet has to reach your machine. Events are recorded while you have an endpoint; if you have none,
    one without a URL is made. An event that your program refuses is not sent again: give its predecessor as --after.
    """
    if not url.startswith(("http://", "https://")):
        raise Failed(f"{url} is no URL to post to", next_step="app listen --forward http://localhost:3000/hooks")
    api = Api()
    _ensure_endpoint(api)
    key = _new_key_told() if secret is None else _key(secret)
    begin = after or _now_as_id()
    click.echo(f"Forwarding events to {url}. Ctrl-C ends it.", err=True)
    for number, event in enumerate(_follow(api, _filters(type_, subject), begin, poll), start=1):
        click.echo(_forward(url, event, key))
        if number == count:
            return


def _filters(type_: str | None, subject: str | None) -> dict[str, str]:
    return _given(type=type_, subject=subject)


def _given(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}


def _line(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event with the id and status of its subject, where it has them."""
    about = next((value for value in event["data"].values() if isinstance(value, dict)), {})
    return {**event, "subject": about.get("id"), "status": about.get("status")}


def _ensure_endpoint(api: Api) -> None:
    """Have events recorded: while a mode has no endpoint, none are."""
    if api.call("GET", _ENDPOINTS, query={"limit": 1})["data"]:
        return
    made = api.call("POST", _ENDPOINTS, body={"url": None, "event_types": ["*"], "description": "app listen"})
    click.echo(
        f"You had no callback endpoint, so {made['id']} was made: it has no URL and is only read from.", err=True
    )


def _key(secret: str) -> bytes:
    try:
        return secret_key(secret)
    except ValueError as error:
        raise Failed(f"--secret: {error}", next_step="leave --secret out: a new one is printed") from error


def _new_key_told() -> bytes:
    key = secrets.token_bytes(SECRET_BYTES)
    click.echo(f"Signing with {secret_text(key)}: verify with it, or give your own as --secret.", err=True)
    return key


def _now_as_id() -> str:
    """The id that an event of this moment would have at least."""
    return typeid(Prefix.EVENT, UUID(int=time.time_ns() // 1_000_000 << 80))


def _follow(api: Api, filters: Mapping[str, str], after: str, poll: float) -> Iterator[dict[str, Any]]:
    """Events behind `after`, without end."""
    while True:
        page = api.call("GET", _PATH, query={**filters, "after": after, "limit": _PAGE})
        yield from page["data"]
        after = page["next_cursor"]
        if not page["has_more"]:
            time.sleep(poll)


def _forward(url: str, event: Mapping[str, Any], key: bytes) -> str:
    """Post one event; returns the line that tells of it."""
    body = msgspec.json.encode({name: event[name] for name in ("type", "timestamp", "data")})
    headers = {
        **signature_headers([key], id=event["id"], at=datetime.now(UTC), body=body),
        "content-type": "application/json",
        "webhook-attempt": "1",
    }
    began = time.monotonic()
    outcome = _post(url, body, headers)
    spent = round((time.monotonic() - began) * 1000)
    return f"{event['timestamp']}  {event['id']}  {event['type']:<22}  {outcome}  {spent} ms"


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> str:
    """The status of the answer, or why there is none. Raises Failed."""
    import httpx

    try:
        return str(httpx.post(url, content=body, headers=headers, timeout=_TIMEOUT, trust_env=False).status_code)
    except httpx.InvalidURL as error:
        raise Failed(f"{url}: {error}", next_step="app listen --forward http://localhost:3000/hooks") from error
    except httpx.TransportError as error:
        return f"no answer ({type(error).__name__})"


COMMANDS = (events, listen)
