"""What documents say of codes, commands and places is what the code has; their links lead somewhere."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from messaging.adapters.providers.error_codes import Kind
from messaging.adapters.providers.whatsapp_cloud.wire import errors
from messaging.entrypoints.api.reference.openapi import openapi_document
from messaging.entrypoints.cli import app
from messaging.entrypoints.cli.failures import Exit

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
# Those that say where things live.
MAPS = (DOCS / "architecture.md", DOCS / "glossary.md")


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
    assert {code: entry.kind for code, entry in found.items() if entry} == dict.fromkeys(found, Kind.TRANSIENT)
    assert len(found) >= 1


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_of_a_document_leads_somewhere() -> None:
    broken = []
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
                broken.append(f"{page.relative_to(ROOT)}: {link}")

    assert broken == []


def commands(page: Path, program: str) -> set[str]:
    """What a page tells to call: the first word after the program, in code spans and at the start of lines of code."""
    return set(re.findall(rf"(?:^ *|`)(?:\.venv/bin/)?{program} ([a-z][a-z-]*)", page.read_text(), re.MULTILINE))


def test_every_command_in_a_document_exists() -> None:
    known = {
        "app": set(app.commands),
        "make": set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)),
    }
    # What a changelog tells of was once.
    pages = [page for page in PAGES if page.name != "CHANGELOG.md"]
    told = [(page, program, name) for page in pages for program in known for name in commands(page, program)]

    assert [
        (str(page.relative_to(ROOT)), program, name) for page, program, name in told if name not in known[program]
    ] == []
    assert len(told) > 50


def test_the_maps_name_places_that_exist() -> None:
    named = {
        page: re.findall(r"\b(?:domain|application|adapters|entrypoints)/[\w./]*\w", page.read_text()) for page in MAPS
    }
    gone = {
        page.name: [place for place in places if not (ROOT / "src/messaging" / place).exists()]
        for page, places in named.items()
    }

    assert gone == {page.name: [] for page in MAPS}
    assert all(len(places) > 10 for places in named.values())
