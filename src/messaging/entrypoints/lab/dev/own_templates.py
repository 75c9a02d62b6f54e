"""Writes and publishes a test tenant's own templates, which are rendered here: those of SMS and e-mail."""

import asyncio
import secrets
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import msgspec

from messaging.entrypoints.lab.dev.client import CallFailed, LocalClient
from messaging.entrypoints.lab.dev.processes.keeper import Say

_FILE: Final = Path(__file__).with_name("own_templates.json")
_PATH: Final = "/v1/own-templates"
_PATIENCE_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1
_WHOM: Final = {"sms": "+14155550100", "email": "ana@mail.example"}


async def publish_own_templates(client: LocalClient, channels: Collection[str], *, say: Say) -> None:
    """Publishes what is not published yet of the templates of these channels, and returns when messages can name them.

    Raises CallFailed.
    """
    templates: list[Any] = msgspec.json.decode(_FILE.read_bytes())
    wanted = [template for template in templates if template["channel"] in channels]
    if not wanted:
        return
    known = {(it["channel"], it["name"]): it for it in await client.pages(_PATH, limit=100, status="active")}
    for template in wanted:
        found = known.get((template["channel"], template["name"]))
        if found is None:
            created = await client.post(_PATH, template, idempotency_key=secrets.token_hex(16))
            found = created["template"]
        if found["published_version"] is None:
            await client.post(f"{_PATH}/{found['id']}/publish", None, idempotency_key=secrets.token_hex(16))
    await _until_sendable(client, wanted)
    languages = sorted({language for template in wanted for language in template["content"]["variants"]})
    say(f"{len(wanted)} templates of its own published for {' and '.join(sorted(channels))}: {', '.join(languages)}")


async def _until_sendable(client: LocalClient, templates: Collection[Any]) -> None:
    """The processes follow a change of configuration within a second."""
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    for template in templates:
        while not await _can_be_named(client, template):
            if time.monotonic() > give_up_at:
                raise CallFailed(f"the template {template['name']} for {template['channel']} cannot be sent")
            await asyncio.sleep(_POLL_SECONDS)


async def _can_be_named(client: LocalClient, template: Any) -> bool:
    content = {"type": "template", "name": template["name"], "language": "en"}
    body = {"to": _WHOM[template["channel"]], "channel": template["channel"], "content": content}
    answer = await client.post("/v1/messages/check", body)
    return not any(error["code"] in ("template_unknown", "no_sender") for error in answer["errors"])
