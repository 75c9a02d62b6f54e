"""Finds values that stand in a template's HTML where escaping does not make them harmless.

Escaped, a value cannot end a text or a quoted attribute. It can do harm as the beginning of a link (`javascript:…`), as
an attribute without quotes (`x onclick=…`), and as the name of a tag or an attribute. So whatever values a message
brings, the HTML is as safe as it was with sample values, and is not searched again for each message.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final

from messaging.domain.templates.own.language import Problem, place

_LINK: Final = re.compile(
    r"(?:href|src|srcset|action|formaction|background|poster|cite|data|longdesc|ping|dynsrc|lowsrc)"
    r"\s*=\s*(?P<quote>[\"'])\s*\{\{[-+]?\s*(?P<name>[^\s}|]*)",
    re.IGNORECASE,
)
_BLOCK_IN_LINK: Final = re.compile(r"(?:href|src|action)\s*=\s*[\"']\s*\{%", re.IGNORECASE)
# The beginning of a tag, of a comment, or of a value where a tag's name would be.
_OPENS: Final = re.compile(r"<(?:!--|[/!]?(?=[A-Za-z]|\{\{))")
# What a tag holds besides plain characters, read as browsers do: only what follows `=` is quoted.
_INSIDE: Final = re.compile(r"=\s*(?:\"[^\"]*\"|'[^']*')|\{%.*?%\}|\{#.*?#\}|(?P<bare>\{\{)|(?P<end>>)", re.DOTALL)
_IN_COMMENT: Final = re.compile(r"(?P<bare>\{\{)|(?P<end>-->)")


def value_problems(html: str, links: Collection[str]) -> Iterator[Problem]:
    """`links` are the parameters whose values are checked to be http(s) links."""
    for found in _LINK.finditer(html):
        if found["name"] not in links:
            yield _at(
                html,
                found.start("name"),
                "A link begins with a value. Use a parameter of type url alone there, or write the link's beginning "
                "into the template: https://example.com/{{ name }}.",
            )
    for found in _BLOCK_IN_LINK.finditer(html):
        yield _at(html, found.start(), "A link begins with a block. Put the whole attribute into each branch.")
    for at in _bare_values(html):
        yield _at(html, at, "A value stands bare in a tag. Put it between quotes, as an attribute's value.")


def _bare_values(html: str) -> Iterator[int]:
    """Where values stand in tags and comments outside of quotes: the first of each. Takes one pass."""
    start = 0
    while (opened := _OPENS.search(html, start)) is not None:
        start = opened.end()
        inside = _IN_COMMENT if opened[0] == "<!--" else _INSIDE
        for found in inside.finditer(html, start):
            start = found.end()
            if found["bare"]:
                yield found.start()
            if found["bare"] or found["end"]:
                break


def _at(html: str, at: int, detail: str) -> Problem:
    line, column = place(html, at)
    return Problem(line, column, detail)
