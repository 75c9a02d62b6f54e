"""Mutation testing: changes one token of the core at a time and tells whether the unit tests alone notice.

What can be changed is found by `mutations.py`. Every mutant is written into a copy of the checkout in a temporary
directory; the checkout itself is never changed. The test files that import the mutated module run first, then all other
unit tests, each time up to the first failure. A test that hangs has noticed. `equivalent_mutants.toml` names mutants
that no test could notice, with the reason; they are shown and not counted.

    python -m scripts.mutate --n 60 --seed 7

The same seed chooses the same mutants of the same sources. Exit status: 0 if enough were noticed, 1 if not, 2 if the
unit tests fail without any mutation.
"""

from __future__ import annotations

import argparse
import ast
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from scripts.mutations import Key, Mutant, all_mutants, chosen, equivalents

CHECKOUT = Path(__file__).resolve().parent.parent
EQUIVALENTS = Path(__file__).with_name("equivalent_mutants.toml")
TESTS = "tests/unit"
ENOUGH = 0.8
# Seconds that one test, and one run of the tests, may take; whatever takes longer hangs.
TEST_TIMEOUT, RUN_TIMEOUT = 60, 900
# Plugins that unit tests do without, and that take longer to load than most runs.
NOT_NEEDED = ("-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:faker", "-p", "no:xdist")


class Copy:
    """A copy of the checkout that one mutant at a time is written into; all but sources and tests is only linked."""

    def __init__(self, checkout: Path, at: Path) -> None:
        self.root = at
        at.mkdir()
        for entry in checkout.iterdir():
            if entry.name in ("src", "tests"):
                shutil.copytree(entry, at / entry.name)
            elif entry.name != ".git" and not entry.name.endswith("_cache") and entry.name != ".hypothesis":
                (at / entry.name).symlink_to(entry)

    def noticed(self, mutant: Mutant) -> str | None:
        """The first test that fails with the mutant; None if all pass."""
        file = self.root / mutant.file
        source, written = file.read_bytes(), file.stat()
        near, far = near_and_far(self.root, mutant.file, TESTS)
        file.write_bytes(source[: mutant.start] + mutant.text.encode() + source[mutant.end :])
        try:
            return self.first_failure(near) or self.first_failure(far)
        finally:
            file.write_bytes(source)
            # With its old time the source fits its bytecode again.
            os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))

    def first_failure(self, tests: Sequence[str], *, keep_bytecode: bool = False) -> str | None:
        """The first of these test files' tests that fails; None if all pass or there are none.

        Bytecode of a mutant must not be kept: the next one may have the same size and be written in the same second.
        """
        if not tests:
            return None
        options = ("-q", "-x", "--tb=no", *NOT_NEEDED, f"--timeout={TEST_TIMEOUT}", "--hypothesis-seed=0")
        run = subprocess.Popen(
            (sys.executable, "-m", "pytest", *options, *tests),
            cwd=self.root,
            env={
                **os.environ,
                "PYTHONPATH": str(self.root / "src"),
                "PYTHONDONTWRITEBYTECODE": "" if keep_bytecode else "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = run.communicate(timeout=RUN_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            return f"more than {RUN_TIMEOUT} s"
        if run.returncode == 0:
            return None
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
        return failed[1] if failed else output.strip().rsplit("\n", 1)[-1] or f"exit status {run.returncode}"


# --- which tests come first -------------------------------------------------------------------------------------------


def near_and_far(root: Path, file: str, tests: str) -> tuple[list[str], list[str]]:
    """The test files that import the mutated one, and all others; both with the nearest first."""
    imported_by = _importers(root)
    distance, ring = {file: 0}, [file]
    while ring:
        ring = sorted({user for it in ring for user in imported_by.get(it, ())} - distance.keys())
        distance |= dict.fromkeys(ring, max(distance.values()) + 1)
    every = sorted(str(path.relative_to(root)) for path in (root / tests).rglob("test_*.py"))
    every.sort(key=lambda it: distance.get(it, len(distance)))
    return [it for it in every if distance.get(it) == 1], [it for it in every if distance.get(it) != 1]


@cache
def _importers(root: Path) -> dict[str, set[str]]:
    names = {
        ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__"): str(path.relative_to(root))
        for base in (root / "src", root)
        for path in [*(root / "src").rglob("*.py"), *(root / "tests").rglob("*.py")]
        if path.is_relative_to(base)
    }
    importers: dict[str, set[str]] = {}
    for user in set(names.values()):
        for name in _imports(ast.parse((root / user).read_bytes())):
            if name in names:
                importers.setdefault(names[name], set()).add(user)
    return importers


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# --- the run ----------------------------------------------------------------------------------------------------------


def main() -> int:
    options = _options()
    known = equivalents(EQUIVALENTS)
    mutants = [it for it in all_mutants(CHECKOUT) if options.only in it.file]
    picked = chosen(mutants, options.n, options.seed)
    if options.list:
        print(*(f"{_place(mutant)}  {known.get(mutant.key(), '')}".rstrip() for mutant in picked), sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutate-") as directory:
        first = Copy(CHECKOUT, Path(directory) / "1")
        if problem := first.first_failure([TESTS], keep_bytecode=True):
            print(f"Nothing was mutated yet, and the unit tests fail: {problem}. See `make check`.", file=sys.stderr)
            return 2
        more = [Copy(first.root, Path(directory) / str(number)) for number in range(2, options.processes + 1)]
        return _report(picked, known, [first, *more])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=60, help="number of mutants")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="chooses the mutants")
    parser.add_argument("--only", default="", help="a part of the path of the files to mutate, such as domain/messages")
    parser.add_argument("--processes", type=int, default=2, help="mutants tried at the same time")
    parser.add_argument("--list", action="store_true", help="show the chosen mutants and stop")
    return parser.parse_args()


def _report(picked: Sequence[Mutant], known: Mapping[Key, str], copies: Sequence[Copy]) -> int:
    idle: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        idle.put(copy)

    def tried(mutant: Mutant) -> tuple[str, str]:
        if reason := known.get(mutant.key()):
            return "equivalent", reason
        copy = idle.get()
        try:
            noticed = copy.noticed(mutant)
        finally:
            idle.put(copy)
        return ("noticed", noticed) if noticed else ("survived", "")

    counts = {"noticed": 0, "survived": 0, "equivalent": 0}
    with ThreadPoolExecutor(len(copies)) as pool:
        for mutant, (verdict, why) in zip(picked, pool.map(tried, picked), strict=True):
            counts[verdict] += 1
            print(f"{verdict:10} {_place(mutant)}  {why}".rstrip(), flush=True)
    judged = counts["noticed"] + counts["survived"]
    ratio = counts["noticed"] / judged if judged else 1.0
    print(f"noticed {counts['noticed']} of {judged} ({ratio:.0%}), {counts['equivalent']} equivalent; bar {ENOUGH:.0%}")
    return 0 if ratio >= ENOUGH else 1


def _place(mutant: Mutant) -> str:
    return f"{mutant.file}:{mutant.line}  {mutant.function}:  {mutant.before}  →  {mutant.after}"


if __name__ == "__main__":
    sys.exit(main())
