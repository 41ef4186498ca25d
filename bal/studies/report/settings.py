"""One page on results of bal compare, with tables and pictures for papers.

    bal report results/digits
    bal report results/wine results/digits --baseline margin --output results/report

It opens without a network. Beside it are its tables as CSV and LaTeX and its curves as PDF and PNG.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Report:
    """What a report is about."""

    folders: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders that bal compare wrote; several are compared as data sets."""
    baseline: str | None = None
    """Strategy that the others are compared with; by default random, else the first."""
    metric: str | None = None
    """What to compare; by default the main metric: accuracy, else rmse, else nll."""
    targets: tuple[float, ...] | None = None
    """Values of the metric whose label counts a table gives; by default 0.8 0.9 0.95 for accuracy."""
    data_dir: Path | None = None
    """Folder of prepared TFDS sets, for the classes and images of what was asked for; nothing is downloaded."""
    output: Path | None = None
    """Folder of the page; by default the folder report in the first one."""
