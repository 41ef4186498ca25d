"""A problem of the testbed: labels of a random network, whose probabilities are known."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal import metrics
from bal.types import Batch, RngKey

HIDDEN = 50
NUM_CLASSES = 2
SET_SIZE = 10


class Problem(NamedTuple):
    """Labelled points, and test points in sets that repeat two anchors; each repetition has a label of its own."""

    batch: Batch  # rows of weight 0 are padding
    inputs: Float[Array, "T D"]
    labels: Int[Array, " T"]
    log_probs: Float[Array, " T"]  # of each test label under the network that drew it


def draw(
    rng_key: RngKey,
    num_train: int | Int[Array, ""],
    temperature: float | Float[Array, ""],
    *,
    num_inputs: int,
    most_train: int,
    num_sets: int,
) -> Problem:
    """Draw a network, and points and labels from it.

    Args:
      rng_key: draws everything.
      num_train: labelled points, at most ``most_train``; may be traced.
      temperature: the outputs are divided by it, so labels at a small one are almost certain; may be traced.
      num_inputs: dimension of the inputs, which are standard normal.
      most_train: rows of the batch.
      num_sets: test sets, each of :data:`SET_SIZE` points.
    """
    keys = jax.random.split(rng_key, 6)
    kernels = _kernels(keys[0], num_inputs)
    bias = jax.random.normal(keys[1], (HIDDEN,)) / jnp.sqrt(num_inputs)

    def log_probs_of(inputs):
        hidden = jax.nn.relu(inputs @ kernels[0] + bias[None])
        return jax.nn.log_softmax(jax.nn.relu(hidden @ kernels[1]) @ kernels[2] / temperature)

    train = jax.random.normal(keys[2], (most_train, num_inputs))
    train_labels = jax.random.categorical(keys[3], log_probs_of(train))
    weights = (jnp.arange(most_train) < num_train).astype(jnp.float32)

    key_anchors, key_sets = jax.random.split(keys[4])
    anchors = jax.random.normal(key_anchors, (2 * num_sets, num_inputs))
    inputs = anchors[metrics.dyadic_sets(key_sets, 2 * num_sets, num_sets=num_sets, set_size=SET_SIZE).reshape(-1)]
    log_probs = log_probs_of(inputs)
    labels = jax.random.categorical(keys[5], log_probs)
    return Problem(
        Batch(train, train_labels, weights),
        inputs,
        labels,
        jnp.take_along_axis(log_probs, labels[:, None], axis=1)[:, 0],
    )


def divergences(problem: Problem, log_likelihoods: Float[Array, "S T"]) -> dict[str, Float[Array, ""]]:
    """Estimates of the Kullback-Leibler divergence from the true labels' distribution to the predicted one, in nats.

    Args:
      problem: what the labels are, and how probable they were.
      log_likelihoods: log-probability of each test label under each draw.

    Returns:
      ``marginal`` of single points and ``joint`` of sets.
    """
    points = jnp.arange(problem.labels.shape[0])
    return {
        name: problem.log_probs.mean() * size + metrics.joint_nll(log_likelihoods, points.reshape(-1, size))
        for name, size in (("marginal", 1), ("joint", SET_SIZE))
    }


def _kernels(rng_key: RngKey, num_inputs: int) -> list[Float[Array, "A B"]]:
    """Truncated normal numbers, divided by the square root of the number of inputs of the layer."""
    sizes = (num_inputs, HIDDEN, HIDDEN, NUM_CLASSES)
    return [
        jax.random.truncated_normal(key, -2, 2, (a, b)) / jnp.sqrt(a)
        for key, a, b in zip(jax.random.split(rng_key, 3), sizes[:-1], sizes[1:], strict=True)
    ]
