"""The pages about connecting Twilio and a mail server, as written, with the sandbox in the provider's place."""

import re
from typing import Final

import pytest

from tests.journeys.pages import blocks, shell
from tests.journeys.platform import Platform

pytestmark = pytest.mark.slow

# The chapters in the order in which the page tells to use them, and the parts that are told to be in order.
PAGES: Final = {
    "connect-twilio.md": ("3.", "6.", "delivered", ("account", "auth_token", "number", "stored", "webhooks", "sender")),
    "connect-smtp.md": ("2.", "3.", "sent", ("server", "login", "stored", "sender")),
}


@pytest.mark.parametrize("page", PAGES)
async def test_the_page_works_as_it_is_written(platform: Platform, page: str) -> None:
    connect, message, last_word, told = PAGES[page]
    trying, (connecting,), (sending,) = blocks(page, "Trying this page"), blocks(page, connect), blocks(page, message)
    ask, send, trace = sending.strip().replace("order-1042", page).splitlines()
    sendable = f"until {ask}; do sleep 0.1; done"
    read = f'until {trace} | grep "status *{last_word}" >/dev/null; do sleep 0.1; done'

    code, printed = await shell(platform, [*trying, connecting, sendable, send, read])

    assert code == 0, printed
    for part in told:
        assert re.search(rf"^ok    {part}", printed, re.MULTILINE), printed
