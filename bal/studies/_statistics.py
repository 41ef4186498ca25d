"""Learning curves and the figures that compare them."""

import numpy as np
import pandas as pd
from scipy import stats


def curves(frame: pd.DataFrame, metric: str = "accuracy") -> dict[str, pd.DataFrame]:
    """For each strategy a table of one metric: a row for each label count, a column for each seed."""
    chosen = frame[frame["metric"] == metric]
    return {
        str(name): part.pivot_table(index="num_labelled", columns="seed", values="value")
        for name, part in chosen.groupby("strategy", sort=False)
    }


def mean_and_interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """Mean, and half the width of its Student-t interval; nan with fewer than two values."""
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    return float(values.mean()), float(stats.sem(values) * stats.t.ppf((1 + level) / 2, len(values) - 1))


def normalised_area(curve: pd.Series) -> float:
    """Area under a learning curve by the trapezoid rule, divided by the range of label counts."""
    labels = curve.index.to_numpy(dtype=np.float64)
    if len(labels) < 2:
        return float(curve.iloc[0])
    return float(np.trapezoid(curve.to_numpy(), labels) / (labels[-1] - labels[0]))


def labels_to(curve: pd.Series, target: float) -> float:
    """Size of the smallest set whose model reaches the target; infinity if none does."""
    reached = curve.index[curve.to_numpy() >= target]
    return float(reached[0]) if len(reached) else float("inf")
