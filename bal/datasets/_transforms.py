"""Variants of a data set. Each returns a new :class:`bal.types.Dataset`; none reads the test labels."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from bal.datasets._points import check_in_memory, num_points, take_pool, take_rows
from bal.types import Batch, Dataset, PyTree, RngKey
from bal.validation import check_count, check_nonnegative, check_probability


def repeated(rng_key: RngKey, dataset: Dataset, *, copies: int, noise: float = 0.1) -> Dataset:
    """The pool repeated, each copy with independent Gaussian noise that is drawn once: Repeated-MNIST.

    Args:
      rng_key: draws the noise.
      dataset: its pool is repeated; copy c of point i has index ``c * N + i``.
      copies: number of copies of each point.
      noise: standard deviation, in the unit of the inputs. It is added to floating leaves.

    Raises:
      ValueError: ``copies`` below 1, negative ``noise``, noise on inputs that are all integers, or a pool on disk.

    Example:
      >>> dataset = Dataset(np.arange(6.0)[:, None], np.array([0, 0, 0, 1, 1, 1]))
      >>> repeated(jax.random.key(0), dataset, copies=2).pool_inputs.shape
      (12, 1)

    References:
      Kirsch et al. 2019, BatchBALD, arXiv:1906.08158
    """
    check_in_memory("repeated (--copies)", dataset)
    check_count("copies", copies)
    check_nonnegative(noise=noise)
    repeat = lambda tree: jax.tree.map(lambda leaf: jnp.concatenate([jnp.asarray(leaf)] * copies), tree)
    leaves, structure = jax.tree.flatten(repeat(dataset.pool_inputs))
    floating = [index for index, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    if not floating and noise > 0:
        raise ValueError(
            f"expected floating pool_inputs to add noise to, got {leaves[0].dtype}: "
            "convert them with bal.datasets.map_inputs, or pass noise=0"
        )
    keys = [rng_key] if len(floating) == 1 else jax.random.split(rng_key, max(1, len(floating)))
    for key, index in zip(keys, floating, strict=False):
        leaves[index] = leaves[index] + noise * jax.random.normal(key, leaves[index].shape, leaves[index].dtype)
    return dataset._replace(pool_inputs=jax.tree.unflatten(structure, leaves), pool_labels=repeat(dataset.pool_labels))


def imbalanced(rng_key: RngKey, dataset: Dataset, *, class_fractions: Sequence[float]) -> Dataset:
    """A pool whose classes have different frequencies; the test set does not change.

    Args:
      rng_key: draws the points to keep.
      dataset: its pool must have one class a point.
      class_fractions: share of the pool points of each class to keep, between 0 and 1.

    Raises:
      ValueError: labels that are not classes, a fraction outside [0, 1], the wrong number of fractions, or no point
        left.

    Example:
      >>> dataset = Dataset(np.arange(6.0)[:, None], np.array([0, 0, 0, 1, 1, 1]))
      >>> imbalanced(jax.random.key(0), dataset, class_fractions=(1.0, 0.0)).pool_labels.tolist()
      [0, 0, 0]
    """
    labels = _pool_labels(dataset)
    if not hasattr(labels, "dtype") or not jnp.issubdtype(labels.dtype, jnp.integer) or labels.ndim != 1:
        raise ValueError("expected integer pool_labels of shape [N] for class_fractions, got other labels")
    labels = np.asarray(labels)
    num_classes = dataset.about.num_classes or int(labels.max()) + 1
    fractions = np.asarray(class_fractions)
    if fractions.shape != (num_classes,):
        raise ValueError(f"expected {num_classes} class_fractions, one for each class, got {list(class_fractions)}")
    check_probability(class_fractions=fractions)
    order = np.asarray(jax.random.permutation(rng_key, len(labels)))
    kept = [order[labels[order] == c] for c in range(num_classes)]
    kept = [indices[: round(fraction * len(indices))] for indices, fraction in zip(kept, fractions, strict=True)]
    indices = np.sort(np.concatenate(kept))
    if not indices.size:
        raise ValueError(f"expected class_fractions that leave at least one point, got {list(class_fractions)}")
    return take_pool(dataset, indices)


def subset(rng_key: RngKey, dataset: Dataset, *, num_pool: int | None = None, num_test: int | None = None) -> Dataset:
    """A random part of the pool and of the test set.

    Args:
      rng_key: draws the points to keep.
      dataset: the whole set.
      num_pool: number of pool points to keep; None keeps all.
      num_test: number of test points to keep; None keeps all.

    Raises:
      ValueError: a count that is not between 1 and the number of points, or no test set.

    Example:
      >>> dataset = Dataset(np.arange(6.0)[:, None], np.array([0, 0, 0, 1, 1, 1]))
      >>> subset(jax.random.key(0), dataset, num_pool=4).pool_inputs.shape
      (4, 1)
    """
    key_pool, key_test = jax.random.split(rng_key)
    if num_pool is not None:
        dataset = take_pool(dataset, _choose(key_pool, num_points(dataset.pool_inputs), num_pool, "num_pool"))
    if num_test is not None:
        if dataset.test_inputs is None:
            raise ValueError("expected a data set with test_inputs for num_test, got None")
        kept = _choose(key_test, num_points(dataset.test_inputs), num_test, "num_test")
        inputs, labels = take_rows((dataset.test_inputs, dataset.test_labels), kept)
        dataset = dataset._replace(test_inputs=inputs, test_labels=labels)
    return dataset


def hold_out_validation(rng_key: RngKey, dataset: Dataset, *, num_validation: int) -> Dataset:
    """Move random labelled points from the pool to ``Dataset.validation``, for early stopping.

    These labels cost as much as any others: report them beside the label count.

    Args:
      rng_key: draws the points to move.
      dataset: its pool must have labels.
      num_validation: number of points to move.

    Raises:
      ValueError: no labels, or at least as many validation points as pool points.

    Example:
      >>> dataset = Dataset(np.arange(6.0)[:, None], np.array([0, 0, 0, 1, 1, 1]))
      >>> dataset = hold_out_validation(jax.random.key(0), dataset, num_validation=2)
      >>> dataset.validation.inputs.shape, dataset.pool_inputs.shape
      ((2, 1), (4, 1))
    """
    held_out, rest = _hold_out(rng_key, dataset, num_validation, "num_validation")
    return rest._replace(validation=held_out)


def hold_out_calibration(rng_key: RngKey, dataset: Dataset, *, num_calibration: int) -> Dataset:
    """Move random labelled points from the pool to ``Dataset.calibration``, for risk-controlled automatic labelling.

    These labels cost as much as any others: report them beside the label count.

    Args:
      rng_key: draws the points to move.
      dataset: its pool must have labels.
      num_calibration: number of points to move.

    Raises:
      ValueError: no labels, or at least as many calibration points as pool points.

    Example:
      >>> dataset = Dataset(np.arange(6.0)[:, None], np.array([0, 0, 0, 1, 1, 1]))
      >>> dataset = hold_out_calibration(jax.random.key(0), dataset, num_calibration=2)
      >>> dataset.calibration.inputs.shape, dataset.pool_inputs.shape
      ((2, 1), (4, 1))
    """
    held_out, rest = _hold_out(rng_key, dataset, num_calibration, "num_calibration")
    return rest._replace(calibration=held_out)


def _hold_out(rng_key: RngKey, dataset: Dataset, count: int, name: str) -> tuple[Batch, Dataset]:
    _pool_labels(dataset)
    size = num_points(dataset.pool_inputs)
    check_count(name, count)
    if count >= size:
        raise ValueError(f"expected {name} below the number of pool points {size}, got {count}")
    kept = _choose(rng_key, size, size - count, name)
    held_out = np.setdiff1d(np.arange(size), kept)
    inputs, labels = take_rows(dataset.pool_inputs, held_out), take_rows(dataset.pool_labels, held_out)
    return Batch(inputs, jax.tree.map(jnp.asarray, labels), jnp.ones(count)), take_pool(dataset, kept)


def _pool_labels(dataset: Dataset) -> PyTree:
    if dataset.pool_labels is None:
        raise ValueError("expected a data set with pool_labels, got None")
    return dataset.pool_labels


def _choose(rng_key: RngKey, size: int, count: int, name: str) -> np.ndarray:
    check_count(name, count)
    if count > size:
        raise ValueError(f"expected {name} between 1 and {size}, got {count}")
    return np.sort(np.asarray(jax.random.permutation(rng_key, size))[:count])
