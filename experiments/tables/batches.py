"""What a batch costs: each strategy in batches beside the same one label at a time, at the label counts of both."""

import pandas as pd

from bal.studies import higher_is_better, mean_and_interval
from bal.studies.statistics import areas
from experiments.tables.curves import curves_by_table, metric_of


def cost_of_batches(metrics: pd.DataFrame, baseline: str) -> list[str]:
    """For each posterior that has two batch sizes, the change of each strategy's area, and its gains with both.

    Args:
      metrics: of any posteriors and batch sizes, as the study keeps them.
      baseline: the strategy that gains are over.

    Returns:
      Sentences; differences are means over tables with their intervals over tables, and gains are above 0 where the
      strategy is better.
    """
    lines = []
    for posterior, part in metrics.groupby("posterior", sort=False):
        if part["batch_size"].nunique() != 2 or part["dataset"].nunique() < 2:
            continue
        by_size = dict(list(part.groupby("batch_size")))
        counts = sorted(set.intersection(*(set(each["num_labelled"]) for each in by_size.values())))
        single, batch = (_areas(each[each["num_labelled"].isin(counts)]) for _, each in sorted(by_size.items()))
        sign = 1 if higher_is_better(metric_of(part)) else -1
        lines.append(f"{posterior}: area of {metric_of(part)} in batches, at {', '.join(map(str, counts))} labels")
        for name in single.columns.intersection(batch.columns):
            mean, half = _over_tables(batch[name] - single[name])
            said = f"{name}: {'larger' if mean > 0 else 'smaller'} by {abs(mean):.4f} ± {half:.4f}"
            if name != baseline:
                gains = (_over_tables(sign * (each[name] - each[baseline])) for each in (single, batch))
                said += "; better than {} by {:+.4f} ± {:.4f} one at a time and {:+.4f} ± {:.4f} in batches".format(
                    baseline, *(number for gain in gains for number in gain)
                )
            lines.append(said)
    return lines


def _areas(metrics: pd.DataFrame) -> pd.DataFrame:
    """Mean areas over seeds, a row a table and a column a strategy."""
    by_table = curves_by_table(metrics, metric_of(metrics))
    return pd.DataFrame({table: areas(each).mean(skipna=False) for table, each in by_table.items()}).T


def _over_tables(differences: pd.Series) -> tuple[float, float]:
    mean, half = mean_and_interval(differences.to_numpy())
    return float(mean), float(half)
