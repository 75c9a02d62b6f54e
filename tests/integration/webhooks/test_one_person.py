"""A person who is written to under one spelling and writes from another is one person."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from messaging.application.contacts.indexes import index_of
from messaging.application.messages.accepting.assess import Submission
from messaging.application.messages.reading.queries import Wanted
from messaging.domain.channels.address import Channel
from messaging.domain.content.content import Text
from tests.builders import SENDER, a_principal, a_template_message
from tests.integration.webhooks import meta
from tests.integration.webhooks.platform import PATH, Platform

USER = "MX.13491208655302741918"


async def writes(client: httpx.AsyncClient, platform: Platform, **author: Any) -> None:
    change = meta.texts("Where is my order?", wamid="wamid." + "".join(author.values()))
    (message,) = change["value"]["messages"]
    del message["from"]
    message |= author | {"timestamp": await platform.value("SELECT extract(epoch FROM now())::bigint::text")}
    change["value"]["contacts"] = []
    body = meta.webhook(change)
    assert (await client.post(PATH, content=body, headers=meta.signed(body))).status_code == 200
    assert await platform.process() == 1


async def window(platform: Platform, to: str) -> str | None:
    submission = Submission(to=to, channel=Channel.WHATSAPP, content=Text(body="On its way."), sender_id=SENDER)
    view = await platform.application.messages.check()(a_principal(), submission)
    return str(view.window)


async def listed(platform: Platform, to: str) -> Sequence[str]:
    page = await platform.application.messages.list()(a_principal(), Wanted(to=to), before=None, limit=10)
    return [view.to for view in page.items]


async def accepted(platform: Platform, to: str) -> None:
    submission = Submission(to=to, channel=Channel.WHATSAPP, content=a_template_message(), sender_id=SENDER)
    await platform.application.messages.submit().one(a_principal(), submission)


@pytest.mark.parametrize(
    ("wrote_from", "to"),
    [
        ("5215512345678", "+525512345678"),
        ("525512345678", "+5215512345678"),
        ("551187654321", "+5511987654321"),
        ("5511987654321", "+551187654321"),
        ("5491112345678", "+541112345678"),
        ("541112345678", "+5491112345678"),
    ],
)
async def test_free_text_is_allowed_whichever_spelling_the_person_wrote_from(
    client: httpx.AsyncClient, platform: Platform, wrote_from: str, to: str
) -> None:
    await writes(client, platform, **{"from": wrote_from})

    assert await window(platform, to) == "open"
    assert await window(platform, f"+{wrote_from}") == "open"
    assert await window(platform, "+5511923456789") == "closed"


async def test_a_window_that_was_opened_before_spellings_were_known_as_one_is_found(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    await writes(client, platform, **{"from": "5215512345678"})
    as_before = platform.cipher.blind_index("+5215512345678")
    assert await platform.rows("UPDATE service_windows SET contact_index = $1 RETURNING 1", as_before)

    assert await window(platform, "+525512345678") == "open"
    assert await window(platform, "+5215512345678") == "open"


async def test_who_wrote_under_an_id_and_once_under_both_names_may_be_answered_under_the_number(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    await writes(client, platform, **{"from": "14155552671", "from_user_id": USER})
    # The first message is too old to count; the second says nothing of the number.
    await platform.rows("DELETE FROM service_windows RETURNING 1")
    await writes(client, platform, from_user_id=USER)

    assert await window(platform, "+14155552671") == "open"
    assert await window(platform, USER) == "open"
    (alias,) = await platform.rows("SELECT * FROM contact_aliases")
    assert (alias["source"], alias["mode"], alias["channel"]) == ("inbound", "live", "whatsapp")
    assert alias["canonical"] == index_of(platform.cipher, "+14155552671")


async def test_a_list_finds_a_person_under_every_name(client: httpx.AsyncClient, platform: Platform) -> None:
    await writes(client, platform, **{"from": "5215512345678", "from_user_id": USER})
    for to in ("+525512345678", "+5215512345678", "+14155552671"):
        await accepted(platform, to)

    for name in ("+525512345678", "+5215512345678", "+52 1 55 1234 5678", USER):
        assert await listed(platform, name) == ["+5215512345678", "+525512345678"]
    assert await listed(platform, "+14155552671") == ["+14155552671"]
