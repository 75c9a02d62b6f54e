"""Does every code that the platform can answer with have a page, and every page a code?"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.domain.shared.errors import DomainError
from messaging.entrypoints.api.edge.errors import PROBLEMS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/messaging"
PAGES = ROOT / "docs/problems"
# The sandbox answers as a provider does, with that provider's codes.
SANDBOX = SOURCE / "entrypoints/sandbox"
SECTIONS = ("## Why", "## How to fix it", "## Example")


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if SANDBOX not in path.parents:
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def refusals() -> dict[str, bool]:
    """Exceptions that carry a public code, and whether callers give it as the first argument."""
    found = {DomainError.__name__: True}
    size = 0
    while size < len(found):
        size = len(found)
        for _, tree in trees():
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef) and {ast.unparse(base) for base in node.bases} & found.keys():
                    found[node.name] = not any(isinstance(part, ast.FunctionDef) for part in node.body)
    return found


def code_expressions() -> Iterator[tuple[str, ast.expr]]:
    """Where codes of violations and of refusals are given: (place, expression)."""
    raised = refusals()
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name in raised and node.name != DomainError.__name__:
                yield from ((f"{name}:{call.lineno}", call.args[0]) for call in super_calls(node))
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in {"Violation", "Finding"}:
                yield from ((f"{name}:{node.lineno}", word.value) for word in node.keywords if word.arg == "code")
            elif raised.get(called) and node.args:
                yield f"{name}:{node.lineno}", node.args[0]


def super_calls(node: ast.ClassDef) -> list[ast.Call]:
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call) and call.args]
    return [call for call in calls if ast.unparse(call.func) == "super().__init__"]


def constants(expression: ast.expr) -> set[str] | None:
    """The codes an expression can be; empty for one that passes on another's code, None for one nobody can read."""
    match expression:
        case ast.Constant(value=str() as code):
            return {code}
        case ast.IfExp(body=body, orelse=orelse):
            one, other = constants(body), constants(orelse)
            return None if one is None or other is None else one | other
        case ast.Attribute(attr="code"):
            return set()
        case _:
            return None


def used_codes() -> set[str]:
    found = set(PROBLEMS)
    for place, expression in code_expressions():
        codes = constants(expression)
        assert codes is not None, f"{place}: a code must be written out, so that it can be found and documented"
        found |= codes
    return found


def pages() -> set[str]:
    return {path.stem for path in PAGES.glob("*.md")} - {"README"}


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    used, written = used_codes(), pages()

    assert {"validation_failed", "variable_missing", "wrong_type", "state_conflict", "provider_refused"} <= used
    assert sorted(used - written) == [], "codes without a page"
    assert sorted(written - used) == [], "pages of codes that nobody uses"


@pytest.mark.parametrize("code", sorted(pages()))
def test_a_page_says_why_and_how_to_fix_it_with_an_example(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text()
    positions = [text.find(section) for section in SECTIONS]

    assert text.startswith(f"# {code}\n\n**")
    assert -1 not in positions
    assert positions == sorted(positions)
    assert "```" in text[positions[-1] :]


def test_a_page_of_a_whole_problem_tells_its_http_status() -> None:
    wrong = [
        code for code, kind in PROBLEMS.items() if f"\nHTTP {kind.status}, " not in (PAGES / f"{code}.md").read_text()
    ]

    assert wrong == []


def test_the_index_links_every_page_once_and_nothing_else() -> None:
    linked = re.findall(r"\| \[(\w+)\]\((\w+)\.md\)", (PAGES / "README.md").read_text())

    assert all(label == target for label, target in linked)
    assert sorted(target for _, target in linked) == sorted(pages())


def test_codes_are_snake_case() -> None:
    assert [code for code in pages() if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code)] == []


def message_error_codes() -> Iterator[str]:
    """Codes that messages carry when something of ours, not the provider, explains their failure."""
    named = {"ProviderError", "Uncertain", "Unreachable", "NotSent"}
    for _, tree in trees():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=name), keywords=words) if name in named:
                    given = [word.value for word in words if word.arg == "code"]
                case ast.Call(func=ast.Name(id="_never" | "_later" | "Hold"), args=[first, *_]):
                    given = [first]
                case ast.Call(func=ast.Name(id="_contradiction"), args=[_, second, *_]):
                    given = [second]
                case ast.ClassDef(name=name, body=body) if name in named:
                    given = [part.value for part in body if isinstance(part, ast.AnnAssign) and part.value is not None]
                    given = [value for value in given if constants(value)]
                case _:
                    continue
            for value in given:
                yield from constants(value) or ()


def test_the_index_explains_our_own_codes_on_messages() -> None:
    section = (PAGES / "README.md").read_text().partition("## Codes on messages")[2]
    explained = set(
        re.findall(r"`([a-z_]+)`", "\n".join(line.split("|")[1] for line in section.splitlines() if "|" in line))
    )
    used = set(message_error_codes())

    assert {"expired", "poison", "outcome_unknown", "undecryptable"} <= used
    assert sorted(used - explained) == []
    assert sorted(explained - used) == []
