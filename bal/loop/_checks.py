"""Checks of the settings, the data set and the labels of a run, before anything compiles."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bal.automatic import Automatic
from bal.initial import INITIAL_SETS
from bal.loop._learner import LoopState, Point
from bal.oracle import Oracle
from bal.posteriors import Posterior, check_num_samples
from bal.regions import Regions
from bal.sources import Source
from bal.strategies import STRATEGIES, Strategy
from bal.streaming import num_points
from bal.types import Batch, Dataset, PyTree
from bal.validation import check_choice, check_count, check_nonnegative, is_concrete

UNSCALED = 10  # mean or standard deviation above which labels are assumed to be unscaled


def check_settings(
    posterior: Posterior,
    strategy: Strategy,
    *,
    num_initial: int,
    num_rounds: int,
    initial_set: str,
    num_targets: int,
    pool_subset_size: int | None,
    automatic: Automatic | None,
    runs_at_once: int,
) -> None:
    """Raise if the settings of :func:`bal.build` are invalid, whatever the data."""
    check_count("num_initial", num_initial, least=0)
    check_count("num_rounds", num_rounds)
    check_count("num_targets", num_targets)
    check_count("batch_size", strategy.batch_size)
    check_count("runs_at_once", runs_at_once)
    if pool_subset_size is not None:
        check_count("pool_subset_size", pool_subset_size, least=strategy.batch_size)
    check_choice("initial_set", initial_set, INITIAL_SETS)
    if automatic is not None:
        check_count("max_automatic", automatic.max_automatic)
        check_nonnegative(weight=automatic.weight)
    kind = posterior.likelihood.predicts
    if automatic is not None and kind != "categorical":
        raise ValueError(f"expected categorical predictions for automatic labelling, got {kind} ones: leave it out")
    if strategy.takes is not None and kind not in strategy.takes:
        raise ValueError(
            f"expected a strategy for {kind} predictions, got one for {' or '.join(strategy.takes)} predictions: "
            f"those for {kind} ones are {', '.join(_strategies_for(kind))}"
        )
    missing = [name for name in strategy.needs if name not in posterior.features]
    if missing:
        hint = ": name the last_layer of a network of your own" if "embedding" in missing else ""
        raise ValueError(
            f"expected a posterior with the features {list(strategy.needs)} that the strategy needs, "
            f"got one with {sorted(posterior.features)}{hint}"
        )


def check_draws(posterior: Posterior, strategy: Strategy, num_samples: int | None) -> None:
    """Raise if the posterior has no such number of draws, or too few for the strategy."""
    num_draws = check_num_samples(num_samples, posterior.max_samples)
    # A covariance in closed form takes the place of draws.
    is_closed = posterior.covariance is not None and posterior.likelihood.predicts == "gaussian"
    if num_draws < strategy.num_draws and not is_closed:
        raise ValueError(
            f"expected at least {strategy.num_draws} posterior samples for a strategy that scores their disagreement, "
            f"got {num_draws}, under which every score is 0: use a posterior with several, such as deep_ensemble or "
            "mc_dropout, or a strategy such as margin"
        )


def check_dataset(dataset: Dataset, budget: int, pool_subset_size: int | None, strategy: Strategy) -> None:
    """Raise if a data set does not match the settings of a run. Only shapes and dtypes are checked."""
    if strategy.privileged and dataset.pool_labels is None:
        raise ValueError("expected pool_labels for a privileged strategy, which reads labels of the pool, got None")
    for name in ("test_inputs", "target_inputs", "validation", "calibration"):
        value = getattr(dataset, name)
        if isinstance(value.inputs if isinstance(value, Batch) else value, Source):
            raise ValueError(f"expected {name} in memory, got a pool on disk: read its rows, or some of them")
    size = num_points(dataset.pool_inputs)
    if budget > size:
        raise ValueError(
            f"expected a label budget (num_initial + num_rounds * batch_size) of at most the {size} points "
            f"of the pool, got {budget}"
        )
    if pool_subset_size is not None and pool_subset_size > size:
        raise ValueError(f"expected pool_subset_size between 1 and {size}, got {pool_subset_size}")
    for kind in ("pool", "test"):
        inputs, labels = getattr(dataset, f"{kind}_inputs"), getattr(dataset, f"{kind}_labels")
        if labels is None:
            continue
        if inputs is None or num_points(labels) != num_points(inputs):
            count = 0 if inputs is None else num_points(inputs)
            raise ValueError(f"expected one label for each of {count} {kind}_inputs, got {num_points(labels)}")
        if num_points(inputs) == 0:
            raise ValueError(f"expected at least one point in {kind}_inputs, got none: leave the {kind} set out")
    # A test set of a pool of regions has whole images.
    images = dataset.pool_inputs.images if isinstance(dataset.pool_inputs, Regions) else dataset.pool_inputs
    pool = Point.of(images)
    for name in ("test_inputs", "target_inputs"):
        inputs = getattr(dataset, name)
        if inputs is not None and not _alike(Point.of(inputs), pool):
            raise ValueError(
                f"expected {name} of the shape of pool_inputs, {_told(pool)}, got {_told(Point.of(inputs))}"
            )


def check_labels(posterior: Posterior, point: Point, labels: PyTree) -> None:
    """Raise if the posterior's likelihood rejects these labels; values are checked where they can be read.

    ``init`` of a posterior checks the labels against the outputs of its network, so it is traced, not run.
    """
    count = num_points(labels)
    if count:
        posterior.likelihood.check(labels)
        jax.eval_shape(
            lambda key: posterior.init(key, Batch(point.zeros(count), labels, jnp.ones(count))), jax.random.key(0)
        )


def check_given(posterior: Posterior, state: LoopState, indices: Array, labels: PyTree, weights: Array | None) -> None:
    """Raise if the likelihood rejects labels that were given, where they can be read."""
    if not is_concrete(indices, weights, *jax.tree.leaves(labels)):
        return
    answered = np.asarray(indices) < state.pool.available.shape[-1]
    if weights is not None:
        answered &= np.asarray(weights) > 0
    given = jax.tree.map(lambda held, leaf: np.asarray(leaf)[answered].astype(held.dtype), state.pool.labels, labels)
    check_labels(posterior, state.point, given)


def check_all_labels(posterior: Posterior, dataset: Dataset, oracle: Oracle | None = None) -> None:
    """Raise if the likelihood rejects any label of the data set, or any answer of a simulated oracle."""
    if oracle is not None:
        check_labels(posterior, Point.of(dataset.pool_inputs), np.array([len(oracle.confusion) - 1]))
    num_classes = dataset.about.num_classes
    held = [batch[:2] for batch in (dataset.validation, dataset.calibration) if batch is not None]
    parts = [(dataset.pool_inputs, dataset.pool_labels), (dataset.test_inputs, dataset.test_labels), *held]
    checked = set()
    for inputs, labels in parts:
        if labels is None or inputs is None:
            continue
        point = Point.of(inputs)
        if is_concrete(*jax.tree.leaves(labels)):
            check_labels(posterior, point, labels)
        elif num_classes is not None and [leaf.ndim for leaf in jax.tree.leaves(labels)] == [1]:
            # The values are traced, but the data set has the number of classes. Most often all parts are alike.
            alike = point, Point.of(labels)
            if alike not in checked:
                last = jax.tree.map(lambda leaf: np.array([num_classes - 1], leaf.dtype), labels)
                check_labels(posterior, point, last)
            checked.add(alike)


def warn_unscaled(posterior: Posterior, dataset: Dataset) -> None:
    """Warn if real labels are far from unit scale, which priors, step sizes and initial noise assume."""
    leaves = jax.tree.leaves(dataset.pool_labels)
    if not posterior.likelihood.predicts.endswith("gaussian") or len(leaves) != 1 or not is_concrete(*leaves):
        return
    labels = np.asarray(leaves[0], np.float64)
    mean, deviation = float(np.nanmean(labels)), float(np.nanstd(labels))
    if abs(mean) > UNSCALED * max(deviation, 1) or deviation > UNSCALED or 0 < deviation < 1 / UNSCALED:
        warnings.warn(
            f"expected labels with a mean near 0 and a standard deviation near 1, got mean {mean:.3g} and standard "
            f"deviation {deviation:.3g}: standardise them, and give the likelihood unit={deviation:.3g} so that errors "
            "are in the original unit (bal.datasets.from_table standardises)",
            stacklevel=3,
        )


def _alike(a: Point, b: Point) -> bool:
    return a.structure == b.structure and [shape for shape, _ in a.leaves] == [shape for shape, _ in b.leaves]


def _told(point: Point) -> str:
    shapes = ", ".join(f"[n, {', '.join(map(str, shape))}]" if shape else "[n]" for shape, _ in point.leaves)
    return shapes if len(point.leaves) == 1 else f"{point.structure} with {shapes}"


def _strategies_for(kind: str) -> list[str]:
    named = {name: factory(batch_size=1) for name, factory in STRATEGIES.items()}
    return [name for name, strategy in named.items() if strategy.takes is None or kind in strategy.takes]
