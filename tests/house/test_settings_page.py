"""docs/settings.md lists exactly the settings there are, with their defaults and meanings."""

from pathlib import Path

from messaging.entrypoints.composition.providers import settings_groups
from messaging.entrypoints.settings.shown import describe

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_settings_page_has_one_line_per_setting() -> None:
    expected = [f"| `{it.name}` | {it.default} | {it.description} |" for it in describe(settings_groups())]

    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `APP_")]

    assert rows == expected
