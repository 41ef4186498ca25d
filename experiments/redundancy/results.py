"""What the study of copies shows beside accuracy: how many different points a strategy asks for."""

import pandas as pd
from rich.table import Table

from bal.studies import with_interval


def originals_table(asked: pd.DataFrame) -> Table:
    """How many different originals a batch has, over rounds.

    Args:
      asked: a row for each point asked for, with the columns strategy, seed, round and original.
    """
    table = Table(title="Different originals in a batch", caption="mean over seeds with 95 % interval")
    table.add_column("strategy", no_wrap=True)
    table.add_column("originals", justify="right", no_wrap=True)
    batches = asked.groupby(["strategy", "seed", "round"], sort=False)["original"].nunique()
    for name, runs in batches.groupby(["strategy", "seed"], sort=False).mean().groupby("strategy", sort=False):
        table.add_row(str(name), with_interval(runs.to_numpy(), decimals=1))
    return table
