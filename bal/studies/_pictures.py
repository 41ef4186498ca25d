"""Learning curves of many strategies in a picture that every reader can tell apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bal.studies._frames import describe_runs
from bal.studies._metrics import direction, main_metric, title_of
from bal.studies._palette import BASELINE, line_styles
from bal.studies.statistics import curves, mean_and_interval
from bal.studies.whole_file import whole_file

MAX_BANDS = 4  # overlapping bands that can still be read
MAX_LINES = 7  # beside the baseline; as many as there are styles
NUM_MARKERS = 8  # of a curve, at most
COLUMNS = 4  # panels in a row
X_LABEL = "labels paid for"  # the model was trained on them, but for those that an oracle did not give or gave again


def plot_curves(
    frame: pd.DataFrame,
    metric: str | None = None,
    *,
    baseline: str = BASELINE,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Learning curves: the mean over seeds and its 95 % interval against the number of labels.

    Up to four curves have a band. Five to eight share a panel without bands; the last means stand beside their curves
    with their intervals, in the order of the legend. Of more strategies each has a panel with the baseline, in the
    order of the last means. One seed has no interval.

    Args:
      frame: metrics, as :func:`metrics_frame` returns them or ``metrics.parquet`` holds them.
      metric: what to draw; by default the main metric: accuracy, else rmse, else nll.
      baseline: strategy that is drawn in grey, if the frame has it.
      title: by default the data set, the posterior and the number of seeds.
      ax: axes to draw on; those of a new figure by default.

    Returns:
      The figure, for :func:`save_picture`. A notebook that has imported pyplot displays it.

    Raises:
      ValueError: invalid frame or metric, see :func:`curves`, or more strategies than one panel can show and ``ax``.

    Example:
      >>> columns = ["strategy", "seed", "num_labelled", "metric", "value"]
      >>> rows = [("bald", seed, count, "accuracy", count / 50) for seed in (0, 1) for count in (20, 40)]
      >>> plot_curves(pd.DataFrame(rows, columns=columns)).axes[0].get_ylabel()
      'test accuracy (higher is better)'
    """
    metric = main_metric(frame["metric"].unique()) if metric is None else metric
    by_strategy = curves(frame, metric)
    names = _from_above(by_strategy)
    others = [name for name in names if name != baseline]
    has_one_panel = len(others) <= MAX_LINES
    if title is None:
        title = describe_runs(frame) + _what_is_shown(by_strategy, has_bars=has_one_panel and len(names) > MAX_BANDS)
    if has_one_panel:
        figure = Figure(figsize=(8, 4.5), layout="constrained") if ax is None else ax.get_figure(root=True)
        assert figure is not None
        ax = figure.subplots() if ax is None else ax
        _draw_panel(ax, by_strategy, names, line_styles(list(by_strategy), baseline))
        ax.set(title=title, xlabel=X_LABEL, ylabel=_y_label(metric))
        return figure
    if ax is not None:
        raise ValueError(
            f"expected at most {MAX_LINES} strategies beside the baseline on given axes, got {len(others)}: leave out "
            "ax for a panel for each, or select strategies"
        )
    return _draw_small_multiples(by_strategy, others, baseline, metric, title)


def save_picture(figure: Figure, path: Path, *, dpi: int = 150) -> None:
    """Write a PNG or a PDF file, whole or not at all; the same picture gives the same bytes.

    Example:
      >>> import tempfile
      >>> path = Path(tempfile.mkdtemp()) / "empty.png"
      >>> save_picture(Figure(figsize=(1, 1)), path)
      >>> path.read_bytes()[1:4]
      b'PNG'
    """
    # The default metadata hold the version of matplotlib and the time.
    unwanted = ("Creator", "Producer", "CreationDate") if path.suffix == ".pdf" else ("Software",)
    # Publishers ask for whole fonts (type 42) instead of drawn letters.
    with whole_file(path) as partial, matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(partial, dpi=dpi, metadata=dict.fromkeys(unwanted))


def _what_is_shown(by_strategy: Mapping[str, pd.DataFrame], *, has_bars: bool) -> str:
    if all(runs.shape[1] == 1 for runs in by_strategy.values()):
        return ", no interval"
    return "\nmean; on the right the last means with 95 % intervals" if has_bars else ": mean and 95 % interval"


def _from_above(by_strategy: Mapping[str, pd.DataFrame]) -> list[str]:
    """Names in the order of the last mean as it is seen in the picture, from above."""
    last = {name: mean_and_interval(runs.iloc[-1].to_numpy())[0] for name, runs in by_strategy.items()}
    return sorted(last, key=lambda name: np.nan_to_num(-last[name], nan=np.inf))


def _y_label(metric: str) -> str:
    better = direction(metric)
    return title_of(metric) + (f" ({better})" if better else "")


def _draw_small_multiples(by_strategy, others: Sequence[str], baseline: str, metric: str, title: str) -> Figure:
    rows = -(-len(others) // COLUMNS)
    figure = Figure(figsize=(3 * COLUMNS, 2.4 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
    for number, ax in enumerate(panels.flat):
        if number >= len(others):
            ax.set_axis_off()
            continue
        shown = [name for name in (others[number], baseline) if name in by_strategy]
        _draw_panel(ax, by_strategy, shown, line_styles(shown, baseline), legend=number == 0)
        ax.set_title(others[number])
        # The panel below may be empty.
        ax.tick_params(labelbottom=number + COLUMNS >= len(others))
    figure.suptitle(title)
    figure.supxlabel(X_LABEL, fontsize="medium")
    figure.supylabel(_y_label(metric), fontsize="medium")
    return figure


def _draw_panel(ax: Axes, by_strategy, names: Sequence[str], styles: Mapping[str, dict[str, Any]], legend=True) -> None:
    counts = np.unique(np.concatenate([by_strategy[name].index for name in names]))
    step = 0.025 * max(np.ptp(counts), 1)
    for number, name in enumerate(names):
        runs, style = by_strategy[name], styles[name]
        mean, half = mean_and_interval(runs.to_numpy())
        every = -(-len(mean) // NUM_MARKERS)
        marked = list(range(len(mean) - 1, -1, -every))  # the last one in any case
        ax.plot(runs.index, mean, label=name, markersize=4.5, markevery=marked, linewidth=1.6, **style)
        if len(names) <= MAX_BANDS and len(mean) > 1:
            ax.fill_between(runs.index, mean - half, mean + half, alpha=0.15, color=style["color"], linewidth=0)
        elif np.isfinite(half[-1]):
            beside = counts[-1] + (number + 2) * step
            mark = {"color": style["color"], "marker": style["marker"]}
            ax.errorbar(beside, mean[-1], half[-1], markersize=4.5, linewidth=1.2, capsize=2, **mark)
    ticks = MaxNLocator(nbins=6, integer=True).tick_values(counts[0], counts[-1])
    ax.set_xticks([tick for tick in ticks if counts[0] <= tick <= counts[-1]])
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    if legend:
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        ax.legend(frameon=False, handlelength=3.5, **(beside if len(names) > MAX_BANDS else {"loc": "best"}))
