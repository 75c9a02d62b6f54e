"""Nothing that a tenant can ask is added without deciding what it shows of the other mode."""

import ast
from pathlib import Path

import messaging
from messaging.entrypoints.api.reference.openapi import routes
from tests.integration.api.modes.decisions import DECISIONS

SOURCES = Path(messaging.__file__).parent

# A tenant's keys are issued, listed and revoked by the platform's administrators, whose keys have no mode.
IN_BOTH_MODES = {
    "application/access/issue_key.py",
    "application/tenants/queries.py",
    "application/access/revoke_key.py",
}
# Where the word is defined, and where its meaning is carried out.
MEANING = {"domain/shared/mode.py"}


def test_every_operation_of_tenants_has_been_asked_about_the_other_mode() -> None:
    operations = {route.operation.id for route in routes() if not route.admin}

    assert sorted(operations - set(DECISIONS)) == [], "add them to tests/integration/api/modes/decisions.py"
    assert sorted(set(DECISIONS) - operations) == [], "decisions about operations that do not exist"


def test_only_the_listed_work_sees_both_modes() -> None:
    using = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if any(isinstance(node, ast.Name) and node.id == "BOTH_MODES" for node in ast.walk(ast.parse(path.read_text())))
    }

    assert using - MEANING == IN_BOTH_MODES
