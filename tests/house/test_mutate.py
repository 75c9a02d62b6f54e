"""The mutation tool changes what behaves and leaves texts alone; its list of equivalent mutants is current."""

from pathlib import Path
from textwrap import dedent

import pytest

from scripts.mutate import CHECKOUT, EQUIVALENTS, Copy, near_and_far
from scripts.mutations import all_mutants, chosen, equivalents, mutants_of


def changes(body: str) -> list[tuple[str, str]]:
    """What may become of a function with this body."""
    source = "def decide(a, b):\n" + "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    return [(mutant.before, mutant.after) for mutant in mutants_of("decide.py", source.encode())]


@pytest.mark.parametrize(
    "expression, others",
    [
        ("a < b", ["a <= b", "a >= b"]),
        ("a is None", ["a is not None"]),
        ("a not in b", ["a in b"]),
        ("a and b", ["a or b"]),
        ("not a", ["a"]),
        ("a + b", ["a - b"]),
        ("min(a, b)", ["max(a, b)"]),
        ("a if b else None", ["a if not (b) else None"]),
        ("f(timeout=1.5)", ["f(timeout=3.0)"]),
        ("f(a[1:])", ["f(a[0:])", "f(a[2:])"]),
        ("f(dry_run=True)", ["f(dry_run=False)"]),
    ],
)
def test_one_token_is_changed(expression: str, others: list[str]) -> None:
    mutants = mutants_of("decide.py", f"def decide(a, b):\n    return {expression}\n".encode())
    source = f"def decide(a, b):\n    return {expression}\n"

    mutated = [source[: it.start] + it.text + source[it.end :] for it in mutants]

    assert mutated == [f"def decide(a, b):\n    return {other}\n" for other in others]


@pytest.mark.parametrize(
    "body",
    [
        '"""More than 3 of a and b."""',
        'raise ValueError(f"{a} of {b + 1}")',
        'return "a" + b',
        "assert a is not None",
        'log.info("sent", extra={"count": 1})',
        'a: Literal[1] = "x"',
        "def inner(c=1) -> Literal[2]: ...",
    ],
)
def test_texts_types_and_defaults_are_left_alone(body: str) -> None:
    assert changes(body) == []


def test_what_is_declared_outside_functions_is_left_alone() -> None:
    assert mutants_of("rules.py", b"LIMIT = 5\n\nclass Rule:\n    failures: int = LIMIT + 1\n") == []


def test_a_word_in_a_comment_is_no_operator() -> None:
    assert changes("return (a\n# this and that\nand b)") == [
        ("a # this and that and b", "a # this and that or b"),
    ]


def test_the_same_seed_chooses_the_same_mutants() -> None:
    mutants = all_mutants(CHECKOUT)

    assert chosen(mutants, 20, 7) == chosen(mutants, 20, 7) != chosen(mutants, 20, 8)


def test_every_listed_equivalent_names_a_mutant_that_exists() -> None:
    """One whose code has changed must be judged anew."""
    listed = equivalents(EQUIVALENTS)

    assert listed.keys() <= {mutant.key() for mutant in all_mutants(CHECKOUT)}
    assert all(listed.values())


SOURCE = """
def is_adult(age):
    return age >= 18

def is_idle(count):
    return count >= 0
"""
TEST = """
from tiny.domain.people import is_adult, is_idle

def test_adults_are_eighteen():
    assert is_adult(18) and not is_adult(17) and is_idle(5)
"""


def test_a_mutant_is_noticed_or_survives_in_a_copy_alone(tmp_path: Path) -> None:
    checkout = a_checkout(tmp_path / "checkout")
    copy = Copy(checkout, tmp_path / "copy")
    boundary, idle = (
        next(it for it in all_mutants(checkout) if it.after == after) for after in ("age > 18", "count > 0")
    )

    assert copy.noticed(boundary) == "tests/unit/test_people.py::test_adults_are_eighteen"
    assert copy.noticed(idle) is None
    assert (checkout / boundary.file).read_text() == SOURCE


def test_those_who_import_a_module_are_asked_first(tmp_path: Path) -> None:
    checkout = a_checkout(tmp_path)
    (checkout / "tests/unit/test_a_stranger.py").write_text("")

    assert near_and_far(checkout, "src/tiny/domain/people.py", "tests/unit") == (
        ["tests/unit/test_people.py"],
        ["tests/unit/test_a_stranger.py"],
    )


def a_checkout(root: Path) -> Path:
    for name, text in {
        "src/tiny/__init__.py": "",
        "src/tiny/domain/__init__.py": "",
        "src/tiny/domain/people.py": SOURCE,
        "tests/unit/test_people.py": TEST,
        "pytest.ini": "[pytest]\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root
