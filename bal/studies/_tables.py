"""The summary table of a comparison."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from rich.table import Table

from bal.studies._frames import describe_runs
from bal.studies._metrics import TARGETS, direction, higher_is_better, main_metric, title_of
from bal.studies._palette import BASELINE
from bal.studies.statistics import area_differences, curves, labels_to, mean_and_interval, normalised_area

NUM_COUNTS = 5  # numbers of labels that have a column
ABSENT = "-"


def summary_table(
    frame: pd.DataFrame,
    metric: str | None = None,
    *,
    targets: Sequence[float] | None = None,
    baseline: str = BASELINE,
    title: str | None = None,
    num_validation: int = 0,
    num_calibration: int = 0,
) -> Table:
    """Each strategy's metric at several label counts, area, labels to given targets, and difference to the baseline.

    Args:
      frame: metrics, as :func:`metrics_frame` returns them or ``metrics.parquet`` holds them.
      metric: what to compare; by default the main metric: accuracy, else rmse, else nll.
      targets: values of the metric for which to give the number of labels; 0.8, 0.9 and 0.95 for accuracy by default.
      baseline: strategy that the others are compared with by paired seeds, if the frame has it.
      title: by default the data set, the posterior and the number of seeds.
      num_validation: labels that were set aside for early stopping.
      num_calibration: labels that were set aside for automatic labels.

    Returns:
      A rich table; :func:`bal.studies.show` prints it.

    Raises:
      ValueError: invalid frame or metric, see :func:`curves`, or a strategy with other seeds or label counts than the
        baseline.

    Example:
      >>> columns = ["strategy", "seed", "num_labelled", "metric", "value"]
      >>> rows = [("bald", seed, count, "accuracy", count / 50) for seed in (0, 1) for count in (20, 40)]
      >>> table = summary_table(pd.DataFrame(rows, columns=columns), title="digits")
      >>> [column.header for column in table.columns]
      ['strategy', '@20', '@40', 'area', 'to 80%', 'to 90%', 'to 95%']
    """
    metric = main_metric(frame["metric"].unique()) if metric is None else metric
    targets = TARGETS.get(metric, ()) if targets is None else targets
    by_strategy = curves(frame, metric)
    counts = np.unique(np.concatenate([runs.index for runs in by_strategy.values()]))
    shown = counts[np.unique(np.linspace(0, len(counts) - 1, NUM_COUNTS).round().astype(int))]
    decimals = decimals_of(np.concatenate([runs.to_numpy().ravel() for runs in by_strategy.values()]))
    table = Table(
        title=_title(describe_runs(frame) if title is None else title, metric, num_validation, num_calibration),
        caption=_caption(by_strategy, bool(targets), baseline),
        caption_justify="left",
    )
    headings = [f"@{count}" for count in shown] + ["area"]
    headings += [f"to {100 * target:g}%" if metric in TARGETS else f"to {target:g}" for target in targets]
    has_pairs = baseline in by_strategy and len(by_strategy) > 1
    if has_pairs:
        sign = {"higher is better": "\n(+ is better)", "lower is better": "\n(- is better)"}.get(direction(metric), "")
        headings.append(f"area less {baseline}{sign}")
    table.add_column("strategy", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, runs in by_strategy.items():
        means = mean_and_interval(runs.reindex(shown).to_numpy())[0]
        cells = [ABSENT if np.isnan(mean) else f"{mean:.{decimals}f}" for mean in means]
        cells.append(with_interval(runs.apply(normalised_area).to_numpy(), decimals=decimals + 1))
        for target in targets:
            count = labels_to(runs, target, higher_is_better=higher_is_better(metric))
            cells.append(ABSENT if count is None else str(count))
        if has_pairs and name != baseline:
            difference = area_differences(runs, by_strategy[baseline]).to_numpy()
            cells.append(with_interval(difference, sign="+", decimals=decimals + 1))
        table.add_row(name, *cells)
    return table


def with_interval(values: np.ndarray, *, sign: str = "", decimals: int = 4) -> str:
    """Mean over runs and half the width of its 95 % interval; without the interval if there is only one run.

    Example:
      >>> with_interval(np.array([0.8, 0.9, 1.0]), decimals=2), with_interval(np.array([0.8]), sign="+", decimals=2)
      ('0.90 ± 0.25', '+0.80')
    """
    mean, half = mean_and_interval(values)
    if np.isnan(mean):
        return ABSENT
    return f"{mean:{sign}.{decimals}f}" + (f" ± {half:.{decimals}f}" if np.isfinite(half) else "")


def decimals_of(values: np.ndarray) -> int:
    """Digits after the point that give the largest value three significant ones: 3 for an accuracy."""
    largest = np.nanmax(np.abs(values), initial=0)
    return min(max(3 - math.ceil(math.log10(largest)), 0), 6) if 0 < largest < math.inf else 3


def _title(described: str, metric: str, num_validation: int, num_calibration: int) -> str:
    better = direction(metric)
    title = f"{described}: {title_of(metric)}" + (f", {better}" if better else "")
    if num_validation:
        title += f" (and {num_validation} validation labels)"
    if num_calibration:
        title += f" (and {num_calibration} calibration labels)"
    return title


def _caption(by_strategy: dict[str, pd.DataFrame], has_targets: bool, baseline: str) -> str:
    lines = ["@n: mean at n labels; area: under the curve, divided by the range of label counts"]
    if has_targets:
        lines.append("to: smallest number of labels at which at least half of the runs have reached the value")
    if baseline in by_strategy and len(by_strategy) > 1:
        lines.append(f"area less {baseline}: mean of the differences of paired seeds")
    one_seed = all(runs.shape[1] == 1 for runs in by_strategy.values())
    lines.append("one seed: no intervals" if one_seed else "±: 95 % interval over seeds")
    lines.append(f"{ABSENT}: undefined in a run" + (", or reached by fewer than half" if has_targets else ""))
    return "\n".join(lines)
