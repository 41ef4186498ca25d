"""Tables of metrics that no run is needed for."""

from collections.abc import Mapping, Sequence

import pandas as pd


def metrics_of(
    values: Mapping[str, Sequence[Sequence[float]]], metric: str = "accuracy", *, labels: Sequence[int] = (20, 30, 40)
) -> pd.DataFrame:
    """The frame of each strategy's curves, one for each seed."""
    rows = [
        ("digits", "mc_dropout", name, seed, done, count, metric, value)
        for name, runs in values.items()
        for seed, run in enumerate(runs)
        for done, (count, value) in enumerate(zip(labels, run, strict=True))
    ]
    columns = ["dataset", "posterior", "strategy", "seed", "round", "num_labelled", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)
