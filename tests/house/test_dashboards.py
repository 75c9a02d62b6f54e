"""The dashboards: Grafana's files are what the script writes, and show only what the processes tell."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml  # type: ignore[import-untyped]

from scripts.dashboard_panels import DASHBOARDS
from scripts.dashboards import FOLDER, document, files
from tests.prometheus import declared, promtool, undeclared

PROVISIONING: Final = FOLDER.parent / "provisioning"


class Query(NamedTuple):
    place: str
    expr: str
    legend: str


def queries() -> Iterator[Query]:
    for dashboard in DASHBOARDS:
        for panel in document(dashboard)["panels"]:
            for target in panel["targets"]:
                expr = target["expr"].replace("$__rate_interval", "5m")
                yield Query(f"{dashboard.title}: {panel['title']}", expr, target["legendFormat"])


def test_the_files_are_what_the_script_writes() -> None:
    written = {path.name: path.read_text() for path in FOLDER.glob("*.json")}

    assert written == files(DASHBOARDS), "run `python -m scripts.dashboards`"


def test_every_dashboard_can_be_told_from_the_others_and_takes_its_source_from_a_variable() -> None:
    read: list[dict[str, Any]] = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]

    assert len({each["uid"] for each in read}) == len(read) == len(DASHBOARDS) > 6
    for each in read:
        assert each["templating"]["list"][0]["name"] == "datasource"
        assert {panel["datasource"]["uid"] for panel in each["panels"]} == {"${datasource}"}


def test_every_panel_has_a_unit_and_a_title_of_its_own() -> None:
    for dashboard in DASHBOARDS:
        assert all(panel.unit for panel in dashboard.panels), dashboard.title
        assert len({panel.title for panel in dashboard.panels}) == len(dashboard.panels), dashboard.title
        assert len({tuple(place.items()) for place in _places(document(dashboard))}) == len(dashboard.panels)


def _places(read: dict[str, Any]) -> list[dict[str, int]]:
    return [panel["gridPos"] for panel in read["panels"]]


def test_expressions_and_legends_name_only_what_the_processes_tell() -> None:
    known = declared()
    faults = [(each.place, fault) for each in queries() for fault in undeclared(each.expr, known, legend=each.legend)]

    assert faults == []


def test_variables_are_labels_of_their_metrics_and_expressions_use_no_others() -> None:
    known = declared()
    for dashboard in DASHBOARDS:
        assert [it for it in dashboard.variables if it.name not in known[it.metric]] == []
        exprs = " ".join(expr for panel in dashboard.panels for expr, _ in panel.queries)
        used = set(re.findall(r"\$(\w+)", exprs)) - {"__rate_interval"}
        assert used == {variable.name for variable in dashboard.variables}, dashboard.title


def test_the_vendors_checker_reads_every_expression(tmp_path: Path) -> None:
    recording = [{"record": f"expr:{number}", "expr": query.expr} for number, query in enumerate(queries())]
    file = tmp_path / "expressions.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": recording}]}))

    checked = promtool("check", "rules", file)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert len(recording) > 60


def test_grafana_is_told_where_the_files_and_the_source_are() -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/messaging.yml").read_text())["providers"]
    (source,) = yaml.safe_load((PROVISIONING / "datasources/prometheus.yml").read_text())["datasources"]

    assert provider["type"] == "file"
    assert source["type"] == "prometheus"
