"""docs/connect-whatsapp.md as written, with the sandbox in Meta's place: from an app to the first live message."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.journeys.platform import Platform, eventually

PAGE = (Path(__file__).resolve().parents[2] / "docs/connect-whatsapp.md").read_text()
APP = f'app() {{ {sys.executable} -P -m messaging.entrypoints.cli "$@"; }}'
CURL = 'curl() { command curl --fail-with-body "$@"; echo; }'
pytestmark = pytest.mark.slow


def blocks(chapter: str) -> list[str]:
    """The commands of one chapter, in order."""
    text = PAGE.partition(f"\n## {chapter}")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


async def shell(platform: Platform, commands: list[str], **environ: str) -> tuple[int, str]:
    """All of them pasted into one shell; its exit code and everything it printed."""
    stack, business = platform.stack, platform.business
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("APP_", "WHATSAPP_"))}
    settings = {
        **stack.database_settings,
        "APP_REDIS_URL": stack.redis_url,
        "APP_MASTER_KEY": stack.master_key,
        "API": stack.api,
        "SANDBOX": stack.sandbox,
        "ADMIN_KEY": business.admin_key,
    }
    process = await asyncio.create_subprocess_exec(
        *("timeout", "200", "bash", "-euo", "pipefail", "-c", "\n".join([APP, CURL, *commands])),
        env=clean | settings | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def test_the_page_about_connecting_whatsapp_works_as_it_is_written(platform: Platform) -> None:
    trying, (tenant,), (connecting,) = blocks("Trying this page"), blocks("2."), blocks("3.")
    (templates,), (message,) = blocks("4."), blocks("5.")
    ask, send, trace = message.strip().splitlines()
    sync, look = templates.strip().splitlines()[-2:]
    approved = f"until {sync}; {look} | grep order_update >/dev/null; do sleep 0.1; done"
    read = f'until {trace} | grep "status *read" >/dev/null; do sleep 0.1; done'
    sendable = f"until {ask}; do sleep 0.1; done"

    code, printed = await shell(platform, [*trying, tenant, connecting, templates, approved, sendable, send, read])

    assert code == 0, printed
    for part in ("token", "scopes", "account", "app_secret", "number", "registered", "webhooks", "sender", "templates"):
        assert re.search(rf"^ok    {part}", printed, re.MULTILINE), printed
    assert "is CONNECTED" in printed
    await webhooks_went_to_the_account(platform, printed)


async def webhooks_went_to_the_account(platform: Platform, printed: str) -> None:
    (url,) = set(re.findall(r"^webhook_url +(\S+)$", printed, re.MULTILINE))

    async def acknowledged() -> bool | None:
        totals = (await platform.sandbox.get("/_webhooks", params={"limit": 1})).json()["totals"]
        return True if totals.get(url, {}).get("updates_acked", 0) >= 3 else None

    await eventually(acknowledged, within=120, what="the override was not used")


async def test_nothing_is_stored_while_something_is_wrong_at_the_provider(platform: Platform) -> None:
    trying, (tenant,), (connecting,) = blocks("Trying this page"), blocks("2."), blocks("3.")
    listed = 'test "$(app accounts list --json)" = "[]"'
    wrong = ["export WHATSAPP_APP_SECRET=00000000000000000000000000000000", f"! {{ {connecting} }}", listed]

    code, printed = await shell(platform, [*trying, tenant, *wrong])

    assert code == 0, printed
    assert "FAIL  app_secret: It is not the secret of the app" in printed
    assert "nothing was stored" in printed
