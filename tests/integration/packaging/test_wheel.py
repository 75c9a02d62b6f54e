"""The wheel is whole: installed alone, far from the checkout, it has its licence, its migrations and its pages."""

import json
import os
import subprocess
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import asyncpg
import pytest

from messaging.adapters.postgres.schema.revisions import head

ROOT = Path(__file__).resolve().parents[3]
BUILD = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
MIGRATE = """
import messaging, sys
from messaging.entrypoints.api.reference.problems import page_of
from messaging.entrypoints.cli import main
print(messaging.__file__, page_of("not_found").splitlines()[0], file=sys.stderr)
main()
"""


def python(*arguments: str, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("APP_", "PYTHON"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=clean | environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with nothing but what the wheel brings."""
    target, wheels = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("wheels")
    wheel = python("-c", BUILD, str(wheels), cwd=ROOT).stdout.split()[-1]
    python(
        "-m", "pip", "install", "--no-compile", "--no-deps", "--no-index", "--target", str(target), wheel, cwd=wheels
    )
    return target


async def test_a_wheel_installed_alone_migrates_a_database(
    installed: Path, empty_database: str, tmp_path: Path
) -> None:
    ended = python(
        "-c", MIGRATE, "migrate", "--json", cwd=tmp_path, PYTHONPATH=str(installed), APP_DATABASE_URL=empty_database
    )

    assert str(installed / "messaging") in ended.stderr
    assert "# not_found" in ended.stderr
    assert json.loads(ended.stdout) == {"before": None, "now": head()}
    connection = await asyncpg.connect(empty_database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM messages") == 0
    finally:
        await connection.close()


def test_a_wheel_carries_its_licence_and_says_which_it_is(installed: Path) -> None:
    (info,) = installed.glob("messaging-*.dist-info")
    distribution = PathDistribution(info)

    assert distribution.metadata["License-Expression"] == "Apache-2.0"
    text = (info / "licenses/LICENSE").read_text()
    assert text == (ROOT / "LICENSE").read_text()
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_a_wheel_has_no_tests_and_nothing_beside_the_package(installed: Path) -> None:
    found = sorted(path.name for path in installed.iterdir() if not path.name.startswith(("messaging-", "bin")))

    assert found == ["messaging"]
