"""Where each stopping criterion would have stopped the runs of a folder."""

import numpy as np
import pandas as pd

from bal.studies._metrics import title_of
from bal.studies._tables import decimals_of, with_interval
from bal.studies.report._cells import ReportTable, number
from bal.studies.report._results import Results
from bal.studies.statistics import mean_and_interval
from bal.studies.stopping import describe_thresholds, stops


def stopping_tables(results: Results, metric: str) -> list[ReportTable]:
    """One table, a row for each strategy and criterion; none where the runs did not watch any."""
    if results.stopping is None:
        return []
    found = stops(results.stopping, results.metrics, metric)
    decimals = decimals_of(found["value"].to_numpy()) + 1
    rows, shown = {}, {}
    for (strategy, criterion), part in found.groupby(["strategy", "criterion"], sort=False):
        mean, half = mean_and_interval(part["lost"].to_numpy(np.float64))
        name, stopped = f"{strategy}, {criterion}", int(part["stopped"].sum())
        rows[name] = [
            strategy, criterion, stopped, len(part), part["labels"].mean(), part["saved"].mean(), mean, half,
        ]  # fmt: skip
        shown[name] = [
            f"{stopped} of {len(part)}",
            number(part["labels"].mean(), 0),
            number(part["saved"].mean(), 0),
            with_interval(part["lost"].to_numpy(np.float64), sign="+", decimals=decimals),
        ]
    columns = ["strategy", "criterion", "stopped", "runs", "labels", "saved", "lost", "lost_half_width"]
    return [
        ReportTable(
            "stopping",
            "Where stopping criteria would have stopped",
            "Means over runs; one that is not stopped counts with its last model. Lost: how much worse "
            f"{title_of(metric)} is than that of the last model, with a 95 % interval over seeds; below 0, it is "
            f"better. Thresholds: {describe_thresholds()}.",
            pd.DataFrame.from_dict(rows, orient="index", columns=columns),
            pd.DataFrame.from_dict(shown, orient="index", columns=["stopped", "labels", "saved", "lost"]),
        )
    ]
