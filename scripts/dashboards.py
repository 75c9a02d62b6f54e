"""Writes the Grafana dashboards of deploy/grafana/dashboards from the panels in `dashboard_panels`.

    python -m scripts.dashboards

The JSON is what Grafana reads; it repeats data source, size and unit in every panel, so it is written and not typed. A
test compares the files with what this writes.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = Path(__file__).resolve().parents[1] / "deploy/grafana/dashboards"

_COLUMNS: Final = 24
_HEIGHT: Final = 8
_SCHEMA_VERSION: Final = 39
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


class Panel(NamedTuple):
    """A graph of `queries`, which are pairs of expression and legend. `unit` is one of Grafana's ids of units."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    about: str = ""
    width: int = 8
    kind: str = "timeseries"


class Variable(NamedTuple):
    """A choice of label values, those that `metric` has."""

    name: str
    metric: str


class Dashboard(NamedTuple):
    """One file. `uid` is fixed for ever, because links and bookmarks name it."""

    uid: str
    title: str
    about: str
    panels: Sequence[Panel]
    variables: tuple[Variable, ...] = ()


def document(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "uid": dashboard.uid,
        "title": f"Messaging / {dashboard.title}",
        "description": dashboard.about,
        "tags": ["messaging"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": False,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [{"type": "dashboards", "title": "Messaging", "tags": ["messaging"], "asDropdown": True}],
        "templating": {"list": [_SOURCE_VARIABLE, *map(_variable, dashboard.variables)]},
        "panels": list(_placed(dashboard.panels)),
    }


_SOURCE_VARIABLE: Final = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "hide": 0,
}


def _variable(variable: Variable) -> dict[str, Any]:
    query = f"label_values({variable.metric}, {variable.name})"
    return {
        "name": variable.name,
        "label": variable.name.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": "A"},
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _placed(panels: Sequence[Panel]) -> Iterator[dict[str, Any]]:
    """Panels from left to right, in rows of equal height."""
    x = y = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > _COLUMNS:
            x, y = 0, y + _HEIGHT
        yield _panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": _HEIGHT})
        x += panel.width


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "gridPos": place,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": {"fillOpacity": 8}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
        if panel.kind == "timeseries"
        else {"reduceOptions": {"calcs": ["lastNotNull"]}},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": expr, "legendFormat": legend}
            for place, (expr, legend) in enumerate(panel.queries)
        ],
    }


def files(dashboards: Sequence[Dashboard]) -> dict[str, str]:
    """The text of each file, by its name."""
    return {
        f"{re.sub(r'[^a-z]+', '-', dashboard.title.lower())}.json": json.dumps(document(dashboard), indent=1) + "\n"
        for dashboard in dashboards
    }


def main() -> None:
    from scripts.dashboard_panels import DASHBOARDS

    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files(DASHBOARDS).items():
        (FOLDER / name).write_text(text)
        print(FOLDER / name)


if __name__ == "__main__":
    main()
