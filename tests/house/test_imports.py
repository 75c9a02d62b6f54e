"""Does the core know anything but the standard library, msgspec and a few pure libraries, and are contracts kept?

The contracts in pyproject.toml forbid what they name; this closes the list from the other side.
"""

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {
    "messaging.domain": {"email_validator", "minijinja", "msgspec", "phonenumbers"},
    "messaging.application": {"msgspec"},
}
# A core that reads clocks, dice or the outside world cannot be told what time it is by a test.
IMPURE = {"asyncio", "logging", "os", "random", "secrets", "socket", "time", "subprocess", "threading", "uuid_utils"}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("messaging", include_external_packages=True)


def foreign_imports(graph: grimp.ImportGraph, package: str) -> dict[str, set[str]]:
    """Top-level names from outside that the package's modules import, each with the importers."""
    found: dict[str, set[str]] = {}
    for module in [package, *graph.find_descendants(package)]:
        for imported in graph.find_modules_directly_imported_by(module):
            top = imported.partition(".")[0]
            if top != "messaging":
                found.setdefault(top, set()).add(module)
    return found


@pytest.mark.parametrize(("package", "allowed"), list(ALLOWED.items()))
def test_the_core_stands_on_the_standard_library_and_little_else(
    graph: grimp.ImportGraph, package: str, allowed: set[str]
) -> None:
    imported = foreign_imports(graph, package)

    assert allowed <= set(imported)
    assert {name: by for name, by in imported.items() if name not in allowed | sys.stdlib_module_names} == {}


def test_numbering_plans_are_known_to_one_module(graph: grimp.ImportGraph) -> None:
    # Decision 24: a table of public facts, as the time zones are; everybody else sees our own words for it.
    imported = foreign_imports(graph, "messaging")

    assert imported["phonenumbers"] == {"messaging.domain.channels.addresses.numbering"}


def test_the_grammar_of_mail_is_known_to_one_module(graph: grimp.ImportGraph) -> None:
    # The library is asked about the form of an address only; it never looks up a name (decision 24).
    imported = foreign_imports(graph, "messaging")

    assert imported["email_validator"] == {"messaging.domain.channels.addresses.email_address"}


def test_the_template_engine_is_known_to_one_module(graph: grimp.ImportGraph) -> None:
    # Decision 34: a pure function from source and values to text; everybody else sees `render` and `Fault`.
    imported = foreign_imports(graph, "messaging")

    assert imported["minijinja"] == {"messaging.domain.templates.own.engine"}


def test_the_domain_reads_no_clock_rolls_no_dice_and_touches_nothing(graph: grimp.ImportGraph) -> None:
    imported = foreign_imports(graph, "messaging.domain")

    assert {name: by for name, by in imported.items() if name in IMPURE} == {}


def test_the_domain_never_asks_what_time_or_which_id_it_is() -> None:
    calls = ("datetime.now(", "datetime.utcnow(", "uuid4(", "uuid7(", "uuid1(", "date.today(")
    sources = {path: path.read_text() for path in (ROOT / "src/messaging/domain").rglob("*.py")}

    assert sources
    assert [(path.name, call) for path, text in sources.items() for call in calls if call in text] == []


def test_the_architectures_contracts_are_kept() -> None:
    command = Path(sys.executable).with_name("lint-imports")

    result = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout
