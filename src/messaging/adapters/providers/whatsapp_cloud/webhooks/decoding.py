"""From the bytes of a webhook to JSON: what one item spells strangely must not cost its neighbours the whole body."""

import codecs
import json
import math
from typing import Any

import msgspec

from messaging.application.ports.providers import MalformedWebhook

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Integers of more digits are kept as text: to turn them into numbers takes the square of their length in time.
_LONGEST_INTEGER = 100


def decode(body: bytes) -> Any:
    """Raises MalformedCallback for what is no JSON by any reading."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_forgivingly(body)
    except RecursionError as error:
        raise MalformedWebhook("nested too deeply") from error


def _decode_forgivingly(body: bytes) -> Any:
    """A byte order mark is passed over, half an emoji becomes a question mark, and no number (`NaN`) becomes text."""
    encoding = json.detect_encoding(body) if body.startswith(_MARKS) else "utf-8"
    try:
        document = json.loads(
            body.decode(encoding, "replace"), parse_float=_fraction, parse_int=_integer, parse_constant=str
        )
        return msgspec.json.decode(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise MalformedWebhook("not JSON") from error


def _fraction(literal: str) -> float | str:
    number = float(literal)
    return number if math.isfinite(number) else literal


def _integer(literal: str) -> int | str:
    return int(literal) if len(literal) <= _LONGEST_INTEGER else literal
