"""Compare acquisition strategies on one data set, many paired seeds at once.

    bal compare --dataset digits --strategies random bald margin --output results/digits

The same command continues a run that was interrupted; more seeds, rounds or strategies extend it. A finished run prints
its tables again. Names of strategies, posteriors, networks and data sets are those of `bal list`.
"""

from bal.studies._frames import acquisitions_frame, automatic_frame, metrics_frame, seconds_frame, write_parquet
from bal.studies._pictures import plot_curves, save_picture
from bal.studies._tables import show, summary_table
from bal.studies.folder import more_than_asked
from bal.studies.grid import prepare_grid
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer


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
        save_picture(plot_curves(metrics), picture)
    summary = summary_table(
        metrics,
        targets=settings.targets,
        num_validation=settings.data.num_validation,
        num_calibration=settings.data.num_calibration,
    )
    show(summary, f"Tables are in {settings.output}, the picture is {picture}")
    if more := more_than_asked(settings):
        show(more)
