"""Finds in a mail's HTML what runs, or loads another document: scripts, event handlers, script links, frames.

Such a mail is refused, not cleaned. The large e-mail APIs send HTML as it is given, and mail programs take scripts out
or show nothing; what remains is a mail that filters hold for an attack. A cleaner would send something else than what
the author looked at: it rewrites the comments for Outlook, and half of the layout with them, and it hides that a
customer's name with `<script>` in it went into the mail unescaped. The author can mend that; so the author is told.

Tags are read as browsers read them (WHATWG HTML, "Tokenization"), in time proportional to the length of the text. What
stands in comments and in the texts of `<style>` and `<title>` is read as well, because some mail programs do.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

_WS: Final = r"[\t\n\f\r ]"
_VALUE: Final = rf"{_WS}*+=({_WS}*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\t\n\f\r >\"'][^\t\n\f\r >]*+)?+)"
_ATTRIBUTE: Final = rf"[\t\n\f\r /]*+([^\t\n\f\r />][^\t\n\f\r />=]*+)(?:{_VALUE})?+"
_INSIDE: Final = _ATTRIBUTE.replace("([^\\t", "(?:[^\\t").replace(rf"=({_WS}", rf"=(?:{_WS}")
_TAG: Final = rf"<(?P<end>/?)(?P<name>[A-Za-z][^\t\n\f\r />]*+)(?P<attributes>(?:{_INSIDE})*+)[\t\n\f\r /]*+(?:>|\Z)"
# `<!doctype …>`, `<![if mso]>`, `<?xml …>`: they end at the first `>`.
_BOGUS: Final = r"<[!?/][^>]*+(?:>|\Z)"
_WHOLE: Final = re.compile(rf"<!--(?:-?>|(?P<comment>.*?)(?:--!?>|\Z))|{_TAG}|{_BOGUS}", re.DOTALL)
# Inside of comments and of raw text there are no further ones, and so nothing is read more than twice.
_PART: Final = re.compile(rf"{_TAG}|{_BOGUS}")
_ATTRIBUTES: Final = re.compile(_ATTRIBUTE)
_RAW_TEXT: Final = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />]|\Z)", re.IGNORECASE) for name in ("style", "title", "textarea")
}

_ELEMENTS: Final = """
    applet base embed frame frameset iframe math noembed noframes noscript object plaintext portal script svg xmp
"""
_REFUSED: Final = frozenset(_ELEMENTS.split())
_WITH_LINKS: Final = """
    action background cite data dynsrc formaction href longdesc lowsrc ping poster src srcset xlink:href
"""
_LINKS: Final = frozenset(_WITH_LINKS.split())
_SCRIPT_LINKS: Final = ("javascript:", "vbscript:", "livescript:")
_PICTURE: Final = re.compile(r"data:image/(?:png|gif|jpe?g|webp)[;,]")
# Browsers skip these in a link, wherever they stand before the colon.
_SKIPPED: Final = dict.fromkeys(range(33))
_MOST_LISTED: Final = 10


def html_flaws(html: str) -> list[str]:
    """What is found, each kind once, in words that repeat nothing of the text: `<script>`, `an onclick attribute`."""
    found: dict[str, None] = {}
    for name, attributes in _tags(html):
        if name in _REFUSED:
            found[f"<{name}>"] = None
        elif "<" in name:
            # Taken out of its middle, `<script>` would leave another one: `<scr<script>ipt>`.
            found["a tag within the name of a tag"] = None
        for attribute, value in _attributes_of(attributes):
            if (flaw := _flaw(name, attribute, value)) is not None:
                found[flaw] = None
        if len(found) >= _MOST_LISTED:
            break
    return list(found)


def _tags(html: str) -> Iterator[tuple[str, str]]:
    """The start tags: names in lower case, and the texts of their attributes."""
    at = 0
    while (token := _WHOLE.search(html, at)) is not None:
        at = token.end()
        if token["name"] is None:
            yield from _tags_within(token["comment"] or "")
            continue
        if token["end"]:
            continue
        name = token["name"].lower()
        yield name, token["attributes"]
        if (end := _RAW_TEXT.get(name)) is not None:
            closing = end.search(html, at)
            stop = len(html) if closing is None else closing.start()
            yield from _tags_within(html[at:stop])
            at = stop


def _tags_within(part: str) -> Iterator[tuple[str, str]]:
    for token in _PART.finditer(part):
        if token["name"] is not None and not token["end"]:
            yield token["name"].lower(), token["attributes"]


def _attributes_of(text: str) -> Iterator[tuple[str, str]]:
    for name, value in _ATTRIBUTES.findall(text):
        yield name.lower(), value


def _flaw(tag: str, attribute: str, value: str) -> str | None:
    if attribute.startswith("on") and len(attribute) > 2:
        return f"an {attribute} attribute" if attribute.isalpha() and len(attribute) < 30 else "an on… attribute"
    if attribute in _LINKS:
        link = unescape(value.strip("\t\n\f\r \"'")).translate(_SKIPPED).lower()
        if link.startswith(_SCRIPT_LINKS):
            return f"a {link.partition(':')[0]}: link"
        return "a data: link" if link.startswith("data:") and not _PICTURE.match(link) else None
    refreshes = tag == "meta" and attribute == "http-equiv" and "refresh" in value.lower()
    return "a refreshing <meta>" if refreshes else None
