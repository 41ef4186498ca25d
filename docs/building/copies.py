"""The notebooks and figures of the repository, where Sphinx finds them."""

import base64
import json
import shutil
from pathlib import Path

# Figures that the explanation shows: a line of the cell that draws them, and a name.
DRAWN = {
    "two_kinds": 'shades = {"levels": np.linspace(0, np.log(2), 15)}',
    "scores": "maps = dict(zip((*bal.acquisition.SCORES",
    "picks": "names = sorted(name for name",
}


def write(root: Path, target: Path) -> None:
    """Copy the executed notebooks and their figures, and unpack the figures of the second notebook."""
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        _copy(notebook, target / "notebooks" / notebook.name)
    for figure in sorted((root / "notebooks" / "figures").glob("*.png")):
        _copy(figure, target / "figures" / figure.name)
    cells = json.loads((root / "notebooks" / "02_seeing_uncertainty.ipynb").read_text())["cells"]
    for name, line in DRAWN.items():
        (cell,) = [cell for cell in cells if line in "".join(cell["source"])]
        (picture,) = [o["data"]["image/png"] for o in cell["outputs"] if "image/png" in o.get("data", {})]
        (target / "figures" / f"{name}.png").write_bytes(base64.b64decode("".join(picture)))


def _copy(source: Path, target: Path) -> None:
    # Sphinx reads again what has another time.
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
