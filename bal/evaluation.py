"""How good is a posterior? Metrics of its predictions on the test set, and the loss at any points."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from bal.accumulation import accumulate
from bal.likelihoods import Likelihood, Tally
from bal.metrics import spearman
from bal.posteriors import Posterior
from bal.streaming import num_points
from bal.types import Dataset, PyTree


def evaluate(
    posterior: Posterior,
    state: PyTree,
    predict: Callable[[PyTree], PyTree],
    dataset: Dataset,
    *,
    chunk_size: int | None = None,
    memory_budget: int | None = None,
    mesh: Mesh | None = None,
) -> dict[str, Array]:
    """The likelihood's metrics on the test set; ``{}`` without a test set.

    They are accumulated over chunks, so that the predictions of all test points never exist together. If the predictive
    distribution is known exactly (``Posterior.moments``), it is evaluated instead of the mean over draws.

    If the posterior predicts its own loss, ``loss_rank_correlation`` is the rank correlation of the predicted and the
    true losses of the test points, see :func:`bal.metrics.spearman`.

    Args:
      posterior: provides likelihood, exact moments and features.
      state: a fitted state.
      predict: inputs -> predictions [S, n, ...] of the draws.
      dataset: provides the test set.
      chunk_size: points predicted at a time; None follows from the memory budget.
      memory_budget: bytes that the largest intermediate array of a chunk may take; None suits the platform.
      mesh: devices over which the test set is divided.

    Raises:
      ValueError: an empty test set, or labels that do not fit its points or the predictions.
    """
    if dataset.test_inputs is None or dataset.test_labels is None:
        return {}
    likelihood = posterior.likelihood
    points = (dataset.test_inputs, dataset.test_labels)

    def predictive_of(inputs: PyTree) -> PyTree:
        if posterior.moments is not None:
            return posterior.moments(state, inputs)
        return likelihood.reduce(predict(inputs))

    check_test_set(likelihood, predictive_of, *points)

    def tally(chunk: tuple[PyTree, PyTree], weights: Float[Array, " n"]) -> tuple[PyTree, PyTree]:
        inputs, labels = chunk
        predictive = predictive_of(inputs)
        tallied = likelihood.tally(predictive, labels, weights)
        if "predicted_loss" not in posterior.features:
            return tallied.sums, (tallied.points, None)
        predicted = posterior.features["predicted_loss"](state, inputs)[:, 0]
        return tallied.sums, (tallied.points, (predicted, likelihood.nll(predictive, labels)))

    weights = jnp.ones(num_points(points))
    sums, (kept, losses) = accumulate(
        tally, points, weights, chunk_size=chunk_size, memory_budget=memory_budget, mesh=mesh
    )
    figures = likelihood.figures(Tally(sums, kept))
    if losses is None:
        return figures
    predicted, true = losses
    return {**figures, "loss_rank_correlation": spearman(predicted, true, weights)}


def check_test_set(
    likelihood: Likelihood, predictive_of: Callable[[PyTree], PyTree], inputs: PyTree, labels: PyTree
) -> None:
    """Raise if a test set is empty, or its labels do not match its points or their predictions.

    Args:
      likelihood: checks the labels.
      predictive_of: inputs -> predictive distribution; only traced.
      inputs: of the test set.
      labels: of the test set.
    """
    num_inputs, num_labels = num_points(inputs), num_points(labels)
    if num_inputs != num_labels:
        raise ValueError(f"expected one label for each test point, got {num_labels} labels for {num_inputs} points")
    if num_inputs == 0:
        raise ValueError("expected a test set with at least one point, got none: leave it out to skip evaluation")
    likelihood.check(labels, predictive=jax.eval_shape(predictive_of, inputs))


def predictive_loss(
    likelihood: Likelihood, predict: Callable[[PyTree], PyTree], inputs: PyTree, labels: PyTree
) -> Float[Array, " n"]:
    """Loss of the predictive distribution of all draws at each point, in nats."""
    return likelihood.nll(likelihood.reduce(predict(inputs)), labels)
