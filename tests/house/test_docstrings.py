"""Every module opens with a plain statement of what it does: a docstring that is not empty and asks nothing."""

import ast
from pathlib import Path

import messaging

SOURCES = Path(messaging.__file__).parent


def test_every_module_opens_with_a_statement() -> None:
    silent, asking = [], []
    for path in _modules():
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        opening = docstring.strip().split("\n\n")[0]
        if not opening:
            silent.append(path.relative_to(SOURCES).as_posix())
        if "?" in opening:
            asking.append(path.relative_to(SOURCES).as_posix())

    assert silent == [], "say in a sentence what these modules do"
    assert asking == [], "state what these modules do instead of asking"


def _modules() -> list[Path]:
    """All modules of the package; an empty `__init__.py` holds nothing that could be described."""
    found = sorted(SOURCES.rglob("*.py"))
    assert found, "no modules were found"
    return [path for path in found if path.name != "__init__.py" or path.read_text().strip()]
