"""Compare acquisition strategies on real data, many paired seeds at once.

    python -m experiments.compare --dataset digits --strategies random bald margin --output results/digits

The same command continues a run that was interrupted; more seeds, rounds or strategies extend it.
"""

from experiments.command import run_command
from experiments.report import plot_curves, show, summary_table
from experiments.results import acquisitions_frame, automatic_frame, metrics_frame, seconds_frame, write_parquet
from experiments.runner import run_grid
from experiments.settings import Settings


def main(settings: Settings) -> None:
    """Run the grid, write tables and picture, print the summary."""
    settings, units = run_grid(settings)
    metrics = metrics_frame(settings, units)
    write_parquet(metrics, settings.output / "metrics.parquet")
    write_parquet(acquisitions_frame(settings, units), settings.output / "acquisitions.parquet")
    if settings.automatic is not None:
        write_parquet(automatic_frame(settings, units), settings.output / "automatic.parquet")
    write_parquet(seconds_frame(units), settings.output / "seconds.parquet")
    picture = settings.output / "learning_curves.png"
    plot_curves(metrics, settings, picture)
    show(summary_table(metrics, settings), f"Tables are in {settings.output}, the picture is {picture}")


if __name__ == "__main__":
    run_command(main, Settings, __doc__)
