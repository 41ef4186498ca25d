"""Grids of strategies and seeds that can be interrupted, continued and extended: their tables, figures and pictures.

``bal.studies`` is loaded when it is first used, since it needs the packages of the extra ``studies``.
"""

from bal.studies.grid import Unit, prepare_grid, run_grid
from bal.studies.pictures import plot_curves
from bal.studies.report import show, summary_table
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer
from bal.studies.statistics import curves, labels_to, mean_and_interval, normalised_area
from bal.studies.tables import acquisitions_frame, automatic_frame, metrics_frame, seconds_frame, write_parquet

__all__ = [
    "Settings",
    "Unit",
    "acquisitions_frame",
    "automatic_frame",
    "curves",
    "labels_to",
    "mean_and_interval",
    "metrics_frame",
    "normalised_area",
    "plot_curves",
    "prepare_grid",
    "run_grid",
    "seconds_frame",
    "show",
    "sole_writer",
    "summary_table",
    "write_parquet",
]
