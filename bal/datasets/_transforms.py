"""Variants of a data set. Each returns a new :class:`bal.types.Dataset`; none touches the test labels."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from bal.types import Batch, Dataset, RngKey


def repeated(rng_key: RngKey, dataset: Dataset, *, copies: int, noise: float = 0.1) -> Dataset:
    """The pool several times over, each copy with its own Gaussian noise, drawn once: Repeated-MNIST.

    Args:
      rng_key: the noise.
      dataset: its pool is repeated; copy c of point i has index ``c * N + i``.
      copies: how often each point occurs.
      noise: standard deviation, in the unit of the inputs.

    Raises:
      ValueError: ``copies`` below 1 or negative ``noise``.

    References:
      Kirsch et al. 2019, BatchBALD, arXiv:1906.08158
    """
    if copies < 1 or noise < 0:
        raise ValueError(f"expected copies of at least 1 and noise of at least 0, got {copies} and {noise}")
    inputs = jnp.concatenate([jnp.asarray(dataset.pool_inputs)] * copies)
    labels = None if dataset.pool_labels is None else jnp.concatenate([jnp.asarray(dataset.pool_labels)] * copies)
    inputs = inputs + noise * jax.random.normal(rng_key, inputs.shape, inputs.dtype)
    return dataset._replace(pool_inputs=inputs, pool_labels=labels)


def imbalanced(rng_key: RngKey, dataset: Dataset, *, class_fractions: Sequence[float]) -> Dataset:
    """A pool in which classes are differently frequent; the test set stays as it is.

    Args:
      rng_key: which points stay.
      dataset: its pool must have labels.
      class_fractions: for each class the share of its pool points that stays, between 0 and 1.

    Raises:
      ValueError: no labels, a fraction outside [0, 1], or another number of fractions than of classes.
    """
    labels = _pool_labels(dataset)
    num_classes = int(labels.max()) + 1
    fractions = np.asarray(class_fractions)
    if fractions.shape != (num_classes,) or ((fractions < 0) | (fractions > 1)).any():
        raise ValueError(f"expected {num_classes} class_fractions between 0 and 1, got {list(class_fractions)}")
    order = np.asarray(jax.random.permutation(rng_key, len(labels)))
    kept = [order[labels[order] == c] for c in range(num_classes)]
    kept = [indices[: round(fraction * len(indices))] for indices, fraction in zip(kept, fractions, strict=True)]
    return _take_pool(dataset, np.sort(np.concatenate(kept)))


def normalised(dataset: Dataset) -> Dataset:
    """Inputs whose last axis (the channels of an image) has mean 0 and variance 1 over the pool.

    The same shift and scale go to all other inputs of the data set. A channel that never varies is only shifted.
    """
    pool = np.asarray(dataset.pool_inputs)
    axes = tuple(range(pool.ndim - 1))
    mean, deviation = pool.mean(axes, dtype=np.float64), pool.std(axes, dtype=np.float64)
    scale = np.where(deviation > 0, deviation, 1.0)

    def normalise(inputs):
        shape = (1,) * (pool.ndim - 1) + (-1,)
        shifted = np.asarray(inputs) - mean.astype(pool.dtype).reshape(shape)
        return shifted / scale.astype(pool.dtype).reshape(shape)

    validation = dataset.validation
    return dataset._replace(
        pool_inputs=normalise(pool),
        test_inputs=None if dataset.test_inputs is None else normalise(dataset.test_inputs),
        target_inputs=None if dataset.target_inputs is None else normalise(dataset.target_inputs),
        validation=None if validation is None else validation._replace(inputs=normalise(validation.inputs)),
    )


def subset(rng_key: RngKey, dataset: Dataset, *, num_pool: int | None = None, num_test: int | None = None) -> Dataset:
    """A random part of the pool and of the test set.

    Args:
      rng_key: which points stay.
      dataset: the whole set.
      num_pool: pool points that stay; None keeps all.
      num_test: test points that stay; None keeps all.

    Raises:
      ValueError: more points than there are, or fewer than 1.
    """
    key_pool, key_test = jax.random.split(rng_key)
    if num_pool is not None:
        dataset = _take_pool(dataset, _choose(key_pool, len(dataset.pool_inputs), num_pool, "num_pool"))
    if num_test is not None:
        if dataset.test_inputs is None or dataset.test_labels is None:
            raise ValueError("expected a data set with a test set for num_test, got none")
        kept = _choose(key_test, len(dataset.test_inputs), num_test, "num_test")
        dataset = dataset._replace(test_inputs=dataset.test_inputs[kept], test_labels=dataset.test_labels[kept])
    return dataset


def hold_out_validation(rng_key: RngKey, dataset: Dataset, *, num_validation: int) -> Dataset:
    """Move random labelled points from the pool to ``Dataset.validation``, for early stopping.

    Their labels cost what any label costs: report them beside the label count.

    Raises:
      ValueError: no labels, or not fewer validation points than pool points.
    """
    held_out, rest = _hold_out(rng_key, dataset, num_validation, "num_validation")
    return rest._replace(validation=held_out)


def hold_out_calibration(rng_key: RngKey, dataset: Dataset, *, num_calibration: int) -> Dataset:
    """Move random labelled points from the pool to ``Dataset.calibration``, for risk-controlled automatic labelling.

    Their labels cost what any label costs: report them beside the label count.

    Raises:
      ValueError: no labels, or not fewer calibration points than pool points.
    """
    held_out, rest = _hold_out(rng_key, dataset, num_calibration, "num_calibration")
    return rest._replace(calibration=held_out)


def _hold_out(rng_key: RngKey, dataset: Dataset, count: int, name: str) -> tuple[Batch, Dataset]:
    labels = _pool_labels(dataset)
    kept = _choose(rng_key, len(labels), len(labels) - count, f"the pool without {name}")
    held_out = np.setdiff1d(np.arange(len(labels)), kept)
    batch = Batch(dataset.pool_inputs[held_out], jnp.asarray(labels[held_out]), jnp.ones(len(held_out)))
    return batch, _take_pool(dataset, kept)


def _pool_labels(dataset: Dataset) -> np.ndarray:
    if dataset.pool_labels is None:
        raise ValueError("expected a data set with pool_labels, got None")
    return np.asarray(dataset.pool_labels)


def _take_pool(dataset: Dataset, indices: np.ndarray) -> Dataset:
    labels = None if dataset.pool_labels is None else dataset.pool_labels[indices]
    return dataset._replace(pool_inputs=dataset.pool_inputs[indices], pool_labels=labels)


def _choose(rng_key: RngKey, num_points: int, count: int, name: str) -> np.ndarray:
    if not 1 <= count <= num_points:
        raise ValueError(f"expected {name} between 1 and {num_points}, got {count}")
    return np.sort(np.asarray(jax.random.permutation(rng_key, num_points))[:count])
