"""What BatchBALD gains over random points with each factor, and whether that is more than without it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

from bal.studies import COLOURS, area_differences, curves, mean_and_interval, normalised_area, with_interval
from bal.studies.statistics import holm, signed_rank_p_value

LEVEL = 0.05
RESOLUTION = 1e-6  # of areas of accuracies in single precision


def gains(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Area of BatchBALD less that of random, for each factor by seed."""
    found = {}
    for name, part in frame.groupby("factor", sort=False):
        by_strategy = curves(part, "accuracy")
        found[str(name)] = area_differences(by_strategy["batch_bald"], by_strategy["random"])
    return found


class Change(NamedTuple):
    """How a factor changes the gain."""

    by_seed: np.ndarray  # areas of accuracy
    p_value: float  # Wilcoxon's exact test
    p_holm: float  # after Holm's correction over all factors


def changes(frame: pd.DataFrame, against: Mapping[str, str]) -> dict[str, Change]:
    """The change of the gain by each factor whose control has run.

    Args:
      frame: metrics with a column ``factor``.
      against: what each factor is compared with.
    """
    found = gains(frame)
    by_factor = {name: (found[name] - found[against[name]]).to_numpy() for name in found if against[name] in found}
    p_values = [signed_rank_p_value(change, resolution=RESOLUTION) for change in by_factor.values()]
    adjusted = holm(np.array(p_values)) if p_values else np.zeros(0)
    return {
        name: Change(by_seed, float(p), float(p_holm))
        for (name, by_seed), p, p_holm in zip(by_factor.items(), p_values, adjusted, strict=True)
    }


def gains_table(frame: pd.DataFrame, against: Mapping[str, str]) -> Table:
    """Random's area, the gain and in how many seeds it is above 0, its change by the factor, and p-values."""
    table = Table(
        title="BatchBALD on repeated digits: area under the accuracy, less that of random",
        caption="±: 95 % interval over paired seeds; p: Wilcoxon's exact test of the change",
        caption_justify="left",
    )
    for heading in ("factor", "compared with"):
        table.add_column(heading, no_wrap=True)
    for heading in ("random", "gain", "seeds ahead", "change of the gain", "p", "after Holm"):
        table.add_column(heading, justify="right", no_wrap=True)
    changed, found = changes(frame, against), gains(frame)
    for name, gain in found.items():
        random = curves(frame[frame["factor"] == name], "accuracy")["random"].apply(normalised_area)
        row = [with_interval(random.to_numpy(), decimals=3), with_interval(gain.to_numpy(), sign="+", decimals=3)]
        row.append(f"{(gain > 0).sum()} of {len(gain)}")
        if name in changed:
            by_seed, p_value, p_holm = changed[name]
            row += [with_interval(by_seed, sign="+", decimals=3), f"{p_value:.3f}", f"{p_holm:.3f}"]
        table.add_row(name, against[name], *row)
    return table


def sentences(frame: pd.DataFrame, against: Mapping[str, str]) -> list[str]:
    """What the rule of the study says."""
    intervals = {name: mean_and_interval(gain.to_numpy()) for name, gain in gains(frame).items()}
    ahead = [name for name, (mean, half) in intervals.items() if mean > half]
    behind = [name for name, (mean, half) in intervals.items() if -mean > half]
    changed = changes(frame, against)
    matter = [name for name, change in changed.items() if change.p_holm < LEVEL]
    reasons = [name for name in matter if name in ahead and changed[name].by_seed.mean() > 0]
    return [
        f"BatchBALD is ahead of random with: {_list(ahead)}; behind with: {_list(behind)}; level with the others",
        f"factors that matter: {_list(matter)}",
        f"the reason: {_list(reasons)}" if reasons else "no single factor is shown to be the reason",
    ]


def plot_gains(frame: pd.DataFrame) -> Figure:
    """The gain with each factor and its 95 % interval, from above in the order of the study."""
    found = gains(frame)
    means, halves = np.transpose([mean_and_interval(gain.to_numpy()) for gain in found.values()])
    figure = Figure(figsize=(7, 0.32 * len(found) + 1.2), layout="constrained")
    ax = figure.subplots()
    ax.axvline(0, color="0.45", linestyle="--", linewidth=1)
    places = np.arange(len(found))
    ax.errorbar(means, places, xerr=np.nan_to_num(halves), fmt="o", color=COLOURS["blue"], capsize=3, linewidth=1.4)
    ax.set_yticks(places, list(found))
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    seeds = len(next(iter(found.values())))
    ax.set(xlabel="area under the accuracy, BatchBALD less random", title=f"{seeds} paired seeds, 95 % intervals")
    return figure


def _list(names: list[str]) -> str:
    return ", ".join(names) if names else "none"
