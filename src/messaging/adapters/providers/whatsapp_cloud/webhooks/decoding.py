"""Decodes the bytes of a webhook as JSON, leniently, so that one strange item does not lose the whole body."""

import codecs
import json
import math
from typing import Any

import msgspec

from messaging.application.ports.providers.webhooks import MalformedWebhook

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Integers with more digits are kept as text: the time to convert one grows with the square of its length.
_LONGEST_INTEGER = 100


def decode(body: bytes) -> Any:
    """The decoded body. Raises MalformedWebhook if it is not JSON even when read leniently."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_forgivingly(body)
    except RecursionError as error:
        raise MalformedWebhook("the JSON is nested too deeply") from error


def _decode_forgivingly(body: bytes) -> Any:
    """Skip a byte order mark, replace half an emoji by a question mark, and keep `NaN` and the like as text."""
    encoding = json.detect_encoding(body) if body.startswith(_MARKS) else "utf-8"
    try:
        document = json.loads(
            body.decode(encoding, "replace"), parse_float=_fraction, parse_int=_integer, parse_constant=str
        )
        return msgspec.json.decode(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise MalformedWebhook("the body is not JSON") from error


def _fraction(literal: str) -> float | str:
    number = float(literal)
    return number if math.isfinite(number) else literal


def _integer(literal: str) -> int | str:
    return int(literal) if len(literal) <= _LONGEST_INTEGER else literal
