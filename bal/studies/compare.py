"""Compare acquisition strategies on one data set, many paired seeds at once.

    bal compare --dataset digits --strategies random bald margin --output results/digits
    bal compare --strategies bald --sweep dropout_rate 0.1 0.3 0.5 --sweep num_samples 8 32 128 --output results/sweep

The same command continues a run that was interrupted; more seeds, rounds or strategies extend it, and so do more values
of a sweep. A finished run prints its tables again. Names of strategies, posteriors, networks and data sets are those of
`bal list`.
"""

from collections.abc import Callable

import pandas as pd

from bal.studies._frames import (
    acquisitions_frame,
    automatic_frame,
    metrics_frame,
    oracle_frame,
    seconds_frame,
    stopping_frame,
    write_parquet,
)
from bal.studies._pictures import plot_curves, save_picture
from bal.studies._tables import show, summary_table
from bal.studies.folder import more_than_asked
from bal.studies.grid import Unit, prepare_grid
from bal.studies.labels import has_oracle
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer

PICTURE = "learning_curves.png"


def main(settings: Settings) -> None:
    """Run the grid, write tables and picture, print the summary."""
    metrics = run_and_write(settings, prepare_grid(settings))
    summary = summary_table(
        metrics,
        targets=settings.targets,
        num_validation=settings.data.num_validation,
        num_calibration=settings.data.num_calibration,
    )
    show(summary, f"Tables are in {settings.output}, the picture is {settings.output / PICTURE}")
    if more := more_than_asked(settings):
        show(more)


def run_and_write(settings: Settings, run: Callable[[], list[Unit]]) -> pd.DataFrame:
    """Run a grid and write its tables and its picture.

    Args:
      settings: of the grid.
      run: what :func:`bal.studies.grid.prepare_grid` returned for them.

    Returns:
      The metrics, as :func:`bal.studies.metrics_frame` returns them.
    """
    with sole_writer(settings.output):
        units = run()
        metrics = metrics_frame(settings, units)
        write_parquet(metrics, settings.output / "metrics.parquet")
        write_parquet(acquisitions_frame(settings, units), settings.output / "acquisitions.parquet")
        if settings.labelling.automatic is not None:
            write_parquet(automatic_frame(settings, units), settings.output / "automatic.parquet")
        if has_oracle(settings.oracle):
            write_parquet(oracle_frame(settings, units), settings.output / "oracle.parquet")
        if settings.run.stop_set_size is not None:
            write_parquet(stopping_frame(settings, units), settings.output / "stopping.parquet")
        write_parquet(seconds_frame(units), settings.output / "seconds.parquet")
        save_picture(plot_curves(metrics), settings.output / PICTURE)
    return metrics
