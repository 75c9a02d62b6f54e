"""One vendor's words stay where it is: the core is not shaped like it, and a second one needs no door of its own.

Whoever takes the last such word out of a file that is listed here takes the file off the list; nothing is added.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import messaging

SOURCES: Final = Path(messaging.__file__).parent

_WORDS: Final = re.compile(r"(?i:whatsapp|waba|bsuid|graph(?: api|\.facebook|_version|_calls))|\bMeta(?:'s)?\b")
# msgspec's annotation is called so too, and the homes are imported by their names.
_NAMESAKES: Final = re.compile(
    r"^from msgspec import .*|^    Meta,$|\bMeta\(|`Meta`|-> Meta\b|isinstance\(meta, Meta\)|\bwhatsapp_rules\b"
)

# Where the words belong.
HOMES: Final[Mapping[str, str]] = {
    "domain/channels/whatsapp.py": "the channel's rules",
    "domain/templates/whatsapp_rules.py": "the rules of its templates",
    "adapters/providers/whatsapp_cloud/": "the provider",
    "entrypoints/sandbox/whatsapp_cloud/": "its look-alike",
    "entrypoints/lab/": "what builds, shows, measures and breaks the product does so with this provider",
    "entrypoints/api/reference/words/": "descriptions and examples of the public API",
}
# Lists with one line for each channel or provider, and examples.
LINES: Final[Mapping[str, int]] = {
    "domain/channels/address.py": 1,
    "domain/channels/table.py": 2,
    "domain/status/components.py": 1,
    "entrypoints/composition/providers.py": 3,
    "entrypoints/sandbox/__init__.py": 3,
    "entrypoints/api/v1/accounts/senders.py": 2,
    "entrypoints/api/v1/messages/messages.py": 1,
    "entrypoints/api/v1/messages/submitting.py": 1,
    "entrypoints/cli/through_api/messages.py": 1,
}


def _found() -> dict[str, int]:
    """Files outside of the homes, with how many of their lines hold a vendor's word."""
    found = {}
    for name, text in _outside():
        lines = (_NAMESAKES.sub("", line) for line in text.splitlines())
        if count := sum(_WORDS.search(line) is not None for line in lines):
            found[name] = count
    return found


def _outside() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCES.rglob("*.py")):
        name = path.relative_to(SOURCES).as_posix()
        if not name.startswith(tuple(HOMES)):
            yield name, path.read_text()


def test_a_vendors_words_stay_where_it_is() -> None:
    more = {name: count for name, count in _found().items() if count > LINES.get(name, 0)}

    assert more == {}, "say it in words that hold for every provider, or move it to the vendor's own place"


def test_whoever_may_say_them_does() -> None:
    found = _found()

    assert [name for name in LINES if name not in found] == []


def test_the_homes_exist() -> None:
    assert [name for name in HOMES if not (SOURCES / name).exists()] == []


def test_the_words_are_found_and_their_namesakes_are_not() -> None:
    told = ("Meta's rules", "a WABA id", "the Graph API", "graph_version", "by WhatsApp", "BSUID")
    namesakes = ("the object graph", "metadata", "Meta(ge=0)", "from msgspec import Meta, Struct", "<meta charset>")

    assert [text for text in told if not _WORDS.search(_NAMESAKES.sub("", text))] == []
    assert [text for text in namesakes if _WORDS.search(_NAMESAKES.sub("", text))] == []
