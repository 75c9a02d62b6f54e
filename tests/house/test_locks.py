"""Do the lock files say what pyproject.toml asks for, with hashes, and nothing about this or that machine?"""

import re
import tomllib
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted(ROOT.glob("requirements*.lock"))
PINNED = re.compile(r"^(?P<name>[a-z0-9-]+)(?:\[[^]]*\])?==(?P<version>[^ ]+)", re.MULTILINE)


def pins(lock: str) -> dict[str, Version]:
    text = (ROOT / lock).read_text()
    return {match["name"]: Version(match["version"]) for match in PINNED.finditer(text)}


def requirements(lines: list[object]) -> list[Requirement]:
    return [Requirement(line) for line in lines if isinstance(line, str)]


def assert_satisfied(wanted: list[Requirement], lock: str) -> None:
    pinned = pins(lock)
    unmet = [str(each) for each in wanted if pinned[each.name] not in each.specifier]
    assert unmet == []


def test_the_runtime_lock_satisfies_the_dependencies() -> None:
    assert_satisfied(requirements(PROJECT["project"]["dependencies"]), "requirements.lock")


def test_the_development_lock_satisfies_every_dependency() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    groups = PROJECT["dependency-groups"]
    everything = [*PROJECT["project"]["dependencies"], *chain(*extras), *groups["dev"], *groups["build"]]

    assert_satisfied(requirements(everything), "requirements-dev.lock")


def test_the_image_runs_the_versions_that_were_tested() -> None:
    tested = pins("requirements-dev.lock")

    assert {name: tested[name] for name in pins("requirements.lock")} == pins("requirements.lock")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_pin_has_a_hash_and_no_lock_names_a_place(lock: Path) -> None:
    text = lock.read_text()

    blocks = [block for block in re.split(r"\n(?=[a-z])", text) if PINNED.match(block)]
    assert blocks
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text


def test_the_queue_is_not_silently_downgraded() -> None:
    # A resolver that meets an unbounded `redis` picks arq 0.25 with redis 8, which do not work together.
    assert Version(version("arq")) >= Version("0.28")
    assert Version("5.2.1") <= Version(version("redis")) < Version("5.3")
