"""A failed test of several processes runs once more on new services and is named in the end; no other test does."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = """
from tests.run_again import pytest_runtest_protocol as pytest_runtest_protocol
from tests.run_again import pytest_terminal_summary as pytest_terminal_summary
"""
TESTS = """
import itertools, pytest
services, tries = itertools.count(1), itertools.count(1)

@pytest.fixture(scope="session")
def service():
    return next(services)

@pytest.mark.several_processes
def test_fails_at_first(service):
    assert next(tries) == service == 2, "the first failure"

@pytest.mark.several_processes
def test_fails_always():
    assert False

@pytest.mark.several_processes
def test_passes(service):
    assert service == 3

def test_of_one_process():
    assert next(tries) == 4
"""


def test_what_failed_is_run_again_once_and_named(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = several_processes\n")

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    again = [line for line in ended.stdout.splitlines() if line.startswith("RUN AGAIN")]
    assert again == [f"RUN AGAIN test_it.py::{name}" for name in ("test_fails_at_first", "test_fails_always")]
    assert "the first failure" in ended.stdout
    assert "2 failed, 2 passed" in ended.stdout
