"""One message from the command line, through the HTTP API like anybody else's: `app send`, `app trace`."""

import json
import os
from typing import Any

import rich_click as click

from messaging.entrypoints.cli.failures import Exit, Failed
from messaging.entrypoints.cli.printing import json_option, print_fields, print_json, table
from messaging.entrypoints.settings import ClientSettings, load

_TIMEOUT_SECONDS = 30
_EVENTS_PER_PAGE = 100


@click.command()
@click.option("--to", required=True, help="Recipient in E.164 form: +14155550100.")
@click.option("--template", help="Name of an approved template.")
@click.option("--language", default="en_US", show_default=True, help="The template's language.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A template variable; may be repeated.")
@click.option("--text", help="Free text instead of a template; needs an open 24-hour window.")
@click.option("--channel", default="whatsapp", show_default=True)
@click.option("--from", "sender", help="Sender to use (snd_…); default: the tenant's routing.")
@click.option("--reference", help="Your own id for this message.")
@click.option("--idempotency-key", help="Makes a repeated call have the effect of one.")
@click.option("--check", is_flag=True, help="Say what would happen, and send nothing.")
@json_option
def send(idempotency_key: str | None, check: bool, as_json: bool, **given: Any) -> None:
    """Send one message. Next: `app trace msg_…`."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    path = "/v1/messages/check" if check else "/v1/messages"
    answer = _call("POST", path, body=_submission(**given), headers=headers)
    print_fields(answer, as_json=as_json)


def _submission(
    *,
    to: str,
    template: str | None,
    language: str,
    variables: tuple[str, ...],
    text: str | None,
    channel: str,
    sender: str | None,
    reference: str | None,
) -> dict[str, Any]:
    if (template is None) == (text is None):
        raise click.UsageError("Give either --template NAME (with --var …) or --text TEXT.")
    content: dict[str, Any] = {"type": "text", "body": text}
    if template is not None:
        pairs = dict(_variable(item) for item in variables)
        content = {"type": "template", "name": template, "language": language, "variables": pairs}
    body: dict[str, Any] = {"to": to, "channel": channel, "content": content}
    return body | {name: value for name, value in (("from", sender), ("reference", reference)) if value is not None}


def _variable(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{item!r} is not NAME=VALUE", param_hint="--var")
    return name, value


@click.command()
@click.argument("message_id")
@json_option
def trace(message_id: str, as_json: bool) -> None:
    """Print a message's whole life: who did what, when, and what the provider said."""
    message = _call("GET", f"/v1/messages/{message_id}")
    events = _events(message_id)
    if as_json:
        print_json({"message": message, "events": events})
        return
    print_fields(message, as_json=False)
    click.echo()
    table(("seq", "at", "event", "status", "detail"), [_event_line(event) for event in events])


def _events(message_id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    path = f"/v1/messages/{message_id}/events?limit={_EVENTS_PER_PAGE}"
    after = ""
    while True:
        page = _call("GET", path + after)
        events += page["data"]
        if not page["has_more"]:
            return events
        after = f"&after={page['next_cursor']}"


def _event_line(event: dict[str, Any]) -> tuple[str, ...]:
    detail = " ".join(f"{name}={value}" for name, value in (event.get("detail") or {}).items() if value is not None)
    return (str(event["seq"]), event["recorded_at"], event["type"], event["status"], detail)


def _call(method: str, path: str, *, body: object = None, headers: dict[str, str] | None = None) -> Any:
    settings = load(ClientSettings, os.environ)
    import httpx

    authorization = {"Authorization": f"Bearer {settings.api_key.value}"}
    url = settings.api_url.value.rstrip("/") + path
    try:
        answer = httpx.request(
            method, url, json=body, headers=authorization | (headers or {}), timeout=_TIMEOUT_SECONDS
        )
    except httpx.TransportError as error:
        raise Failed(
            f"no answer from {settings.api_url.shown}: {error}",
            next_step="check APP_API_URL, or start one with `app dev`",
            code=Exit.DEPENDENCY_DOWN,
        ) from error
    if answer.is_success:
        return answer.json()
    raise _refused(answer.status_code, answer.text)


def _refused(status: int, text: str) -> Failed:
    """A problem document as lines a person can act on."""
    try:
        problem = json.loads(text)
        lines = [f"{problem['code']}: {problem.get('detail') or problem['title']}"]
    except (ValueError, KeyError, TypeError):
        return Failed(f"HTTP {status}: {text[:300]}", next_step="check APP_API_URL")
    lines += [f"  {it['pointer'] or '/'}  {it['code']}: {it['detail']}" for it in problem.get("errors", ())]
    if status == 401:
        return Failed(lines[0], next_step="set APP_API_KEY; `app keys create` makes one", code=Exit.CONFIGURATION)
    code = Exit.DEPENDENCY_DOWN if status == 503 else Exit.FAILURE
    return Failed("\n".join(lines), next_step=f"docs/problems/{problem['code']}.md says how to mend it", code=code)


COMMANDS = (send, trace)
