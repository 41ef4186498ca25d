"""How good is a posterior? Figures of its predictions on the test set, and the loss at any points."""

from collections.abc import Callable

import jax.numpy as jnp
from jax.sharding import Mesh
from jax.tree_util import Partial
from jaxtyping import Array, Float

from bal.likelihoods import Likelihood
from bal.metrics import spearman
from bal.posteriors import Posterior
from bal.streaming import stream
from bal.types import Dataset, PyTree


def evaluate(
    posterior: Posterior,
    state: PyTree,
    predict: Callable[[Array], PyTree],
    dataset: Dataset,
    *,
    chunk_size: int | None = None,
    memory_budget: int | None = None,
    mesh: Mesh | None = None,
) -> dict[str, Array]:
    """The likelihood's metrics on the test set; ``{}`` without one.

    Where the posterior predicts its own loss, ``loss_rank_correlation`` says how well that orders the test points by
    their true loss, see :func:`bal.metrics.spearman`.

    Args:
      posterior: gives likelihood and features.
      state: fitted.
      predict: inputs -> predictions [S, n, ...] of the draws.
      dataset: has the test set.
      chunk_size: points predicted at a time; None follows from a memory budget.
      mesh: devices over which the test set is divided.
    """
    if dataset.test_inputs is None or dataset.test_labels is None:
        return {}
    likelihood = posterior.likelihood
    predictive = stream(
        lambda chunk: likelihood.reduce(predict(chunk)), dataset.test_inputs, chunk_size=chunk_size, mesh=mesh
    )
    weights = jnp.ones(dataset.test_labels.shape)
    figures = likelihood.metrics(predictive, dataset.test_labels, weights)
    if "predicted_loss" not in posterior.features:
        return figures
    predicted_loss = Partial(posterior.features["predicted_loss"], state)
    predicted = stream(predicted_loss, dataset.test_inputs, chunk_size=chunk_size, mesh=mesh)[:, 0]
    true = likelihood.nll(predictive, dataset.test_labels)
    return {**figures, "loss_rank_correlation": spearman(predicted, true, weights)}


def losses(
    likelihood: Likelihood, predict: Callable[[Array], PyTree], inputs: Array, labels: Array
) -> Float[Array, " n"]:
    """How wrong the prediction of all draws together is at each point, in nats."""
    return likelihood.nll(likelihood.reduce(predict(inputs)), labels)
