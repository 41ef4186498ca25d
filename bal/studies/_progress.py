"""A line that shows how far a grid is."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

import bal
from bal.studies._metrics import main_metric


@contextmanager
def progress(total: int) -> Iterator[Callable[..., None]]:
    """A bar of the rounds to be run, which is not shown if there are none.

    Args:
      total: rounds that the folder lacks.

    Yields:
      A function of the strategy, the seeds asked for, and the info of their group, to be called after each round.
    """
    # On a narrow screen the description, which stands last, is cut, and not the figures.
    figures = (
        column(table_column=Column(no_wrap=True, min_width=len("1000/1000")))
        for column in (MofNCompleteColumn, TimeElapsedColumn, TimeRemainingColumn)
    )
    bar = Progress(BarColumn(bar_width=20), *figures, TextColumn("{task.description}"), disable=total == 0)
    with bar:
        task = bar.add_task("starting", total=total)

        def show(strategy: str, seeds: Sequence[int], info: bal.StepInfo) -> None:
            bar.update(task, description=_describe(strategy, seeds, info), advance=1)

        yield show


def _describe(strategy: str, seeds: Sequence[int], info: bal.StepInfo) -> str:
    of_seeds = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    figure = ""
    if info.metrics:
        name = main_metric(info.metrics)
        # Seeds that fill up the group come last, and are not asked for.
        figure = f", {name.replace('_', ' ')} {info.metrics[name][: len(seeds)].mean():.3f}"
    return f"{strategy}, {of_seeds}: {info.num_labelled[0]} labels{figure}"
