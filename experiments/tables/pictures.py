"""A picture of all gains: which strategy is better than random on which table?"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

CELL = (0.62, 0.3)  # inches


def plot_gains(gains: pd.DataFrame, title: str) -> Figure:
    """A row for each table, a column for each strategy: the gain over random in hundredths.

    Blue is better and red is worse than random. A figure whose 95 % interval does not hold 0 is bold. Columns and rows
    are in the order of their means.

    Args:
      gains: with the columns dataset, strategy, difference, low and high.
      title: says what a gain is.
    """
    values = gains.pivot(index="dataset", columns="strategy", values="difference")
    rows = list(values.mean(axis=1).sort_values(ascending=False).index)
    columns = list(values.mean().sort_values(ascending=False).index)
    values = values.loc[rows, columns]
    sure = gains.assign(sure=(gains["low"] > 0) | (gains["high"] < 0))
    sure = sure.pivot(index="dataset", columns="strategy", values="sure").loc[rows, columns]
    numbers = values.to_numpy()
    limit = max(float(np.abs(numbers).max()), 1e-6)
    size = (CELL[0] * len(columns) + 3, CELL[1] * len(rows) + 2)
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    # Colours of this map differ for every colour vision; the sign stands beside them.
    ax.imshow(numbers, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    for row, column in np.ndindex(*numbers.shape):
        value = numbers[row, column]
        ax.text(
            column,
            row,
            f"{100 * value:+.1f}",
            ha="center",
            va="center",
            fontsize="x-small",
            fontweight="bold" if sure.iat[row, column] else "normal",
            color="white" if abs(value) > 0.6 * limit else "black",
        )
    ax.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(rows)), rows)
    ax.set_title(f"{title}, in hundredths\nbold: 95 % interval without 0", fontsize="small")
    return figure
