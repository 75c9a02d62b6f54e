"""Twilio's own examples of signatures pass, and nothing else does."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace

from messaging.adapters.providers.twilio.credentials import Credentials
from messaging.adapters.providers.twilio.webhooks.reader import TwilioWebhookReader
from messaging.adapters.providers.twilio.webhooks.signature import HEADER, fields, is_signed, signature
from messaging.application.ports.providers.webhooks import WebhookRequest
from tests.builders import NOON
from tests.unit.adapters.twilio.requests import FORM, TOKEN, URL, a_status, a_webhook

# From the tests of Twilio's libraries for Python, PHP and C# (2026-08); the auth token is 12345.
VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("signatures.json").read_text())


def request(vector: dict[str, Any]) -> WebhookRequest:
    is_json = "json" in vector
    return WebhookRequest(
        method="POST",
        url=vector["url"],
        headers={"content-type": "application/json" if is_json else FORM, HEADER: vector["signature"]},
        body=(vector["json"] if is_json else urlencode([tuple(pair) for pair in vector["form"]])).encode(),
    )


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_twilios_own_examples_are_authentic(vector: dict[str, Any]) -> None:
    assert is_signed(request(vector), [TOKEN])
    assert is_signed(request(vector), ["another", TOKEN]), "one of two tokens is enough"
    assert not is_signed(request(vector), ["another"])
    assert not is_signed(request(vector), [])
    assert not is_signed(request(vector), [""])


def _mutations(text: bytes) -> list[bytes]:
    return [text[:at] + bytes([text[at] ^ bit]) + text[at + 1 :] for at in range(len(text)) for bit in (1, 4)]


def _fields(request: WebhookRequest) -> object:
    try:
        return sorted(set(fields(request)))
    except ValueError:
        return None


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_one_changed_byte_of_the_body_makes_it_a_forgery(vector: dict[str, Any]) -> None:
    genuine = request(vector)
    said = _fields(genuine)
    # A form can be spelled in more than one way: only what it says is signed.
    forged = [
        changed
        for body in _mutations(genuine.body)
        if _fields(changed := replace(genuine, body=body)) != said or "json" in vector
    ]

    assert len(forged) > len(genuine.body)
    assert [changed.body for changed in forged if is_signed(changed, [TOKEN])] == []


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_one_changed_character_of_url_or_signature_makes_it_a_forgery(vector: dict[str, Any]) -> None:
    genuine = request(vector)
    scheme, _, rest = vector["url"].partition("://")
    # The port is not always signed, so only what stands behind the host is looked at.
    front, path = rest.partition("/")[0], "/" + rest.partition("/")[2]
    urls = [f"{scheme}://{front}{changed.decode('latin-1')}" for changed in _mutations(path.encode())]
    signatures = [changed.decode("latin-1") for changed in _mutations(vector["signature"].encode())]

    assert [url for url in urls if is_signed(replace(genuine, url=url), [TOKEN])] == []
    headers = [{**genuine.headers, HEADER: changed} for changed in signatures]
    assert [each for each in headers if is_signed(replace(genuine, headers=each), [TOKEN])] == []


@pytest.mark.parametrize("given", ["", "FAIL", "ü", "\udcff", "RSOYDt4T1cUTdK1PDd93/VVr8B8"])
def test_a_signature_that_is_none_is_a_forgery(given: str) -> None:
    assert not is_signed(a_webhook(a_status(), given=given), [TOKEN])


def test_blank_fields_are_signed_too() -> None:
    blank = a_webhook({"FromCity": "", "Body": "", "From": "+15558675310"})

    assert is_signed(blank, [TOKEN])
    assert not is_signed(replace(blank, body=b"From=%2B15558675310&FromState="), [TOKEN])


def test_a_plus_in_a_form_is_a_space() -> None:
    spaced = a_webhook({"Body": "two words + more"})

    assert b"two+words+%2B+more" in spaced.body
    assert is_signed(spaced, [TOKEN])


def test_the_url_that_is_signed_is_the_public_one_whatever_host_the_caller_names() -> None:
    behind = a_webhook(a_status(), url=URL.replace("hooks.example.com", "internal.local"))

    assert is_signed(behind, [TOKEN])
    assert not is_signed(replace(behind, url=URL), [TOKEN])


def test_json_without_the_hash_of_its_body_is_a_forgery() -> None:
    body = b'{"a": 1}'
    signed = WebhookRequest(method="POST", url=URL, headers={HEADER: signature(TOKEN, URL)}, body=body)

    assert not is_signed(signed, [TOKEN])
    assert is_signed(replace(signed, body=b""), [TOKEN])


@pytest.mark.parametrize("body", [b"\xff=1", b"Body=%FF", b"&".join([b"a=1"] * 1_001)])
def test_a_body_that_twilio_never_writes_is_a_forgery_and_no_failure(body: bytes) -> None:
    text = "".join(f"{name}{value}" for name, value in [("Body", "\ufffd")])
    made = WebhookRequest(
        method="POST", url=URL, headers={"content-type": FORM, HEADER: signature(TOKEN, URL + text)}, body=body
    )

    assert not is_signed(made, [TOKEN])


async def test_the_reader_verifies_with_each_auth_token_of_the_account() -> None:
    reader, webhook = TwilioWebhookReader(), a_webhook(a_status())

    assert await reader.verify(webhook, Credentials(auth_tokens=("new", TOKEN)), now=NOON)
    assert not await reader.verify(webhook, Credentials(auth_tokens=("new",)), now=NOON)
    assert reader.handshake(webhook, Credentials(auth_tokens=(TOKEN,))) is None
