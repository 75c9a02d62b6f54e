"""Rules for the headers that a tenant has sent with every callback of an endpoint."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import step

MAX_HEADERS: Final = 10
MAX_NAME: Final = 100
MAX_VALUE: Final = 1_000

# What the platform sets itself, what belongs to one connection, and what proxies and metadata services go by.
FORBIDDEN: Final = (
    *("accept-encoding", "baggage", "connection", "cookie", "date", "expect", "forwarded", "host", "http2-settings"),
    *("keep-alive", "metadata", "metadata-flavor", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
    *("referer", "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "via"),
    *("x-real-ip",),
)
FORBIDDEN_BEGINNINGS: Final = ("content-", "webhook-", "x-aws-ec2-metadata-", "x-forwarded-", "x-google-metadata-")

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def header_violations(headers: Mapping[str, str]) -> tuple[Violation, ...]:
    """All that is wrong with an endpoint's headers; pointers are relative to the endpoint. No value is quoted."""
    return tuple(_violations(headers))


def _violations(headers: Mapping[str, str]) -> Iterator[Violation]:
    if len(headers) > MAX_HEADERS:
        detail = f"There are {len(headers)} headers; at most {MAX_HEADERS} are sent. Remove some."
        yield Violation(pointer="/headers", code="callback_header_invalid", detail=detail)
    seen: set[str] = set()
    for name, value in list(headers.items())[: MAX_HEADERS + 1]:
        for detail in _problems(name, value, seen):
            yield Violation(pointer=f"/headers{step(name)}", code="callback_header_invalid", detail=detail)
        seen.add(name.lower())


def _problems(name: str, value: str, seen: set[str]) -> Iterator[str]:
    plain = name.lower()
    if not _TOKEN.fullmatch(name) or len(name) > MAX_NAME:
        yield f"A header's name has 1 to {MAX_NAME} letters, digits and hyphens. Rename it."
    elif plain in FORBIDDEN or plain.startswith(FORBIDDEN_BEGINNINGS):
        beginnings = ", ".join(f"{beginning}*" for beginning in FORBIDDEN_BEGINNINGS)
        yield f"This header cannot be chosen. Use another name than {', '.join(FORBIDDEN)}, {beginnings}."
    if plain in seen:
        yield "The header is given twice; case makes no difference. Remove one of them."
    if len(value) > MAX_VALUE or not _VALUE.fullmatch(value):
        yield (
            f"A header's value has 1 to {MAX_VALUE} visible ASCII characters, with spaces only between them. "
            "Change it, or encode it."
        )
