"""Compare acquisition strategies on one data set, many paired seeds at once.

    bal compare --dataset digits --strategies random bald margin --output results/digits

The same command continues a run that was interrupted; more seeds, rounds or strategies extend it. A finished run prints
its tables again. Names of strategies, posteriors, networks and data sets are those of `bal list`.
"""

from bal.studies.folder import more_than_asked
from bal.studies.grid import prepare_grid
from bal.studies.pictures import plot_curves
from bal.studies.report import show, summary_table
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer
from bal.studies.tables import acquisitions_frame, automatic_frame, metrics_frame, seconds_frame, write_parquet
from bal.studies.whole_file import whole_file


def main(settings: Settings) -> None:
    """Run the grid, write tables and picture, print the summary."""
    run = prepare_grid(settings)
    with sole_writer(settings.output):
        units = run()
        metrics = metrics_frame(settings, units)
        write_parquet(metrics, settings.output / "metrics.parquet")
        write_parquet(acquisitions_frame(settings, units), settings.output / "acquisitions.parquet")
        if settings.labelling.automatic is not None:
            write_parquet(automatic_frame(settings, units), settings.output / "automatic.parquet")
        write_parquet(seconds_frame(units), settings.output / "seconds.parquet")
        picture = settings.output / "learning_curves.png"
        with whole_file(picture) as partial:
            plot_curves(metrics, settings, partial)
    show(summary_table(metrics, settings), f"Tables are in {settings.output}, the picture is {picture}")
    if more := more_than_asked(settings):
        show(more)
