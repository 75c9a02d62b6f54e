"""The newest migration that this code knows, found without Alembic, whose import would slow every process's start."""

from pathlib import Path


def head() -> str:
    """The newest migration. The files are numbered in the order in which the migrations are applied."""
    return max(path.name.partition("_")[0] for path in (scripts() / "versions").glob("[0-9]*_*.py"))


def scripts() -> Path:
    """The directory of the migrations: beside the package in a wheel, at the top of the repository in a checkout."""
    package = Path(__file__).resolve().parents[3]
    candidates = (package / "migrations", package.parents[1] / "migrations")
    for candidate in candidates:
        if (candidate / "env.py").is_file():
            return candidate
    raise FileNotFoundError("there are no migrations in " + " or in ".join(map(str, candidates)))
