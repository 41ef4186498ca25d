"""The rooms import one another in one direction only, and heavy packages only where they are needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# room -> rooms of bal that it may import. A room is a file or a folder of bal.
ALLOWED = {
    "types": set(),
    "validation": set(),
    "precision": set(),
    "factorisation": set(),
    "digests": set(),
    "neighbours": set(),
    "regions": {"types", "sources"},
    "augmentation": {"types"},
    "information": {"types", "precision", "streaming"},
    "detection": {"types", "information"},
    "acquisition": {"types", "precision", "information", "detection"},
    "selection": {"types", "precision", "factorisation", "information", "acquisition", "streaming"},
    "autolabel": {"types", "information", "acquisition", "selection"},
    "metrics": {"types", "information", "detection"},
    "stopping": {"types", "information"},
    "likelihoods": {"types", "information", "detection", "metrics"},
    "networks": {"types", "regions"},
    "posteriors": {"types", "precision", "factorisation", "information", "metrics", "likelihoods", "networks"},
    "processes": {"digests"},
    "sources": {"types", "digests", "processes"},
    "memory": {"types"},
    "streaming": {"types", "memory", "processes", "regions", "sources"},
    "pool": {"types", "streaming"},
    "initial": {"types", "streaming", "pool"},
    "refit": {"types"},
    "view": {"types", "pool", "selection", "streaming"},
    "strategies": {
        "types",
        "precision",
        "information",
        "detection",
        "acquisition",
        "selection",
        "sources",
        "streaming",
        "view",
    },
    "accumulation": {"types", "memory", "streaming"},
    "evaluation": {"types", "accumulation", "metrics", "likelihoods", "posteriors", "streaming"},
    "automatic": {"types", "autolabel", "streaming", "view"},
    "watching": {"types", "acquisition", "information", "metrics", "pool", "stopping", "streaming", "view"},
    "oracle": {"types", "pool", "streaming"},
    "loop": {
        "types",
        "automatic",
        "evaluation",
        "oracle",
        "pool",
        "initial",
        "likelihoods",
        "memory",
        "posteriors",
        "processes",
        "regions",
        "selection",
        "sources",
        "strategies",
        "streaming",
        "view",
        "watching",
    },
    "planning": {"types", "loop", "memory", "sources", "streaming", "view"},
    "datasets": {"types", "regions", "sources"},
    "labelling": {
        "types",
        "acquisition",
        "detection",
        "initial",
        "loop",
        "metrics",
        "pool",
        "sources",
        "streaming",
        "view",
    },
}
# The studies stand above all other rooms.
ALLOWED["studies"] = set(ALLOWED)
ALLOWED["__main__"] = {"studies"}
# package -> the only room that may import it at the top of a file
HEAVY = {
    "flax": "networks",
    "equinox": None,
    "numpyro": None,
    "tensorflow_datasets": None,
    "mlxtend": None,
    "sklearn": None,
    "PIL": None,
    "nibabel": None,
    "matplotlib": "studies",
    "pandas": "studies",
    "pyarrow": "studies",
    "scipy": "studies",
    "tyro": "studies",
    "rich": "studies",
    "filelock": "studies",
    "anywidget": "labelling",
    "traitlets": "labelling",
    "faiss": None,
    "submitit": None,
    "ray": None,
    "jinja2": None,
    "plotly": None,
}


def imported_modules(path: Path, *, top_level_only: bool) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files():
    return [path for path in (ROOT / "bal").rglob("*.py") if path != ROOT / "bal" / "__init__.py"]


def room(path: Path) -> str:
    return path.relative_to(ROOT / "bal").parts[0].removesuffix(".py")


def test_every_room_has_a_place_in_the_order():
    assert {room(path) for path in files()} == set(ALLOWED)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_import_one_way(path):
    for name in imported_modules(path, top_level_only=False):
        parts = name.split(".")
        if name == "bal":
            assert room(path) in {"studies", "__main__"}, f"{path} imports the whole of bal"
        elif parts[0] == "bal":
            # Every room may check its input.
            assert parts[1] in ALLOWED[room(path)] | {room(path), "validation"}, f"{path} imports {name}"
        assert parts[0] not in {"experiments", "tests"}


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_packages_are_imported_where_they_are_used(path):
    for name in imported_modules(path, top_level_only=True):
        package = name.split(".")[0]
        assert HEAVY.get(package, room(path)) == room(path), f"{path} imports {name} at its top"


def test_importing_bal_loads_nothing_heavy_and_starts_no_device():
    heavy = (
        "equinox",
        "numpyro",
        "tensorflow_datasets",
        "mlxtend",
        "matplotlib",
        "sklearn",
        "pandas",
        "torch",
        "anywidget",
        "scipy.stats",
        "tyro",
    )
    code = f"import sys, bal, jax; print([name for name in {heavy!r} if name in sys.modules]); "
    code += "print(jax._src.xla_bridge._backends)"
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert output.stdout.split() == ["[]", "{}"]


def test_the_project_does_not_refer_to_folders_outside_it():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    needle = "../" + "shared"
    for name in tracked:
        if name.endswith((".py", ".md", ".toml", "Makefile")):
            assert needle not in (ROOT / name).read_text(), name


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_one_concept_a_file_keeps_files_short(path):
    assert len(path.read_text().splitlines()) <= 250
