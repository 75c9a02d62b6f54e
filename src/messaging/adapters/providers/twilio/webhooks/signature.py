"""Checks `X-Twilio-Signature`: an HMAC-SHA1 over the URL that Twilio called, and over the form in the body.

Source: Twilio's "Webhooks security" and the request validators of its libraries (2026-08). The signature has no time in
it, so a repeated webhook is as authentic as the first: the platform stores each webhook once.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import parse_qsl

from messaging.application.ports.providers.webhooks import WebhookRequest

HEADER = "x-twilio-signature"
_FORM = "application/x-www-form-urlencoded"
_BODY_HASH = "bodySHA256"
# Twilio's longest webhooks have about 60 fields.
_MOST_FIELDS = 1_000


def is_signed(request: WebhookRequest, tokens: Sequence[str]) -> bool:
    """Whether one of the auth tokens signed the request; compared in constant time."""
    given = request.headers.get(HEADER, "").encode("utf-8", "surrogatepass")
    text = _signed_form(request)
    if text is None:
        return False
    authentic = False
    for token in tokens:
        for url in _spellings(request.url):
            # Every token and spelling is tried, so that the time taken does not reveal which one matches.
            authentic |= bool(token) & hmac.compare_digest(given, signature(token, url + text).encode())
    return authentic


def signature(token: str, text: str) -> str:
    made = hmac.new(token.encode("utf-8", "surrogatepass"), text.encode("utf-8", "surrogatepass"), hashlib.sha1)
    return base64.b64encode(made.digest()).decode()


def is_form(request: WebhookRequest) -> bool:
    return request.headers.get("content-type", "").strip().lower().startswith(_FORM)


def fields(request: WebhookRequest) -> list[tuple[str, str]]:
    """The fields of the form in the body, blank ones included. Raises ValueError."""
    return _pairs(request.body.decode())


def query(request: WebhookRequest) -> list[tuple[str, str]]:
    """The parameters in the URL. Raises ValueError."""
    return _pairs(request.url.partition("?")[2])


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)


def _signed_form(request: WebhookRequest) -> str | None:
    """The text that is signed behind the URL; None if the body is not what the signature could be of."""
    try:
        if is_form(request):
            # A name that comes twice contributes each of its values once, in order.
            return "".join(name + value for name, value in sorted(set(fields(request))))
        hashes = [value for name, value in query(request) if name == _BODY_HASH]
    except ValueError:
        return None
    if not hashes:
        return None if request.body else ""
    made = hashlib.sha256(request.body).hexdigest().encode()
    return "" if hmac.compare_digest(made, hashes[0].encode("utf-8", "surrogatepass")) else None


def _spellings(url: str) -> tuple[str, str]:
    """The URL without a port and with one: Twilio signs either, and does not say which."""
    scheme, _, rest = url.partition("://")
    end = min((found for mark in "/?#" if (found := rest.find(mark)) >= 0), default=len(rest))
    place, behind = rest[:end], rest[end:]
    user, at, host = place.rpartition("@")
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name, port = host, "443" if scheme.lower() == "https" else "80"
    front = f"{scheme}://{user}{at}{name}"
    return f"{front}{behind}", f"{front}:{port}{behind}"
