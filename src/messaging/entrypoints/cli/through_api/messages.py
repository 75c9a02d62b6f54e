"""One message from the command line, through the HTTP API like anybody else's: `app send` and `app retry`."""

from collections.abc import Mapping, Sequence
from typing import Any, TextIO
from urllib.parse import quote

import rich_click as click

from messaging.entrypoints.cli.failures import Failed
from messaging.entrypoints.cli.printing import json_option, print_fields
from messaging.entrypoints.cli.through_api.calling import Api, read_json
from messaging.entrypoints.composition.providers import CHANNELS


@click.command()
@click.option("--to", required=True, help="Recipient: +14155550100, or for e-mail ana@example.com.")
@click.option(
    "--template", help="Name of a template: an approved one, or by sms and email a published one of your own."
)
@click.option("--language", default="en_US", show_default=True, help="The template's language.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A template variable; may be repeated.")
@click.option(
    "--values",
    type=click.File(encoding="utf-8"),
    help="A JSON file with variables of all types, for your own templates.",
)
@click.option("--text", help="Free text instead of a template; on channels with a window, only within an open one.")
@click.option("--subject", help="Subject of an e-mail; then --text, --html or both say what is in it.")
@click.option("--html", type=click.File(encoding="utf-8"), help="File with the HTML of an e-mail.")
@click.option("--channel", default="whatsapp", show_default=True, help=f"Of: {', '.join(CHANNELS)}.")
@click.option("--from", "sender", help="Sender to use (snd_…); default: the tenant's routing.")
@click.option("--reference", help="Your own id for this message.")
@click.option(
    "--on-unknown",
    type=click.Choice(["hold", "resend"]),
    help="What happens if its outcome stays unclear; default: the template's, category's or tenant's choice.",
)
@click.option("--idempotency-key", help="Makes a repeated call have the effect of one.")
@click.option("--check", is_flag=True, help="Say what would happen, and send nothing.")
@json_option
def send(idempotency_key: str | None, check: bool, as_json: bool, **given: Any) -> None:
    """Send one message. Next: `app trace msg_…`. With --check, exit code 1 tells that it would be refused."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    body, api = _submission(**given), Api()
    answer = api.call("POST", "/v1/messages/check" if check else "/v1/messages", body=body, headers=headers)
    print_fields(answer, as_json=as_json)
    if check and not answer["would_send"]:
        raise _would_be_refused(api, answer["errors"])


def _would_be_refused(api: Api, errors: Sequence[Mapping[str, str]]) -> Failed:
    why = "\n".join(["this would be refused:", *api.violations(errors)])
    return Failed(why, next_step=f"how to mend it: {api.pages_of('validation_failed', errors)}")


def _submission(
    *,
    to: str,
    template: str | None,
    language: str,
    variables: tuple[str, ...],
    values: TextIO | None,
    text: str | None,
    subject: str | None,
    html: TextIO | None,
    channel: str,
    sender: str | None,
    reference: str | None,
    on_unknown: str | None,
) -> dict[str, Any]:
    content: dict[str, Any]
    if subject is not None and template is None:
        parts = {"subject": subject, "text": text, "html": None if html is None else html.read()}
        content = {"type": "email", **{name: part for name, part in parts.items() if part is not None}}
    elif (template is None) == (text is None) or subject is not None or html is not None:
        raise click.UsageError("Give --template NAME (with --var …), --text TEXT, or --subject with --text or --html.")
    elif template is None:
        content = {"type": "text", "body": text}
    else:
        pairs = ({} if values is None else read_json(values)) | dict(_variable(item) for item in variables)
        content = {"type": "template", "name": template, "language": language, "variables": pairs}
    body: dict[str, Any] = {"to": to, "channel": channel, "content": content}
    optional = (("from", sender), ("reference", reference), ("on_unknown", on_unknown))
    return body | {name: value for name, value in optional if value is not None}


def _variable(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{item!r} is not NAME=VALUE", param_hint="--var")
    return name, value


@click.command()
@click.argument("message_id", metavar="MSG_ID")
@click.option("--possible-duplicate", is_flag=True, help="Accept that the recipient may get the message twice.")
@click.option("--idempotency-key", help="Makes a repeated call have the effect of one.")
@json_option
def retry(message_id: str, possible_duplicate: bool, idempotency_key: str | None, as_json: bool) -> None:
    """Send a dead, unconfirmed or failed message again. Next: `app trace msg_…`."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    path, body = f"/v1/messages/{quote(message_id, safe='')}/retry", {"possible_duplicate": possible_duplicate}
    print_fields(Api().call("POST", path, body=body, headers=headers), as_json=as_json)


COMMANDS = (send, retry)
