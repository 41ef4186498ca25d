"""The information of a given batch, to compare batches of any rule."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.information import finite_log, log_mean_exp
from bal.precision import full_precision
from bal.selection._checks import as_floats
from bal.selection.information._configurations import check_num_configurations
from bal.types import RngKey
from bal.validation import check_indices, check_key


class JointInformation(NamedTuple):
    """What the labels of a batch together would say about the parameters."""

    information: Float[Array, ""]  # nats
    standard_error: Float[Array, ""]  # of the Monte-Carlo average; 0 where the information is exact


@full_precision
def joint_information(
    rng_key: RngKey, log_probs: Float[Array, "S N C"], indices: Int[Array, " B"], *, num_configurations: int
) -> JointInformation:
    r"""Mutual information between the labels of a batch and the model's parameters.

    .. math:: I(y_{1..B}; \theta) = E_{y_{1..B}}\, KL(p(\theta \mid y_{1..B}) \,\|\, p(\theta))

    Exact where the C**B joint labels fit ``num_configurations``; otherwise the average over that many sampled ones.

    Args:
      rng_key: the sample of joint labels.
      log_probs: normalised log-probabilities under S posterior samples.
      indices: the points of the batch; the absent index N adds nothing.
      num_configurations: the largest number of joint labels to average over.

    Returns:
      The information in nats, at most log S, and its standard error.

    Raises:
      ValueError: ``num_configurations`` is below C, or there are no indices.

    Example:
      >>> sure = jnp.log(jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
      >>> result = joint_information(jax.random.key(0), sure, jnp.array([0, 0]), num_configurations=4)
      >>> float(result.information) == float(jnp.log(2)), float(result.standard_error)
      (True, 0.0)

    References:
      Kirsch et al. 2019, BatchBALD, arXiv:1906.08158
    """
    check_key(rng_key)
    log_probs = as_floats("log_probs", log_probs, "S", "N", "C")
    check_num_configurations(num_configurations, log_probs.shape[2])
    check_indices("indices", indices, log_probs.shape[1])
    if indices.shape[0] == 0:
        raise ValueError("expected indices of at least one point, got none")
    return _joint_information(rng_key, log_probs, indices, num_configurations=num_configurations)


@jax.jit(static_argnames="num_configurations")
def _joint_information(rng_key, log_probs, indices, *, num_configurations):
    _, num_points, num_classes = log_probs.shape
    absent = (indices == num_points)[None, :, None]
    # A label that is the same under all draws says nothing.
    batch = jnp.where(absent, -jnp.log(num_classes), finite_log(log_probs[:, indices.clip(max=num_points - 1)]))
    if num_classes ** indices.shape[0] <= num_configurations:
        joint = _all_configurations(batch)
        weights = jnp.exp(log_mean_exp(joint))
        return JointInformation(weights @ _divergences(joint), jnp.zeros((), joint.dtype))
    divergences = _divergences(_sampled_configurations(rng_key, batch, num_configurations))
    return JointInformation(divergences.mean(), divergences.std(ddof=1) / num_configurations**0.5)


def _divergences(log_joint: Float[Array, "S J"]) -> Float[Array, " J"]:
    """Divergence of the posterior over the draws, after each joint label, from equal weights."""
    log_ratios = log_joint - log_mean_exp(log_joint)[None]
    return (jnp.exp(log_ratios) * log_ratios).mean(axis=0)


def _all_configurations(log_probs: Float[Array, "S B C"]) -> Float[Array, "S J"]:
    log_joint = log_probs[:, 0]
    for point in range(1, log_probs.shape[1]):
        log_joint = (log_joint[:, :, None] + log_probs[:, point, None, :]).reshape(log_probs.shape[0], -1)
    # Many labels that are impossible together must not fall below what counts as impossible.
    return finite_log(log_joint)


def _sampled_configurations(
    rng_key: RngKey, log_probs: Float[Array, "S B C"], num_configurations: int
) -> Float[Array, "S J"]:
    num_draws, batch_size, _ = log_probs.shape
    key_draws, key_labels = jax.random.split(rng_key)
    # Every draw is the truth about equally often, which leaves less to chance than drawing it each time.
    offset = jax.random.uniform(key_draws)
    truth = jnp.floor((jnp.arange(num_configurations) + offset) / num_configurations * num_draws).astype(jnp.int32)
    truth = truth.clip(max=num_draws - 1)

    def add_point(log_joint, point):
        key, log_probs_of_point = point
        labels = jax.random.categorical(key, log_probs_of_point[truth])
        return log_joint + log_probs_of_point[:, labels], None

    points = (jax.random.split(key_labels, batch_size), jnp.moveaxis(log_probs, 1, 0))
    initial = jnp.zeros((num_draws, num_configurations), log_probs.dtype)
    return finite_log(jax.lax.scan(add_point, initial, points)[0])
