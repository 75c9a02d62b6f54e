"""Recognises the text of a long SMS that Twilio passes on as base64 instead of as it was written.

Twilio documents this nowhere. It has been seen since 2017, and open-source clients handle it (nyaruka/courier): some
SMS of several parts arrive so, with a carriage return at the end, and cut off within a character. `Body` stays in the
payload as it came.
"""

import binascii
import codecs
import re

# A text of one part is never encoded: the shortest of several parts has 71 characters, and base64 makes more of them.
_SHORTEST = 72
_is_base64 = re.compile(r"[A-Za-z0-9+/]+={0,2}").fullmatch
_LINE_BREAKS = str.maketrans("", "", "\r\n")
_may_be_said = frozenset("\r\n\t")


def as_written(body: str) -> str:
    """The text that a person wrote; `body` itself unless it can be nothing but encoded text.

    A word of this length whose bytes happen to be readable does not occur: of random letters, one in a hundred million
    million decodes to UTF-8 without a control character.
    """
    packed = body.translate(_LINE_BREAKS)
    if len(packed) < _SHORTEST or not _is_base64(packed):
        return body
    try:
        # What was cut off may have left one or two characters of a group of four.
        raw = binascii.a2b_base64(packed[: len(packed) // 4 * 4])
        # The last character may be incomplete; it is left out.
        text = codecs.getincrementaldecoder("utf-8")().decode(raw, final=False)
    except (binascii.Error, UnicodeDecodeError):
        return body
    return text if all(each.isprintable() or each in _may_be_said for each in text) else body
