"""Learning curves of many tables, and the metrics that they are of."""

from collections.abc import Mapping

import pandas as pd

from bal.studies import curves

METRICS = ("accuracy", "log_rmse")  # of classes and of numbers
LOG_LOSSES = ("nll", "nll_calibrated")
Curves = Mapping[str, pd.DataFrame]


def metric_of(metrics: pd.DataFrame) -> str:
    """The metric that strategies are compared by."""
    return next(name for name in METRICS if name in metrics["metric"].unique())


def log_losses_of(metrics: pd.DataFrame) -> list[str]:
    """Those that were kept; before calibration, and of classes after it."""
    return [name for name in LOG_LOSSES if name in metrics["metric"].unique()]


def curves_by_table(metrics: pd.DataFrame, metric: str) -> dict[str, Curves]:
    """The curves of each strategy on each table, strategies in one order."""
    names = sorted(metrics["strategy"].unique())
    by_table = {str(table): curves(part, metric) for table, part in metrics.groupby("dataset", sort=True)}
    return {table: {name: each[name] for name in names if name in each} for table, each in by_table.items()}
