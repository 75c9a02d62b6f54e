"""What documents say of codes is what the code does."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from messaging.adapters.providers.whatsapp_cloud.wire import errors
from messaging.entrypoints.api.openapi import openapi_document
from messaging.entrypoints.cli.failures import Exit

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_about_the_command_line_explains_every_exit_code() -> None:
    explained = re.findall(r"^\| ([0-9]+) \|", (DOCS / "cli.md").read_text(), re.MULTILINE)

    assert [int(code) for code in explained] == [0, *Exit]


def examples_about_dead_letters() -> Iterator[str]:
    """Provider's codes by which examples look for dead letters."""
    texts = [*(path.read_text() for path in DOCS.rglob("*.md")), json.dumps(openapi_document())]
    for text in texts:
        yield from re.findall(r'"status": "dead", "error_code": "([0-9]+)"', text)


def test_examples_look_for_dead_letters_by_codes_that_make_dead_letters() -> None:
    found = {code: errors.find(int(code)) for code in examples_about_dead_letters()}

    # Others end a message as failed at once, or leave it unclear.
    assert {code: entry.kind for code, entry in found.items() if entry} == dict.fromkeys(found, errors.Kind.TRANSIENT)
    assert len(found) >= 1
