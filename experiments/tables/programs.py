"""One compiled program for all data sets of a shape: whole runs of a group of seeds."""

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import bal
from bal.studies import Settings, compiler_options
from bal.studies.learners import build_learner, seed_key
from experiments.tables import ceiling
from experiments.tables.calibration import CalibratedTask


class Result(NamedTuple):
    """What was seen of a group of seeds, and how long it took."""

    metrics: dict[str, np.ndarray]  # [seeds, rounds] each
    num_labelled: np.ndarray  # [rounds]
    compile_seconds: float  # 0 where the program was there
    seconds: float


class Programs:
    """Programs by what decides them: settings, strategy and number of classes, and the shapes of the data.

    Drop it in time: on a CPU a program is about 1,300 mappings of memory, of which Linux allows a process 65,530, and
    one more is a segmentation fault. So a process holds about fifty programs, whatever holds them.
    """

    def __init__(self) -> None:
        self.compiled: dict[Any, Any] = {}

    def run(self, settings: Settings, strategy: str, datasets: bal.Dataset, seeds: list[int]) -> Result:
        """All rounds of a group of seeds, each on its own data set.

        Args:
          settings: of model and run; their data set is not read.
          strategy: a name, or module:function, or that of the ceiling.
          datasets: leaves [seeds, ...], with the number of classes in ``about``, None for numbers.
          seeds: of the keys; the same for all strategies, so that they are paired.

        Raises:
          FloatingPointError: a score or a metric is not a number; names the strategy.
        """
        keys = jnp.stack([seed_key(settings, seed) for seed in seeds])
        shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype.name), datasets)
        name = (repr(settings), strategy, len(seeds), str(shapes))
        start = time.perf_counter()
        compile_seconds = 0.0
        if name not in self.compiled:
            self.compiled[name] = _lowered(settings, strategy, keys, datasets).compile(compiler_options())
            compile_seconds = time.perf_counter() - start
        start = time.perf_counter()
        num_labelled, metrics, num_invalid = jax.device_get(self.compiled[name](keys, datasets))
        seconds = time.perf_counter() - start
        if num_invalid.any() or not all(np.isfinite(values).all() for values in metrics.values()):
            raise FloatingPointError(f"a score or a metric is not a number: strategy {strategy}, seeds {seeds}")
        return Result(metrics, num_labelled[0], compile_seconds, seconds)


def tidy(result: Result, seeds: list[int], **columns: Any) -> pd.DataFrame:
    """One row for each metric, seed and number of labels, after the given columns."""
    rows = [
        (*columns.values(), seed, int(count), metric, float(value))
        for metric, values in result.metrics.items()
        for seed, of_seed in zip(seeds, values, strict=False)
        for count, value in zip(result.num_labelled, of_seed, strict=True)
    ]
    return pd.DataFrame(rows, columns=[*columns, "seed", "num_labelled", "metric", "value"])


def learner_of(settings: Settings, strategy: str, num_classes: int | None) -> bal.ActiveLearner:
    """The learner of a strategy, or that of the ceiling, for so many classes, or for numbers.

    Raises:
      ValueError: a strategy or a posterior that does not predict them.
    """
    named = "random" if strategy == ceiling.NAME else strategy
    return build_learner(settings, named, CalibratedTask(num_classes or 1, classes=num_classes is not None))


def _lowered(settings: Settings, strategy: str, keys: jax.Array, datasets: bal.Dataset) -> Any:
    learner = learner_of(settings, strategy, datasets.about.num_classes)

    def run_one(rng_key: jax.Array, dataset: bal.Dataset):
        if strategy == ceiling.NAME:
            _, metrics, num_labelled = ceiling.greedy_run(rng_key, learner, dataset)
            return num_labelled, metrics, jnp.zeros_like(num_labelled)
        info = bal.run(rng_key, learner, dataset)[1]
        return info.num_labelled, info.metrics, info.selection.num_invalid

    return jax.jit(jax.vmap(run_one)).lower(keys, datasets)
