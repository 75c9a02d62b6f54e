"""A message's whole life from the command line: `app trace` prints its fields, its spans as a tree, its timeline."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import rich_click as click

from messaging.entrypoints.cli.failures import Exit, Failed, say
from messaging.entrypoints.cli.printing import json_option, print_fields, print_json, table
from messaging.entrypoints.cli.surroundings import client_settings
from messaging.entrypoints.cli.through_api.calling import Api

_EVENTS_PER_PAGE: Final = 100
_LONGEST: Final = {"reference": 128, "provider_message_id": 512}
# Attributes that a line of the tree shows behind the step's name.
_TOLD: Final = ("attempt.n", "outcome", "receipt.kind", "http.response.status_code", "provider.error_code")


@click.command()
@click.argument("message", metavar="MSG_ID_OR_NAME")
@click.option("--otlp", is_flag=True, help="Also send its spans to the collector of APP_OTLP_ENDPOINT.")
@json_option
def trace(message: str, otlp: bool, as_json: bool) -> None:
    """Print a message's whole life: who did what, when, and what the provider said.

    The message is named by its id (msg_…), by the reference it was submitted with (of several, the newest is meant), or
    by the provider's id (wamid.…).
    """
    api = Api()
    found = _by_id(api, message) if message.startswith("msg_") else _by_other_name(api, message)
    events = api.pages(f"/v1/messages/{found['id']}/events", limit=_EVENTS_PER_PAGE)
    traced = dict(api.call("GET", f"/v1/messages/{found['id']}/trace"))
    if as_json:
        print_json({"message": found, "events": events, "trace": traced})
    else:
        print_fields(found, as_json=False)
        if traced["spans"]:
            click.echo()
            table(("step", "at", "ms", "detail"), list(tree_lines(traced["spans"])))
        click.echo()
        table(("seq", "at", "event", "status", "detail"), [_event_line(event) for event in events])
    if otlp:
        _export(traced)


def _by_id(api: Api, id: str) -> dict[str, Any]:
    return dict(api.call("GET", f"/v1/messages/{quote(id, safe='')}"))


def _by_other_name(api: Api, name: str) -> dict[str, Any]:
    """Finds a message by the caller's reference, or else by the provider's id."""
    for parameter in ("reference", "provider_message_id"):
        if len(name) <= _LONGEST[parameter]:
            page = api.call("GET", "/v1/messages", query={parameter: name, "limit": 1})
            if page["data"]:
                return _by_id(api, page["data"][0]["id"])
    raise Failed(
        f"no message has the reference or provider's id {name}", next_step="`app send --reference …` gives a reference"
    )


def _event_line(event: dict[str, Any]) -> tuple[str, ...]:
    detail = " ".join(f"{name}={value}" for name, value in (event.get("detail") or {}).items() if value is not None)
    return (str(event["seq"]), event["recorded_at"], event["type"], event["status"], detail)


def tree_lines(spans: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    """A line for each span, below its parent and drawn as a tree: name, beginning, milliseconds, details."""
    known = {span["span_id"] for span in spans}
    for root in spans:
        if root["parent_id"] not in known:
            yield from _lines(root, spans, before="", mark="")


def _lines(
    span: Mapping[str, Any], spans: Sequence[Mapping[str, Any]], *, before: str, mark: str
) -> Iterator[tuple[str, str, str, str]]:
    yield (before + mark + span["name"], span["started_at"], str(_milliseconds(span)), _detail(span))
    below = [each for each in spans if each["parent_id"] == span["span_id"]]
    indent = before + {"": "", "├─ ": "│  ", "└─ ": "   "}[mark]
    for each in below:
        yield from _lines(each, spans, before=indent, mark="└─ " if each is below[-1] else "├─ ")


def _milliseconds(span: Mapping[str, Any]) -> int:
    took = datetime.fromisoformat(span["ended_at"]) - datetime.fromisoformat(span["started_at"])
    return round(took.total_seconds() * 1000)


def _detail(span: Mapping[str, Any]) -> str:
    told = [f"{name}={span['attributes'][name]}" for name in _TOLD if name in span["attributes"]]
    return " ".join([*told, *([] if span["error"] is None else [f"error={span['error']}"])])


def _export(traced: Mapping[str, Any]) -> None:
    """Sends the spans to the collector. Raises Failed."""
    settings = client_settings()
    if settings.otlp_endpoint is None:
        raise Failed(
            "no collector is set", next_step="set APP_OTLP_ENDPOINT, such as http://localhost:4318", code=Exit.USAGE
        )
    if not traced["spans"]:
        raise Failed("the message has no trace: it is older than traces are", next_step="trace a newer one")
    # The exporter loads slowly, and most traces are only printed.
    from messaging.entrypoints.composition.traces import export_once

    spans = [{**span, "trace_id": traced["trace_id"]} for span in traced["spans"]]
    if not export_once(spans, settings.otlp_endpoint, settings.otlp_headers):
        raise Failed(
            f"the collector at {settings.otlp_endpoint.shown} did not take the spans",
            next_step="check APP_OTLP_ENDPOINT and APP_OTLP_HEADERS",
            code=Exit.DEPENDENCY_DOWN,
        )
    say(f"{len(spans)} spans of trace {traced['trace_id']} are at {settings.otlp_endpoint.shown}")


COMMANDS = (trace,)
