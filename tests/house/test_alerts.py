"""The alerts: every metric they name exists, every one has its runbook, and the vendor's checker runs their cases."""

from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest
import yaml  # type: ignore[import-untyped]

from tests.house.test_documents import anchors
from tests.prometheus import ROOT, RULES, alerts, declared, promtool, rules, undeclared

CASES: Final = tuple(RULES.with_name(name) for name in ("rules.test.yml", "budgets.test.yml"))


def test_rules_name_only_what_the_processes_tell() -> None:
    known = declared()
    wrong = {rule.get("alert", rule.get("record")): [*undeclared(rule["expr"], known)] for rule in rules()}

    assert len(known) > 30
    assert {name: faults for name, faults in wrong.items() if faults} == {}


def test_every_alert_says_how_urgent_it_is_what_is_wrong_and_what_to_do() -> None:
    for alert in alerts():
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert set(alert["annotations"]) == {"summary", "runbook"}, alert["alert"]
        assert alert["labels"]["severity"] in {"page", "ticket"}, alert["alert"]
        assert anchor in anchors(ROOT / page), alert["alert"]
    assert len({alert["alert"] for alert in alerts()}) == len(alerts())


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    cases: dict[str, set[bool]] = defaultdict(set)
    tests = [test for file in CASES for test in yaml.safe_load(file.read_text())["tests"]]
    for case in (case for test in tests for case in test["alert_rule_test"]):
        cases[case["alertname"]].add(bool(case["exp_alerts"]))

    assert dict(cases) == {alert["alert"]: {True, False} for alert in alerts()}


@pytest.mark.parametrize(
    "arguments", [("check", "rules", RULES), ("check", "config", RULES.with_name("prometheus.yml"))]
)
def test_the_vendors_checker_reads_the_files(arguments: tuple[str | Path, ...]) -> None:
    checked = promtool(*arguments)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_cases_come_out_as_they_say() -> None:
    tested = promtool("test", "rules", *CASES)

    assert tested.returncode == 0, tested.stdout + tested.stderr
