"""The sub-rooms of the posteriors import one another in one direction."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "bal" / "posteriors"
# sub-room -> those that it may import, beside the contract, which lies above them
ALLOWED = {
    "training": set(),
    "closed_form": {"training"},
    "neural": {"training"},
    "programs": {"training"},
    "sampling": {"training"},
}
FILES = [path for path in ROOT.rglob("*.py") if path.parent != ROOT]


def test_every_sub_room_has_a_place_in_the_order():
    assert {path.parent.name for path in FILES} == set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sub_rooms_import_one_way(path):
    modules = [node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    parts = [module.split(".")[2] for module in modules if module.startswith("bal.posteriors.")]
    imported = {part for part in parts if not part.startswith("_")}
    assert imported <= ALLOWED[path.parent.name] | {path.parent.name}
    # From the room as a whole nothing is imported: it imports everything.
    assert "bal.posteriors" not in modules
