"""Tidy tables of a finished grid: a row for each observation."""

from pathlib import Path

import jax
import numpy as np
import pandas as pd
from jaxtyping import ArrayLike, Int

from bal.studies.grid import Unit
from bal.studies.settings import Settings
from bal.studies.whole_file import whole_file


def metrics_frame(settings: Settings, units: list[Unit]) -> pd.DataFrame:
    """One row for each metric of each round: dataset, posterior, strategy, seed, round, num_labelled, metric, value.

    With a simulated oracle ``num_labelled`` counts the labels asked and paid for, also those that were not given or
    were asked for again: see :func:`oracle_frame`.

    Example:
      >>> import bal
      >>> info = bal.StepInfo(np.array([[20], [25]]), None, {"accuracy": np.array([[0.5], [0.75]])}, None, None)
      >>> unit = Unit("bald", [0], info, [0.5, 0.5], lambda: None)  # as run_grid returns it: two rounds, one seed
      >>> metrics_frame(Settings().with_values(num_seeds=1), [unit])[["num_labelled", "value"]].values.tolist()
      [[20.0, 0.5], [25.0, 0.75]]
    """
    rows = []
    for unit, position, seed in _seeds(settings, units):
        info = jax.tree.map(lambda leaf, position=position: leaf[:, position], unit.info)
        counts = info.num_labelled if info.oracle is None else info.oracle.num_asked
        for metric in sorted(info.metrics):
            for done, value in enumerate(info.metrics[metric]):
                rows.append((unit.strategy, seed, done, int(counts[done]), metric, float(value)))
    return _of_settings(settings, rows)


def acquisitions_frame(settings: Settings, units: list[Unit]) -> pd.DataFrame:
    """One row for each point asked for: strategy, seed, round, rank, index, score.

    Example:
      >>> import bal
      >>> asked = bal.Selection(np.array([[[7, 3]]]), np.array([[[0.5, 0.25]]]), np.array([[0]]))
      >>> info = bal.StepInfo(np.array([[20]]), asked, {}, None, None)
      >>> unit = Unit("bald", [0], info, [0.5], lambda: None)  # as run_grid returns it: one round, one seed
      >>> acquisitions_frame(Settings().with_values(num_seeds=1, num_rounds=1), [unit])["index"].tolist()
      [7, 3]
    """
    rows = []
    for unit, position, seed in _seeds(settings, units):
        selection = unit.info.selection
        for done in range(settings.run.num_rounds):
            chosen = zip(selection.indices[done, position], selection.scores[done, position], strict=True)
            rows += [(unit.strategy, seed, done, rank, int(index), float(s)) for rank, (index, s) in enumerate(chosen)]
    return pd.DataFrame(rows, columns=["strategy", "seed", "round", "rank", "index", "score"])


def found_frame(
    settings: Settings, units: list[Unit], pool_labels: Int[ArrayLike, " N"], *, positive: int = 1
) -> pd.DataFrame:
    """The share of the pool's points of one class that are labelled, as a metric ``positives_found`` of each round.

    Args:
      settings: of the grid.
      units: what it returned.
      pool_labels: the class of each point of its pool.
      positive: the class that is searched for.

    Returns:
      Rows as those of :func:`metrics_frame`, for the labels that the model of a round was trained on: the initial ones
      and all that were asked for before that round.

    Raises:
      ValueError: the pool has no point of that class, or the folder holds more rounds than the settings ask for.

    Example:
      >>> import bal
      >>> pool = bal.PoolState(np.array([[2, 0, 3]]), None, None, None)  # three labels of one seed
      >>> state = bal.LoopState(pool, (), (), None, (), None)
      >>> info = bal.StepInfo(np.array([[1], [2]]), None, {}, None, None)
      >>> unit = Unit("active_search", [0], info, [0.5, 0.5], lambda: state)
      >>> found_frame(Settings().with_values(num_seeds=1), [unit], np.array([1, 0, 0, 1]))["value"].tolist()
      [0.0, 0.5]

    References:
      Garnett et al. 2012, Bayesian optimal active search and surveying, arXiv:1206.6406
    """
    # The absent index is the number of points.
    is_positive = np.append(np.asarray(pool_labels) == positive, False)
    if not is_positive.any():
        raise ValueError(f"expected a pool with points of class {positive}, got none of {len(is_positive) - 1}")
    found = {
        (unit.strategy, unit.seeds[0]): np.cumsum(is_positive[np.asarray(unit.state().pool.indices)], axis=1)
        for unit in units
    }
    rows = []
    for unit, position, seed in _seeds(settings, units):
        so_far = found[unit.strategy, unit.seeds[0]][position]
        for done, count in enumerate(unit.info.num_labelled[:, position].tolist()):
            share = float(so_far[count - 1] / is_positive.sum()) if count else 0.0
            rows.append((unit.strategy, seed, done, count, "positives_found", share))
    return _of_settings(settings, rows)


def automatic_frame(settings: Settings, units: list[Unit]) -> pd.DataFrame:
    """One row for the automatic labels of each round: their number, coverage and precision, and errors by class.

    Example:
      >>> import bal
      >>> one = np.ones((1, 1))  # one round, one seed
      >>> labelled = bal.AutomaticInfo(one, one, one, one, one, one, np.array([[[0, 1]]]))
      >>> info = bal.StepInfo(one, None, {}, None, None, labelled)
      >>> unit = Unit("bald", [0], info, [0.5], lambda: None)
      >>> automatic_frame(Settings().with_values(num_seeds=1, num_rounds=1), [unit])["wrong_by_class"].tolist()
      [[0, 1]]
    """
    rows = []
    for unit, position, seed in _seeds(settings, units):
        info = jax.tree.map(lambda leaf, position=position: leaf[:, position], unit.info)
        for done in range(settings.run.num_rounds):
            seen = jax.tree.map(lambda leaf, done=done: leaf[done].tolist(), info.automatic)
            rows.append({"strategy": unit.strategy, "seed": seed, "round": done, **seen._asdict()})
    return pd.DataFrame(rows)


