"""Compare acquisition strategies on one data set, many paired seeds at once.

    bal compare --dataset digits --strategies random bald margin --output results/digits
    bal compare --strategies bald --sweep dropout_rate 0.1 0.3 0.5 --sweep num_samples 8 32 128 --output results/sweep

The same command continues a run that was interrupted; more seeds, rounds or strategies extend it, and so do more values
of a sweep. A finished run prints its tables again. Names of strategies, posteriors, networks and data sets are those of
`bal list`.
"""

from collections.abc import Callable
from typing import Any

from bal import studies
from bal.studies._screen import show
from bal.studies.folder import more_than_asked
from bal.studies.grid import Unit, prepare_grid
from bal.studies.labels import has_oracle
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer

PICTURE = "learning_curves.png"


def main(settings: Settings) -> None:
    """Run the grid, write tables and picture, print the summary."""
    summary = studies.summary_table(
        run_and_write(settings, prepare_grid(settings)),
        targets=settings.targets,
        num_validation=settings.data.num_validation,
        num_calibration=settings.data.num_calibration,
    )
    show(summary, f"Tables are in {settings.output}, the picture is {settings.output / PICTURE}")
    if more := more_than_asked(settings):
        show(more)


def run_and_write(settings: Settings, run: Callable[[], list[Unit]]) -> Any:
    """Run a grid and write its tables and its picture.

    Args:
      settings: of the grid.
      run: what :func:`bal.studies.grid.prepare_grid` returned for them.

    Returns:
      The metrics, as :func:`bal.studies.metrics_frame` returns them; pandas is not loaded yet where its type would be
      named.
    """
    with sole_writer(settings.output):
        units = run()
        # Reached through ``studies``, pandas and Matplotlib are loaded now: the first round did not wait for them.
        metrics = studies.metrics_frame(settings, units)
        tables = {"metrics": metrics, "acquisitions": studies.acquisitions_frame(settings, units)}
        if settings.labelling.automatic is not None:
            tables["automatic"] = studies.automatic_frame(settings, units)
        if has_oracle(settings.oracle):
            tables["oracle"] = studies.oracle_frame(settings, units)
        if settings.run.stop_set_size is not None:
            tables["stopping"] = studies.stopping_frame(settings, units)
        tables["seconds"] = studies.seconds_frame(units)
        for name, table in tables.items():
            studies.write_parquet(table, settings.output / f"{name}.parquet")
        studies.save_picture(studies.plot_curves(metrics), settings.output / PICTURE)
    return metrics
