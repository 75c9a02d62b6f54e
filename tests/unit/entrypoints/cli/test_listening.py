"""`app events list` and `app listen`: what is asked of the API, what is posted and signed, and what is printed."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx
from click.testing import CliRunner, Result

from messaging.domain.callbacks import body
from messaging.domain.callbacks.signature import secret_text
from messaging.entrypoints.cli.failures import Failed
from messaging.entrypoints.cli.through_api.events import events, listen

API, HOOK = "http://api.test", "http://localhost:3000/hooks"
SURROUNDINGS = {"APP_API_URL": API, "APP_API_KEY": "mpk_test_key"}
KEY = b"k" * 32
AT = datetime(2026, 11, 29, 10, 15, 2, 114_000, UTC)
FIRST, SECOND, THIRD = (f"evt_01kb6w3sa2g6t9v0w2x3y5z7a{n}" for n in (1, 2, 3))


def an_event(id: str, type: str = "message.delivered") -> dict[str, Any]:
    return {
        "id": id,
        "type": type,
        "timestamp": "2026-11-29T10:15:02.114Z",
        "data": {"event_id": id, "sequence": 5, "message": {"id": "msg_1", "status": "delivered"}},
        "created_at": "2026-11-29T10:15:02.200Z",
        "trace_id": None,
    }


def a_page(*items: dict[str, Any], cursor: str | None, more: bool = False) -> httpx.Response:
    return httpx.Response(200, json={"data": list(items), "next_cursor": cursor, "has_more": more})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(listen, ["--forward", HOOK, "--poll", "0.05", *arguments], env=SURROUNDINGS)


@pytest.fixture
def net() -> respx.MockRouter:
    router = respx.mock(assert_all_called=False)
    router.get(f"{API}/v1/callback-endpoints", name="endpoints").respond(json={"data": [{"id": "cbe_1"}]})
    return router


def test_events_are_posted_as_callbacks_are_signed_and_a_line_tells_of_each(net: respx.MockRouter) -> None:
    with net:
        net.get(f"{API}/v1/events").side_effect = [a_page(an_event(FIRST), an_event(SECOND), cursor=SECOND)]
        hook = net.post(HOOK)
        hook.side_effect = [httpx.Response(204), httpx.Response(500)]

        ended = run("--count", "2", "--secret", secret_text(KEY))

    assert ended.exit_code == 0, ended.output
    request = hook.calls[0].request
    signed = f"{FIRST}.{request.headers['webhook-timestamp']}.".encode() + request.content
    expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert request.content == body.envelope("message.delivered", AT, an_event(FIRST)["data"])
    lines = ended.stdout.splitlines()
    assert [(FIRST in lines[0], "  204  " in lines[0]), (SECOND in lines[1], "  500  " in lines[1])] == [
        (True, True)
    ] * 2


def test_it_goes_on_behind_what_it_has_seen_and_waits_while_there_is_nothing(net: respx.MockRouter) -> None:
    with net:
        listed = net.get(f"{API}/v1/events")
        listed.side_effect = [
            a_page(cursor=FIRST),
            a_page(an_event(SECOND), cursor=SECOND, more=True),
            a_page(an_event(THIRD), cursor=THIRD),
        ]
        net.post(HOOK).respond(200)

        ended = run("--count", "2", "--after", FIRST, "--type", "message.*", "--subject", "msg_1")

    assert ended.exit_code == 0, ended.output
    asked = [call.request.url.params for call in listed.calls]
    assert [it["after"] for it in asked] == [FIRST, FIRST, SECOND]
    assert {(it["type"], it["subject"]) for it in asked} == {("message.*", "msg_1")}


def test_without_an_endpoint_one_without_an_address_is_made_and_it_says_so(net: respx.MockRouter) -> None:
    with net:
        net["endpoints"].respond(json={"data": []})
        made = net.post(f"{API}/v1/callback-endpoints").respond(201, json={"id": "cbe_new", "secret": "whsec_x"})
        net.get(f"{API}/v1/events").side_effect = [a_page(an_event(FIRST), cursor=FIRST)]
        net.post(HOOK).respond(200)

        ended = run("--count", "1")

    assert json.loads(made.calls.last.request.content)["url"] is None
    assert "cbe_new" in ended.stderr
    assert "Signing with whsec_" in ended.stderr


def test_a_program_that_does_not_answer_is_told_of_and_ends_nothing(net: respx.MockRouter) -> None:
    with net:
        net.get(f"{API}/v1/events").side_effect = [a_page(an_event(FIRST), an_event(SECOND), cursor=SECOND)]
        net.post(HOOK).side_effect = [httpx.ConnectError("refused"), httpx.Response(200)]

        ended = run("--count", "2")

    assert ended.exit_code == 0, ended.output
    assert "no answer (ConnectError)" in ended.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "told"), [(["--secret", "hunter2"], "whsec_"), (["--forward", "localhost:3000"], "no URL")]
)
def test_what_cannot_work_is_refused_with_what_to_do(net: respx.MockRouter, arguments: list[str], told: str) -> None:
    with net:
        net.get(f"{API}/v1/events").side_effect = [a_page(an_event(FIRST), cursor=FIRST)]

        ended = run("--count", "1", *arguments)

    assert isinstance(ended.exception, Failed)
    assert told in str(ended.exception)


def test_a_list_shows_what_each_event_is_about_and_how_to_go_on() -> None:
    with respx.mock() as net:
        net.get(f"{API}/v1/events").side_effect = [a_page(an_event(FIRST), cursor=FIRST, more=True)]

        ended = CliRunner().invoke(events, ["list", "--limit", "1"], env=SURROUNDINGS)

    line = ended.stdout.splitlines()[1]
    assert line.split() == [FIRST, "message.delivered", "2026-11-29T10:15:02.114Z", "msg_1", "delivered"]
    assert f"--after {FIRST}" in ended.stderr