def oracle_frame(settings: Settings, units: list[Unit]) -> pd.DataFrame:
    """One row for the labels that the model of each round was trained on: how many, and what a simulated oracle did.

    The columns num_asked, num_abstained, num_wrong and cost are those of :class:`bal.OracleInfo`.

    Example:
      >>> import bal
      >>> seen = bal.OracleInfo(*np.array([[[20]], [[1]], [[3]], [[20]]]))  # of one round and one seed
      >>> info = bal.StepInfo(np.array([[19]]), None, {}, None, None, oracle=seen)
      >>> unit = Unit("bald", [0], info, [0.5], lambda: None)
      >>> oracle_frame(Settings().with_values(num_seeds=1), [unit]).loc[0, ["num_labels", "num_wrong"]].tolist()
      [19, 3]
    """
    rows = []
    for unit, position, seed in _seeds(settings, units):
        info = jax.tree.map(lambda leaf, position=position: leaf[:, position], unit.info)
        for done, count in enumerate(info.num_labelled.tolist()):
            seen = jax.tree.map(lambda leaf, done=done: leaf[done].item(), info.oracle)
            rows.append({"strategy": unit.strategy, "seed": seed, "round": done, "num_labels": count, **seen._asdict()})
    return pd.DataFrame(rows)


def stopping_frame(settings: Settings, units: list[Unit]) -> pd.DataFrame:
    """One row for what stopping criteria decide from in each round: strategy, seed, round, and :class:`bal.StopInfo`.

    The interval of the predicted accuracy is in the columns accuracy_low and accuracy_high.

    Example:
      >>> import bal
      >>> one = np.ones((3, 1))  # three rounds, one seed
      >>> watched = bal.StopInfo(one, one, one, one, one, bal.stopping.PredictedAccuracy(one, one, one))
      >>> info = bal.StepInfo(one, None, {}, None, None, stopping=watched)
      >>> unit = Unit("bald", [0], info, [0.5], lambda: None)
      >>> stopping_frame(Settings().with_values(num_seeds=1), [unit])["kappa"].tolist()
      [1.0, 1.0, 1.0]
    """
    rows = []
    for unit, position, seed in _seeds(settings, units):
        numbers = jax.tree.map(lambda leaf, position=position: leaf[:, position], unit.info.stopping)
        expected = numbers.accuracy
        columns = {
            **numbers._asdict(),
            "accuracy": expected.accuracy,
            "accuracy_low": expected.low,
            "accuracy_high": expected.high,
        }
        rounds = pd.DataFrame({"strategy": unit.strategy, "seed": seed, "round": range(len(expected.low)), **columns})
        rows.append(rounds)
    return pd.concat(rows, ignore_index=True)


def seconds_frame(units: list[Unit]) -> pd.DataFrame:
    """One row for each round of a group of seeds: strategy, first_seed, num_seeds, round, seconds without compilation.

    These are measured, so no two runs have the same. ``memory``, in bytes, is that of the group's compiled round with
    its data, and missing where the pool is on disk.

    Example:
      >>> seconds_frame([Unit("bald", [0, 1], None, [0.5, 0.25], lambda: None)])["seconds"].tolist()
      [0.5, 0.25]
    """
    rows = [(u.strategy, u.seeds[0], len(u.seeds), r, s, u.memory) for u in units for r, s in enumerate(u.seconds)]
    columns = ["strategy", "first_seed", "num_seeds", "round", "seconds", "memory"]
    return pd.DataFrame(rows, columns=columns).astype({"memory": "Int64"})


def describe_runs(frame: pd.DataFrame) -> str:
    """Data set, posterior and number of seeds of a table of metrics, as far as all of its rows agree.

    Example:
      >>> describe_runs(pd.DataFrame({"dataset": ["digits"] * 2, "strategy": ["bald"] * 2, "seed": [0, 1]}))
      'digits, 2 seeds'
    """
    parts = [
        frame[column].iloc[0] for column in ("dataset", "posterior") if column in frame and frame[column].nunique() == 1
    ]
    seeds = frame.groupby("strategy")["seed"].nunique()
    few, most = int(seeds.min()), int(seeds.max())
    parts.append(f"{few} to {most} seeds" if few < most else f"{most} seed" + "s" * (most > 1))
    return ", ".join(parts)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a table, whole or not at all: an interruption leaves the previous file.

    Example:
      >>> import tempfile
      >>> path = Path(tempfile.mkdtemp()) / "metrics.parquet"
      >>> write_parquet(pd.DataFrame({"value": [0.5]}), path)
      >>> pd.read_parquet(path)["value"].tolist()
      [0.5]
    """
    with whole_file(path) as partial:
        frame.to_parquet(partial, index=False)


def _of_settings(settings: Settings, rows: list[tuple]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["strategy", "seed", "round", "num_labelled", "metric", "value"])
    frame.insert(0, "dataset", settings.data.dataset)
    frame.insert(1, "posterior", settings.model.posterior)
    return frame


def _seeds(settings: Settings, units: list[Unit]):
    """Unit, position in it and seed, without the seeds that only fill up the last group."""
    for unit in units:
        for position, seed in enumerate(unit.seeds):
            if seed < settings.run.num_seeds:
                yield unit, position, seed
