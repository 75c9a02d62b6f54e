"""The pages behind `/problems/{code}`: what a code means, why it comes and how to mend it.

They are written in docs/problems, one Markdown file per code, and travel inside the installed package.
"""

import re
from functools import cache
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from markdown_it import MarkdownIt

_STYLE = (
    ":root{color-scheme:light dark}body{max-width:44rem;margin:3rem auto;padding:0 1rem;"
    "font:16px/1.6 system-ui,sans-serif}code,pre{font:14px/1.5 ui-monospace,monospace}"
    "pre{padding:1rem;overflow-x:auto;border:1px solid #8884;border-radius:6px}"
    "table{border-collapse:collapse}td,th{padding:.3rem .8rem .3rem 0;text-align:left;vertical-align:top}"
)


def page_of(code: str) -> str | None:
    """The page's Markdown; None for a code that has no page."""
    if not re.fullmatch(r"[a-z_]+", code):
        return None
    page = _pages() / f"{code}.md"
    return page.read_text(encoding="utf-8") if page.is_file() else None


def index() -> str:
    """The list of all codes, as Markdown."""
    return (_pages() / "README.md").read_text(encoding="utf-8")


def as_html(markdown: str, title: str) -> str:
    """A whole page for a browser, with links between the pages without their `.md`."""
    body = MarkdownIt("commonmark").enable("table").render(markdown.replace(".md)", ")"))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>{body}</body></html>'
    )


@cache
def _pages() -> Traversable:
    """The folder of the pages: inside the installed package, or in the checkout that the package is used from."""
    packaged = files("messaging.entrypoints.api.reference") / "problem_pages"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[5] / "docs" / "problems"
