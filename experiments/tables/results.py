"""Tables, sentences and pictures of the benchmark: one comparison for each posterior and batch size."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bal.studies import curves, higher_is_better, mean_and_interval, plot_curves, save_picture, write_parquet
from bal.studies.report._files import write_picture, write_tables
from bal.studies.report._of_many import OverDataSets, compare_data_sets
from bal.studies.report._pictures import rank_diagram
from bal.studies.statistics import areas, labels_to, paired_differences
from bal.studies.statistics._checks import named_scores
from bal.validation import check_choice
from experiments.tables.batches import cost_of_batches
from experiments.tables.curves import Curves, curves_by_table, log_losses_of, metric_of
from experiments.tables.pictures import plot_gains

BASELINE = "random"
LEVEL = 0.05


class Found(NamedTuple):
    """What is known of the strategies under one posterior and batch size."""

    name: str
    over: OverDataSets | None  # None for one table
    gains: pd.DataFrame  # of each table and strategy: by how much its area is better than the baseline's, interval
    overall: pd.DataFrame | None  # of each strategy: the same over tables, with p-values
    sentences: list[str]


def write_results(folder: Path) -> list[str]:
    """Everything that can be seen in the metrics, written into their folder; returns what the rule of the study says.

    Args:
      folder: with ``metrics.parquet``, of the columns dataset, posterior, batch_size, strategy, seed, num_labelled,
        metric and value. Gets ``gains.parquet``, and a folder for each posterior and batch size.
    """
    metrics = pd.read_parquet(folder / "metrics.parquet")
    found = [
        compare(f"{posterior}_{batch_size}", part, BASELINE)
        for (posterior, batch_size), part in metrics.groupby(["posterior", "batch_size"], sort=False)
    ]
    write_parquet(pd.concat([each.gains.assign(of=each.name) for each in found]), folder / "gains.parquet")
    for each, (_, part) in zip(found, metrics.groupby(["posterior", "batch_size"], sort=False), strict=True):
        own = folder / each.name
        own.mkdir(exist_ok=True)
        save_picture(plot_gains(each.gains, f"{each.name}: {_figure(metric_of(part), BASELINE)}"), own / "gains.png")
        mean, title = mean_over_tables(part), f"{each.name}, mean over tables"
        save_picture(plot_curves(mean, metric_of(part), baseline=BASELINE, title=title), own / "curves.png")
        for log_loss in log_losses_of(part):
            drawn = plot_curves(mean, log_loss, baseline=BASELINE, title=title)
            save_picture(drawn, own / f"curves_{log_loss}.png")
        if each.over is not None:
            write_tables(own, each.over.tables)
            write_picture(own, "critical_difference", rank_diagram(each.over.ranks))
    return [*(sentence for each in found for sentence in each.sentences), *cost_of_batches(metrics, BASELINE)]


def compare(name: str, metrics: pd.DataFrame, baseline: str) -> Found:
    """Strategies compared on each table and over tables, by the rule of the study."""
    metric = metric_of(metrics)
    by_table = curves_by_table(metrics, metric)
    over = compare_data_sets(list(by_table), list(by_table.values()), metric, baseline)
    gains, overall = _gains(by_table, metric, baseline)
    said = sentences(f"{name}: {_figure(metric, baseline)} over {len(by_table)} tables", gains, overall)
    said.append(labels_needed(mean_over_tables(metrics), metric, baseline))
    for log_loss in log_losses_of(metrics):
        of_log_loss = _gains(curves_by_table(metrics, log_loss), log_loss, baseline)
        said += sentences(f"{name}: {_figure(log_loss, baseline)} over {len(by_table)} tables", *of_log_loss)
    return Found(name, over, gains, overall, said)


def _gains(by_table: Mapping[str, Curves], metric: str, baseline: str) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Gains on each table and, if there are several, over tables."""
    # The opposite of an error: whatever the metric, a gain is above 0.
    of_runs = {table: areas(each) * (1 if higher_is_better(metric) else -1) for table, each in by_table.items()}
    gains, overall = gains_of(of_runs, baseline), None
    if len(of_runs) > 1:
        overall = paired_differences(pd.DataFrame({table: each.mean() for table, each in of_runs.items()}).T, baseline)
    return gains, overall


def gains_of(of_runs: Mapping[str, pd.DataFrame], baseline: str) -> pd.DataFrame:
    """Area less the baseline's: a row for each table and other strategy, with Student's interval over paired seeds.

    Args:
      of_runs: areas by table, a row a seed and a column a strategy; larger ones are better.
      baseline: the strategy that others are compared with.

    Raises:
      ValueError: no such baseline, or areas that are not finite.
    """
    rows = []
    for table, each in of_runs.items():
        each = named_scores(each, rows="runs")
        check_choice("the baseline", baseline, list(each.columns))
        others = each.drop(columns=baseline)
        means, halves = mean_and_interval(others.sub(each[baseline], axis=0).to_numpy().T)
        for name, mean, half in zip(others, means, halves, strict=True):
            rows.append((table, name, mean, mean - half, mean + half))
    return pd.DataFrame(rows, columns=["dataset", "strategy", "difference", "low", "high"])


def sentences(heading: str, gains: pd.DataFrame, overall: pd.DataFrame | None) -> list[str]:
    """What the rule of the study says of each strategy, the best mean first."""
    lines = [heading]
    means = gains.groupby("strategy")["difference"].mean().sort_values(ascending=False)
    for strategy, mean in means.items():
        of_tables = gains[gains["strategy"] == strategy]
        better, worse = int((of_tables["low"] > 0).sum()), int((of_tables["high"] < 0).sum())
        on_tables = f"better on {better} tables, worse on {worse}"
        if overall is None:
            lines.append(f"{strategy}: {mean:+.4f}; {on_tables}")
            continue
        row = overall.loc[str(strategy)]
        verdict = "not shown to differ"
        if row["p_holm"] < LEVEL:
            verdict = "better" if row["difference"] > 0 else "worse"
        interval = f"[{row['low']:+.4f}, {row['high']:+.4f}]"
        lines.append(f"{strategy}: {mean:+.4f} {interval}, p {row['p_holm']:.3f}, {verdict}; {on_tables}")
    return lines


def labels_needed(metrics: pd.DataFrame, metric: str, baseline: str) -> str:
    """With how many labels each strategy has what the baseline has with its last ones, by the means of all seeds."""
    means = {name: runs.mean(axis=1).to_frame() for name, runs in curves(metrics, metric).items()}
    last = float(means.pop(baseline).to_numpy()[-1, 0])
    counts = {name: labels_to(each, last, higher_is_better=higher_is_better(metric)) for name, each in means.items()}
    in_order = sorted(counts, key=lambda name: (counts[name] or np.inf, name))
    said = [f"{name} {counts[name] or 'never'}" for name in in_order]
    return f"labels for the last {metric} of {baseline}: {', '.join(said)}"


def mean_over_tables(metrics: pd.DataFrame) -> pd.DataFrame:
    """The metrics averaged over tables, seed by seed: the curves of the mean table."""
    kept = ["posterior", "batch_size", "strategy", "seed", "num_labelled", "metric"]
    return metrics.groupby(kept, sort=False)["value"].mean().reset_index()


def _figure(metric: str, baseline: str) -> str:
    """What a gain is."""
    return f"area of {metric} {'above' if higher_is_better(metric) else 'below'} that of {baseline}"
