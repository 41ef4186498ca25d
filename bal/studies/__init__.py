"""Grids of strategies and seeds that can be interrupted, continued and extended: their tables, figures and pictures.

The command ``bal compare`` runs one; so does a notebook, which may then draw and compare what it likes::

    settings = bal.studies.Settings().with_values(dataset="digits", strategies=("random", "bald"), num_seeds=3)
    units = bal.studies.run_grid(settings)
    frame = bal.studies.metrics_frame(settings, units)
    bal.studies.show(bal.studies.summary_table(frame))
    bal.studies.plot_curves(frame, "nll")

More figures, tests and intervals are in :mod:`bal.studies.statistics`.
``bal.studies`` is loaded when it is first used, since it needs the packages of the extra ``studies``.
"""

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
from bal.studies._metrics import higher_is_better, main_metric
from bal.studies._palette import COLOURS, line_styles
from bal.studies._pictures import plot_curves, save_picture
from bal.studies._tables import show, summary_table, with_interval
from bal.studies.executors import Pending, Submits
from bal.studies.grid import Unit, prepare_grid, run_grid
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer
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
