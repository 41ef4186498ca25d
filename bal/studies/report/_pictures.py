"""Pictures for papers."""

import pandas as pd
from matplotlib.figure import Figure

from bal.studies.statistics import RankSummary


def rank_diagram(ranks: RankSummary) -> Figure:
    """Critical-difference diagram: mean ranks on a line, and bars over strategies that do not differ.

    Args:
      ranks: from :func:`bal.studies.statistics.compare_ranks`.

    Returns:
      The figure, for :func:`bal.studies.save_picture`.

    References:
      Demsar 2006, Statistical comparisons of classifiers over multiple data sets
    """
    means: pd.Series = ranks.mean_ranks
    num_left = (len(means) + 1) // 2
    depth = 0.35 * (len(ranks.groups) + 1)
    height = depth + 0.45 * (num_left - 1) + 0.3
    figure = Figure(figsize=(7, 0.75 * (height + 0.9)), layout="constrained")
    ax = figure.subplots()
    ax.set(xlim=(0.3, len(means) + 0.7), ylim=(height, -0.9))
    ax.set_axis_off()
    ax.plot([1, len(means)], [0, 0], color="black", linewidth=1)
    for rank in range(1, len(means) + 1):
        ax.plot([rank, rank], [0, -0.1], color="black", linewidth=1)
        ax.text(rank, -0.18, str(rank), ha="center", va="bottom")
    for place, (name, mean) in enumerate(means.items()):
        is_left = place < num_left
        level = depth + 0.45 * (place if is_left else len(means) - 1 - place)
        edge = 0.9 if is_left else len(means) + 0.1
        ax.plot([mean, mean, edge], [0, level, level], color="black", linewidth=0.8)
        ax.text(
            edge,
            level,
            f"{name} ({mean:.2f})" if is_left else f"({mean:.2f}) {name}",
            ha="right" if is_left else "left",
            va="center",
        )
    for number, group in enumerate(ranks.groups):
        level = 0.35 * (number + 0.7)
        low, high = means[group[0]], means[group[-1]]
        ax.plot([low - 0.04, high + 0.04], [level, level], color="#0072B2", linewidth=4, solid_capstyle="butt")
    if ranks.critical_difference <= len(means) - 1:  # a longer one has no room, and nothing differs
        ax.plot([1, 1 + ranks.critical_difference], [-0.6, -0.6], color="black", linewidth=2)
    ax.text(1, -0.68, f"critical difference {ranks.critical_difference:.2f}", ha="left", va="bottom", fontsize="small")
    return figure
