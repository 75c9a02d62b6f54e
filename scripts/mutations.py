"""Finds what can be mutated in the core: every one-token change of a source file, with its place.

Mutated are expressions inside functions of `domain` and `application`: comparisons, and/or, not, numbers, True/False,
plus/minus, min/max, any/all, and conditions, whose branches are swapped. Left alone are texts, docstrings, annotations,
defaults of parameters, asserts (they narrow types), arguments of log calls, and everything outside functions: what is
declared there are tables and tuning figures, and whether 0.5 should be 0.6 is for the bench to judge, not for a test.
"""

from __future__ import annotations

import ast
import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MUTATED = ("domain", "application")

COMPARISONS: Mapping[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: (r"is\s+not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: (r"not\s+in", ("in",)),
}
OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Key(NamedTuple):
    """Names a mutant whose file may move, `file` being its name without folders."""

    file: str
    function: str
    before: str
    after: str


@dataclass(frozen=True)
class Mutant:
    """`file` is relative to the checkout; bytes from `start` to `end` of it become `text`.

    `before` and `after` show the smallest expression that holds the change.
    """

    file: str
    line: int
    function: str
    before: str
    after: str
    start: int
    end: int
    text: str

    def key(self) -> Key:
        """What stays the same when lines move or the file goes to another folder."""
        return Key(Path(self.file).name, self.function, self.before, self.after)


class _Finder(ast.NodeVisitor):
    """Collects the mutants of one file."""

    def __init__(self, file: str, source: bytes) -> None:
        self.found: list[Mutant] = []
        self._file, self._source = file, source
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._parents: dict[ast.AST, ast.AST] = {}
        self._scope: list[str] = []
        self._functions = 0

    # --- where ------------------------------------------------------------------------------------------------------

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._inside(node.name, node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._functions += 1
        self._inside(node.name, node.body)
        self._functions -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the visitor's names

    def _inside(self, name: str, body: Sequence[ast.stmt]) -> None:
        self._scope.append(name)
        for statement in body:
            self.visit(statement)
        self._scope.pop()

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._parents[node.value] = node
            self.visit(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        """Asserts narrow types."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Texts are for people."""

    def generic_visit(self, node: ast.AST) -> None:
        self._parents |= dict.fromkeys(ast.iter_child_nodes(node), node)
        super().generic_visit(node)

    # --- what -------------------------------------------------------------------------------------------------------

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, node.comparators, strict=False):
            token, others = COMPARISONS[type(operator)]
            for other in others:
                self._between(node, left, right, token, other)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        token, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between(node, left, right, token, other)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        start = self._start(node)
        if isinstance(node.op, ast.Not) and (prefix := re.compile(rb"not\s*").match(self._source, start)):
            self._add(node, start, prefix.end(), "")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Add | ast.Sub) and not _is_text(node.left) and not _is_text(node.right):
            token, other = (r"\+", "-") if isinstance(node.op, ast.Add) else ("-", "+")
            self._between(node, node.left, node.right, token, other)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.op, ast.Add | ast.Sub) and not _is_text(node.value):
            token, other = (r"\+=", "-=") if isinstance(node.op, ast.Add) else ("-=", "+=")
            self._between(node, node.target, node.value, token, other)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        for other in _other_constants(node.value):
            self._add(self._parents.get(node, node), self._start(node), self._end(node), other)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "log":
            return
        if isinstance(function, ast.Name) and function.id in OPPOSITES:
            self._add(node, self._start(function), self._end(function), OPPOSITES[function.id])
        self.generic_visit(node)

    def visit_If(self, node: ast.If | ast.IfExp | ast.While) -> None:
        self._swap_branches(node.test)
        self.generic_visit(node)

    visit_IfExp = visit_While = visit_If  # noqa: N815 - the visitor's names

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for condition in node.ifs:
            self._swap_branches(condition)
        self.generic_visit(node)

    def _swap_branches(self, test: ast.expr) -> None:
        """A comparison and a `not` are turned round where they are."""
        if isinstance(test, ast.UnaryOp) or (isinstance(test, ast.Compare) and len(test.ops) == 1):
            return
        start, end = self._start(test), self._end(test)
        self._add(test, start, end, f"not ({self._source[start:end].decode()})")

    # --- how --------------------------------------------------------------------------------------------------------

    def _between(self, node: ast.AST, left: ast.expr, right: ast.expr, token: str, other: str) -> None:
        """The operator `token` between two operands becomes `other`."""
        first = self._end(left)
        gap = re.sub(rb"#[^\n]*", lambda comment: b" " * len(comment[0]), self._source[first : self._start(right)])
        if found := re.search(rf"(?<!\w){token}(?!\w)".encode(), gap):
            self._add(node, first + found.start(), first + found.end(), other)

    def _add(self, node: ast.AST, start: int, end: int, text: str) -> None:
        if not self._functions:
            return
        first, last = self._start(node), self._end(node)
        before = self._source[first:last].decode()
        after = (self._source[first:start] + text.encode() + self._source[end:last]).decode()
        line = self._source.count(b"\n", 0, start) + 1
        self.found.append(
            Mutant(self._file, line, ".".join(self._scope), _in_one_line(before), _in_one_line(after), start, end, text)
        )

    def _start(self, node: ast.AST) -> int:
        assert isinstance(node, ast.expr | ast.stmt | ast.keyword)
        return self._lines[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.AST) -> int:
        assert isinstance(node, ast.expr | ast.stmt | ast.keyword)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._lines[node.end_lineno - 1] + node.end_col_offset


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _other_constants(value: object) -> Sequence[str]:
    match value:
        case bool():
            return (str(not value),)
        case int():
            return (str(value + 1), str(value - 1)) if value > 0 else (str(value + 1),)
        case float():
            return (str(value * 2 or 1.0),)
        case _:
            return ()


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def mutants_of(file: str, source: bytes) -> list[Mutant]:
    """All mutants of one file, in the order of their places."""
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    return sorted(finder.found, key=lambda mutant: (mutant.start, mutant.end, mutant.text))


def all_mutants(root: Path) -> list[Mutant]:
    """Of every file of the mutated layers."""
    files = sorted(file for layer in MUTATED for file in root.glob(f"src/*/{layer}/**/*.py"))
    return [mutant for file in files for mutant in mutants_of(str(file.relative_to(root)), file.read_bytes())]


def equivalents(file: Path) -> dict[Key, str]:
    """The reasons of the mutants that no test could notice, by their keys."""
    listed = tomllib.loads(file.read_text()).get("mutant", [])
    return {Key(it["file"], it["function"], it["before"], it["after"]): it["reason"] for it in listed}


def chosen(mutants: Sequence[Mutant], n: int, seed: int) -> list[Mutant]:
    """`n` of them; the same ones for the same seed and the same sources."""
    return random.Random(seed).sample(list(mutants), min(n, len(mutants)))
