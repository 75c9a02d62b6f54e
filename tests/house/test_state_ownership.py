"""Is `state.advance` the only place where a message gets a new state?

Everybody may read and compare states. To write one of one's own, instead of one the core decided, is how a lifecycle
ends up scattered over repositories.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.domain.messages.state import State

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/messaging"
OWNER = SOURCE / "domain/messages/state.py"
# The draft asks `advance` and keeps what it answers; nobody else orders a change.
DRAFT = SOURCE / "domain/messages/change_builder.py"
# It plays a provider and knows our messages no more than a provider does.
SANDBOX = SOURCE / "entrypoints/sandbox"

NAMES = "|".join(State)
SET_CLAUSE = re.compile(r"\bSET\b(.*?)(?:\bWHERE\b|\bFROM\b|\bRETURNING\b|\Z)", re.DOTALL)
LITERAL_STATE = re.compile(rf"\bstate\s*=\s*(?:CASE\b.*)?'(?:{NAMES})'", re.DOTALL)


def modules() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if SANDBOX not in path.parents)


def offences(tree: ast.AST) -> Iterator[str]:
    """Places where a state is written that nobody decided."""
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="state" | "status", value=value) if is_literal_state(value):
                yield f"line {value.lineno}: a literal state is passed"
            case ast.Assign(targets=[ast.Attribute(attr="state"), *_], value=value) if is_literal_state(value):
                yield f"line {node.lineno}: a literal state is assigned"
            case ast.Call(func=ast.Name(id="Move" | "Change" as name)):
                yield f"line {node.lineno}: {name} is made by hand"
            case ast.Call(func=ast.Attribute(attr="Move" | "Change" as name)):
                yield f"line {node.lineno}: {name} is made by hand"
            case ast.Constant(value=str() as text) if sets_a_state(text):
                yield f"line {node.lineno}: SQL sets a literal state"


def is_literal_state(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="State" | "S"), attr=attr):
            return attr in State.__members__
        case ast.Constant(value=str() as text):
            return text in set(State)
        case ast.IfExp(body=body, orelse=orelse):
            return is_literal_state(body) or is_literal_state(orelse)
        case _:
            return False


def sets_a_state(text: str) -> bool:
    return "UPDATE" in text and any(LITERAL_STATE.search(clause) for clause in SET_CLAUSE.findall(text))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_writes_a_state_of_its_own(path: Path) -> None:
    if path in (OWNER, DRAFT):
        return
    assert list(offences(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "snippet",
    [
        "replace(standing, state=State.DEAD)",
        "MessageRow(state='sent')",
        "row.state = State.QUEUED",
        "row.state = State.SENT if ok else row.state",
        "state.Move(State.SENT)",
        "Change(key=key, state=standing.state)",
        "SQL = \"UPDATE messages SET seq = 2, state = 'dead' WHERE id = $1\"",
        "SQL = \"UPDATE messages SET state = CASE WHEN x THEN 'sent' ELSE state END\"",
    ],
)
def test_the_check_finds_what_it_looks_for(snippet: str) -> None:
    assert list(offences(ast.parse(snippet)))


@pytest.mark.parametrize(
    "snippet",
    [
        "if change.state is State.DEAD: pass",
        "MessageRow(state=State(row['state']))",
        "Message(state=initial(scheduled=True))",
        "SQL = \"UPDATE messages SET seq = 2 WHERE state = 'dead'\"",
        "SQL = \"UPDATE messages m SET state = c.state FROM changes c WHERE m.state = 'queued'\"",
    ],
)
def test_the_check_lets_readers_be(snippet: str) -> None:
    assert list(offences(ast.parse(snippet))) == []


def test_the_draft_takes_its_states_from_advance_alone() -> None:
    tree = ast.parse(DRAFT.read_text())
    (builder,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "ChangeBuilder")
    assigned = [
        ast.unparse(node.value)
        for node in ast.walk(builder)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "self.state"
    ]

    assert assigned == ["message.state", "state"]
    assert "match advance(self.state, signal):" in ast.unparse(builder)
