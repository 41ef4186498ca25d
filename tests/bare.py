"""A package ``bal`` that imports nothing by itself, for child processes that need a single module of it."""

from pathlib import Path

import bal

ROOMS = (".", "studies", "labelling")


def bare_bal(folder: Path) -> Path:
    """Make it in a folder, which is to come first in the path of the child: all of bal takes three seconds to import.

    Its modules are the real ones.
    """
    for room in ROOMS:
        package = folder / "bal" / room
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text(f"__path__.append({str(Path(bal.__file__).parent / room)!r})\n")
    return folder
