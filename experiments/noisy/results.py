"""What noise costs and relabelling recovers: areas of paired seeds, a table, and sentences by the rule of the study."""

import numpy as np
import pandas as pd
from rich.table import Table

from bal.studies import area_differences, curves, mean_and_interval, normalised_area, with_interval

WAYS = ("as given", "relabelled")
METRIC = "accuracy"


def differences(metrics: pd.DataFrame) -> pd.DataFrame:
    """A row for each strategy, noise and seed.

    Args:
      metrics: as :func:`bal.studies.metrics_frame` returns it, with the columns noise and way.

    Returns:
      The columns strategy, noise, seed; area, of the run as it is; cost, the area without noise less that; and gain,
      the area with relabelling less that.
    """
    runs = {(noise, way): curves(part, METRIC) for (noise, way), part in metrics.groupby(["noise", "way"], sort=False)}
    rows = []
    for noise in metrics["noise"].unique():
        given, again, clean = runs[noise, WAYS[0]], runs[noise, WAYS[1]], runs[0.0, WAYS[0]]
        for strategy, of_seeds in given.items():
            part = pd.DataFrame(
                {
                    "area": of_seeds.apply(normalised_area),
                    "cost": area_differences(clean[strategy], of_seeds),
                    "gain": area_differences(again[strategy], of_seeds),
                }
            )
            rows.append(part.rename_axis("seed").reset_index().assign(strategy=strategy, noise=noise))
    return pd.concat(rows, ignore_index=True)


def recovered(part: pd.DataFrame) -> float:
    """The mean gain as a share of the mean cost; NaN where the noise is not shown to cost anything."""
    mean, half = mean_and_interval(part["cost"].to_numpy())
    return float(part["gain"].mean() / mean) if mean - half > 0 else float("nan")


def table_of(found: pd.DataFrame) -> Table:
    """Areas, costs and gains."""
    table = Table(
        title=f"Area under the {METRIC} curve against labels paid for",
        caption="lost: area without noise less this one; ±: 95 % interval over paired seeds; recovered: gain / lost",
        caption_justify="left",
    )
    table.add_column("strategy, noise", no_wrap=True)
    for heading in ("area", "lost by noise", "gain by relabelling", "recovered"):
        table.add_column(heading, justify="right", no_wrap=True)
    for (strategy, noise), part in found.groupby(["strategy", "noise"], sort=False):
        share = recovered(part)
        table.add_row(
            f"{strategy}, {noise:.0%}",
            with_interval(part["area"].to_numpy()),
            with_interval(part["cost"].to_numpy(), sign="+") if noise else "",
            with_interval(part["gain"].to_numpy(), sign="+"),
            "-" if np.isnan(share) else f"{share:.0%}",
        )
    return table


def labels_table(asked: pd.DataFrame) -> Table:
    """What was paid for: labels of the last model, how many of them are wrong, and how many were asked for again."""
    last = asked[asked["round"] == asked["round"].max()]
    table = Table(title="Labels of the last model, means over seeds", caption_justify="left")
    table.add_column("strategy, noise, way", no_wrap=True)
    for heading in ("paid for", "labels", "wrong", "asked for again"):
        table.add_column(heading, justify="right", no_wrap=True)
    for (strategy, noise, way), part in last.groupby(["strategy", "noise", "way"], sort=False):
        again = part["num_asked"] - part["num_labels"] - part["num_abstained"]
        means = (part["num_asked"], part["num_labels"], part["num_wrong"], again)
        table.add_row(f"{strategy}, {noise:.0%}, {way}", *(f"{values.mean():.1f}" for values in means))
    return table


def sentences(found: pd.DataFrame) -> list[str]:
    """What the rule of the study says of each strategy and noise."""
    lines = []
    for (strategy, noise), part in found.groupby(["strategy", "noise"], sort=False):
        mean, half = mean_and_interval(part["gain"].to_numpy())
        verdict = "helps" if mean - half > 0 else "hurts" if mean + half < 0 else "is not shown to change anything"
        lines.append(f"{strategy} at {noise:.0%} noise: relabelling {verdict}")
    return lines
