"""Commands about callback endpoints: what they ask of the API, and what they print."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import respx

from messaging.entrypoints.cli.failures import Exit
from tests.unit.entrypoints.cli.test_calling_commands import Ended, api, call, surroundings

__all__ = ["api", "call", "surroundings"]

PATH = "/v1/callback-endpoints"
SHOWN: dict[str, Any] = {
    "id": "cbe_1",
    "event_types": ["message.*"],
    "filters": {"channel": "sms"},
    "include": [],
    "headers": [],
    "secret": "whsec_42",
}


def test_create_asks_for_what_was_given_and_prints_the_secret(
    api: respx.MockRouter, call: Callable[..., Ended]
) -> None:
    with api:
        asked = api.post(PATH).respond(201, json=SHOWN)
        ended = call(
            *("callbacks", "endpoints", "create", "https://hooks.example.com/m", "--event-type", "message.*"),
            *("--filter", "channel=sms", "--header", "x-a=1=2", "--rate", "7"),
        )

    assert ended.code == 0
    assert json.loads(asked.calls[0].request.content) == {
        "url": "https://hooks.example.com/m",
        "event_types": ["message.*"],
        "filters": {"channel": "sms"},
        "headers": {"x-a": "1=2"},
        "rate": 7,
    }
    assert "whsec_42" in ended.out
    assert "channel=sms" in ended.out


@pytest.mark.parametrize(
    "wrong",
    [
        ("create",),
        ("create", "https://hooks.example.com/", "--pull"),
        ("create", "https://hooks.example.com/", "--filter", "channel"),
        ("change", "cbe_1"),
    ],
)
def test_what_makes_no_sense_is_not_asked(
    api: respx.MockRouter, call: Callable[..., Ended], wrong: tuple[str, ...]
) -> None:
    with api:
        ended = call("callbacks", "endpoints", *wrong)

    assert ended.code == Exit.USAGE


@pytest.mark.parametrize(
    ("given", "path", "body"),
    [
        (("rotate-secret", "cbe_1", "--overlap", "0"), "rotate-secret", {"force": False, "overlap_seconds": 0}),
        (("resume", "cbe_1", "--replay", "none"), "resume", {"replay": "none"}),
        (
            ("enable", "cbe_1", "--since", "2026-11-29T09:00:00Z"),
            "enable",
            {"replay": "since", "since": "2026-11-29T09:00:00Z"},
        ),
    ],
)
def test_an_endpoint_is_acted_upon(
    api: respx.MockRouter, call: Callable[..., Ended], given: tuple[str, ...], path: str, body: dict[str, Any]
) -> None:
    with api:
        asked = api.post(f"{PATH}/cbe_1/{path}").respond(json={"id": "cbe_1"})
        ended = call("callbacks", "endpoints", *given)

    assert ended.code == 0
    assert json.loads(asked.calls[0].request.content) == body
