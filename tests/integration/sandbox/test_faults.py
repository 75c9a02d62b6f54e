"""Does the sandbox misbehave exactly as told, and tell the truth about it in its ledger?"""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from tests.integration.sandbox.business import Business, a_text

USER = "+14155557000"
Json = dict[str, Any]


async def arm(business: Business, mode: str, **spec: object) -> Json:
    return await business.control(
        "faults", {"mode": mode, "match": {"phone_number_id": business.phone_id}, "times": 1} | spec
    )


async def raw_send(business: Business, to: str) -> bytes:
    """Send over a bare socket and return what came back; raises `ConnectionResetError` on a reset."""
    url = business.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    body = msgspec.json.encode(a_text(to))
    head = (
        f"POST /v25.0/{business.phone_id}/messages HTTP/1.1\r\nhost: {url.host}\r\n"
        f"authorization: Bearer {business.token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    try:
        return await reader.read()
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    "mode, status, code",
    [("429", 429, 130429), ("503", 503, 131016), ("invalid_token", 401, 190)],
)
async def test_a_scripted_refusal_is_a_proper_graph_error(
    business: Business, mode: str, status: int, code: int
) -> None:
    await business.user_writes(**{"from": USER})
    await arm(business, mode)

    refused = await business.send(USER)
    accepted = await business.send(USER)

    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert accepted.status_code == 200
    assert len(await business.ledger()) == 1


@pytest.mark.parametrize("mode, entries", [("500_before", 0), ("500_after", 1), ("503_after", 1)])
async def test_a_server_error_may_or_may_not_have_accepted(business: Business, mode: str, entries: int) -> None:
    await business.user_writes(**{"from": USER})
    await arm(business, mode)

    answer = await business.send(USER)

    assert answer.status_code == int(mode[:3])
    assert not answer.headers["content-type"].startswith("application/json")
    assert len(await business.ledger()) == entries


@pytest.mark.parametrize("mode, entries", [("reset_before", 0), ("reset_after", 1)])
async def test_a_reset_is_a_real_tcp_reset(business: Business, mode: str, entries: int) -> None:
    await business.user_writes(**{"from": USER})
    await arm(business, mode)

    with pytest.raises(ConnectionResetError):
        await raw_send(business, USER)

    assert len(await business.ledger()) == entries


@pytest.mark.parametrize("mode, entries", [("hang_before", 0), ("hang_after", 1)])
async def test_a_hanging_request_is_cut_off_in_the_end(business: Business, mode: str, entries: int) -> None:
    await business.user_writes(**{"from": USER})
    await arm(business, mode, params={"ms": 20})

    assert await raw_send(business, USER) == b""

    assert len(await business.ledger()) == entries


async def test_a_caller_who_gives_up_on_a_hanging_request_is_accepted_all_the_same(
    business: Business,
) -> None:
    await business.user_writes(**{"from": USER})
    await arm(business, "hang_after")

    async with asyncio.timeout(60):
        calling = asyncio.create_task(business.send(USER, biz_opaque_callback_data="v1.abc"))
        while not (ledger := await business.ledger()):
            await asyncio.sleep(0.01)
    assert calling.cancel()

    (entry,) = ledger
    statuses = await business.inbox.statuses_of(entry["message_id"], 3)
    assert {status["biz_opaque_callback_data"] for status in statuses} == {"v1.abc"}


async def test_a_truncated_answer_announces_more_than_it_sends(business: Business) -> None:
    await business.user_writes(**{"from": USER})
    await arm(business, "truncated_200")

    with pytest.raises(httpx.RemoteProtocolError):
        await business.send(USER)

    assert len(await business.ledger()) == 1


async def test_an_answer_that_is_not_json(business: Business) -> None:
    await business.user_writes(**{"from": USER})
    await arm(business, "non_json_200")

    answer = await business.send(USER)

    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()
    assert len(await business.ledger()) == 1


async def test_an_answer_without_an_id(business: Business) -> None:
    await business.user_writes(**{"from": USER})
    await arm(business, "no_id_200")

    assert (await business.send(USER)).json()["messages"] == []


async def test_a_slow_answer_takes_its_time(business: Business) -> None:
    await business.user_writes(**{"from": USER})
    await arm(business, "slow", params={"ms": 60})

    answer = await business.send(USER)

    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.06


@pytest.mark.parametrize(
    "digits, mode",
    [(45, "500"), (46, "500"), (47, "503"), (50, "200"), (52, "reset"), (53, "reset"), (55, "200"), (56, "200")],
)
async def test_magic_recipients_damage_answers_too(business: Business, digits: int, mode: str) -> None:
    to = f"+141555501{digits}"
    await business.user_writes(**{"from": to})

    try:
        answer = (await raw_send_once(business, to)).split(b" ")[1].decode()
    except ConnectionResetError:
        answer = "reset"

    assert answer == mode
    assert len(await business.ledger()) == (0 if digits in (45, 53) else 1)


async def raw_send_once(business: Business, to: str) -> bytes:
    """The answer's first bytes over a bare socket."""
    url = business.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    body = msgspec.json.encode(a_text(to))
    head = (
        f"POST /{business.phone_id}/messages HTTP/1.1\r\nhost: {url.host}\r\n"
        f"authorization: Bearer {business.token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    try:
        return await reader.readuntil(b"\r\n")
    finally:
        writer.transport.abort()


async def test_a_fault_for_one_recipient_spares_the_others(business: Business) -> None:
    await business.user_writes(**{"from": USER})
    await business.user_writes(**{"from": "+14155557001"})
    await arm(business, "429", match={"to": USER, "path": "/messages"}, times=5)

    hit = await business.send(USER)
    spared = await business.send("+14155557001")

    assert (hit.status_code, spared.status_code) == (429, 200)


async def test_a_seeded_probability_strikes_the_same_way_each_time(business: Business) -> None:
    await business.user_writes(**{"from": USER})

    async def run() -> list[int]:
        await business.http.delete("/_control/faults")
        await arm(business, "429", times=None, probability=0.5, seed=7)
        return [(await business.send(USER)).status_code for _ in range(12)]

    first, second = await run(), await run()

    assert first == second
    assert set(first) == {200, 429}


async def test_faults_strike_the_management_side_too(business: Business) -> None:
    await arm(business, "503", match={"path": "/message_templates"})

    answer = await business.call("GET", f"{business.waba_id}/message_templates")

    assert answer.json()["error"]["code"] == 131016


async def test_armed_faults_are_listed_and_cleared(business: Business) -> None:
    await arm(business, "slow")

    listed = (await business.http.get("/_control/faults")).json()["data"]
    cleared = await business.http.delete("/_control/faults")

    assert [fault["mode"] for fault in listed] == ["slow"]
    assert cleared.json() == {"cleared": 1}


@pytest.mark.parametrize("spec", [{"mode": "explode"}, {"mode": "429", "params": {"code": 7}}, {}])
async def test_an_unknown_mode_or_code_is_refused(business: Business, spec: Json) -> None:
    answer = await business.http.post("/_control/faults", json=spec)

    assert answer.status_code == 422
