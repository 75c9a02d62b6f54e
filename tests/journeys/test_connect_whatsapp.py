"""docs/connect-whatsapp.md as written, with the sandbox in Meta's place: from an app to the first live message."""

import re

import pytest

from tests.journeys import pages
from tests.journeys.pages import shell
from tests.journeys.platform import Platform, eventually

pytestmark = pytest.mark.slow


def blocks(chapter: str) -> list[str]:
    return pages.blocks("connect-whatsapp.md", chapter)


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
