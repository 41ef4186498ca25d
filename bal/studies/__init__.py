"""Grids of strategies and seeds that can be interrupted, continued and extended: their tables, figures and pictures.

The command ``bal compare`` runs one; so does a notebook, which may then draw and compare what it likes::

    settings = bal.studies.Settings().with_values(dataset="digits", strategies=("random", "bald"), num_seeds=3)
    units = bal.studies.run_grid(settings)
    frame = bal.studies.metrics_frame(settings, units)
    bal.studies.show(bal.studies.summary_table(frame))
    bal.studies.plot_curves(frame, "nll")

More figures, tests and intervals are in :mod:`bal.studies.statistics`.
``bal.studies`` is loaded when it is first used, since it needs the packages of the extra ``studies``. The functions in
it that show results are loaded in turn, with pandas, SciPy and Matplotlib.
"""

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from bal.studies._metrics import higher_is_better, main_metric
from bal.studies._palette import COLOURS, line_styles
from bal.studies._programs import compiler_options
from bal.studies._screen import show
from bal.studies.executors import Pending, Submits
from bal.studies.grid import Unit, prepare_grid, run_grid
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer

if TYPE_CHECKING:
    from bal.studies._frames import (
        acquisitions_frame,
        automatic_frame,
        found_frame,
        metrics_frame,
        oracle_frame,
        seconds_frame,
        stopping_frame,
        write_parquet,
    )
    from bal.studies._pictures import plot_curves, save_picture
    from bal.studies._tables import summary_table, with_interval
    from bal.studies.statistics import area_differences, curves, labels_to, mean_and_interval, normalised_area
    from bal.studies.stopping import stops

__all__ = [
    "COLOURS",
    "Pending",
    "Settings",
    "Submits",
    "Unit",
    "acquisitions_frame",
    "area_differences",
    "automatic_frame",
    "compiler_options",
    "curves",
    "found_frame",
    "higher_is_better",
    "labels_to",
    "line_styles",
    "main_metric",
    "mean_and_interval",
    "metrics_frame",
    "normalised_area",
    "oracle_frame",
    "plot_curves",
    "prepare_grid",
    "run_grid",
    "save_picture",
    "seconds_frame",
    "show",
    "sole_writer",
    "stopping_frame",
    "stops",
    "summary_table",
    "with_interval",
    "write_parquet",
]

# What shows results, and the packages that it needs: they take as long to import as all else, and a run goes before.
_SHOW_RESULTS = ("_frames", "_pictures", "_tables", "statistics", "stopping")
for _package in ("matplotlib", "pandas", "pyarrow", "scipy"):
    # A missing one must not be noticed when the run is over.
    if find_spec(_package) is None:
        raise ModuleNotFoundError(f"No module named {_package!r}", name=_package)


def __getattr__(name: str) -> Any:
    """Load what shows results on first use."""
    if name == "statistics":
        return importlib.import_module("bal.studies.statistics")
    if name in __all__:
        for module in _SHOW_RESULTS:
            names = vars(importlib.import_module(f"bal.studies.{module}"))
            if name in names:
                return names[name]
    raise AttributeError(f"module 'bal.studies' has no attribute {name!r}")
