"""Active Bayesian coresets: a batch whose likelihood is close to that of the whole pool."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.information import entropy, finite_log, log_mean_exp
from bal.precision import full_precision
from bal.selection._checks import as_floats, check_request
from bal.selection._selection import Selection, random_order, take_first
from bal.selection.geometry._points import row, usable
from bal.selection.greedy._greedy import among_all, greedy
from bal.types import RngKey


class Coreset(NamedTuple):
    """State of the Frank-Wolfe iteration."""

    weights: Float[Array, " N"]  # of the convex combination; positive for the points of the coreset
    first_visits: Int[Array, " N"]  # iteration that first chose the point; T, the number of iterations, if none did
    alignments: Float[Array, " N"]  # cosine of point and residual times the residual's norm, at the first visit
    residual_norms: Float[Array, " T"]  # before each iteration; non-increasing


@full_precision
def acs_fw(
    rng_key: RngKey, features: Float[Array, "N D"], available: Bool[Array, " N"], *, batch_size: int
) -> Selection:
    r"""Approximate the sum of all points' features by a sparse combination: B iterations of Frank-Wolfe.

    .. math:: \min_w \Big\lVert \sum_n \phi_n - \sum_n w_n \phi_n \Big\rVert^2 \quad \text{subject to} \quad w \ge 0,\;
              \sum_n w_n \lVert\phi_n\rVert \le \sum_n \lVert\phi_n\rVert

    Each iteration moves towards the point that is best aligned with the residual, by exact line search. It may return
    to a point that it chose before, so the coreset can be smaller than the batch; the remaining places go to the points
    best aligned with the last residual.

    Args:
      rng_key: breaks ties.
      features: a random projection of each point's expected log-likelihood as a function of the parameters; for
        classification :func:`bal.selection.log_likelihood_features`.
      available: True where a point may be chosen; the others are not part of the sum.
      batch_size: number of points B, and of iterations.

    Returns:
      The selection in the order of the first visit; a score is the alignment with the residual then, in the unit of the
      features.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, or the shapes disagree.

    Example:
      >>> features = jnp.array([[3.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
      >>> acs_fw(jax.random.key(0), features, jnp.ones(3, bool), batch_size=2).indices[1]
      Array(2, dtype=int32)

    References:
      Pinsler et al. 2019, Bayesian batch active learning as sparse subset approximation, arXiv:1908.02144
    """
    check_request(rng_key, available, batch_size)
    features = as_floats("features", features, available.shape[0], "D")
    return _acs_fw(rng_key, features, available, batch_size=batch_size)


def log_likelihood_features(log_probs: Float[Array, "S N C"]) -> Float[Array, "N S"]:
    r"""Expected log-likelihood of each point under each draw, less its entropy: coreset features for classification.

    .. math:: \phi_{ns} = \tfrac{1}{\sqrt S} \left(\sum_c \bar p_{nc} \log p_{nc}(\theta_s) + H[\bar p_n]\right)

    Args:
      log_probs: normalised log-probabilities under S posterior samples, which are the random projections.

    Returns:
      One row per point, in nats. A point on which all draws agree has a row of zeros.

    Example:
      >>> log_likelihood_features(jnp.log(jnp.full((4, 1, 2), 0.5))).tolist()
      [[0.0, 0.0, 0.0, 0.0]]
    """
    mean = log_mean_exp(log_probs)
    expected = (jnp.exp(mean)[None] * finite_log(log_probs)).sum(axis=-1)
    return ((expected + entropy(mean)[None]) / log_probs.shape[0] ** 0.5).T


@jax.jit(static_argnames="batch_size")
def _acs_fw(rng_key, features, available, *, batch_size):
    key_visits, key_rest = jax.random.split(rng_key)
    points, allowed, num_invalid = usable(available, features)
    coreset, alignments = frank_wolfe(key_visits, points, allowed, num_iterations=batch_size)
    visited = coreset.first_visits < batch_size
    scores = jnp.where(visited, coreset.alignments, alignments)
    order = random_order(key_rest, ~allowed, coreset.first_visits, -scores)
    return take_first(order, scores, allowed, batch_size=batch_size)._replace(num_invalid=num_invalid)


def frank_wolfe(
    rng_key: RngKey, features: Float[Array, "N D"], allowed: Bool[Array, " N"], *, num_iterations: int
) -> tuple[Coreset, Float[Array, " N"]]:
    """Frank-Wolfe from the empty combination; also the alignment of each point with the last residual."""
    norms = jnp.linalg.norm(features, axis=1)
    total_norm, target = norms.sum(), features.sum(axis=0)
    candidates = allowed & (norms > 0)
    lengths = jnp.where(candidates, norms, 1.0)

    def align(residual):
        return jnp.where(candidates, features @ residual / lengths, -jnp.inf)

    def gain(state):
        _, residual = state
        return align(residual)

    def update(state, step, index):
        coreset, residual = state
        vertex = total_norm / lengths.at[index].get(mode="fill", fill_value=1)
        direction = vertex * row(features, index) - (target - residual)
        length = direction @ direction
        rate = jnp.clip(direction @ residual / jnp.where(length > 0, length, 1.0), 0.0, 1.0)
        weights = ((1 - rate) * coreset.weights).at[index].add(rate * vertex, mode="drop")
        new = coreset.first_visits.at[index].get(mode="fill", fill_value=0) == num_iterations
        seen = jnp.where(new, row(align(residual), index), row(coreset.alignments, index))
        coreset = Coreset(
            weights=weights,
            first_visits=coreset.first_visits.at[index].min(step, mode="drop"),
            alignments=coreset.alignments.at[index].set(seen, mode="drop"),
            residual_norms=coreset.residual_norms.at[step].set(jnp.linalg.norm(residual)),
        )
        return coreset, target - weights @ features

    start = Coreset(
        weights=jnp.zeros_like(norms),
        first_visits=jnp.full(norms.shape, num_iterations, jnp.int32),
        alignments=jnp.zeros_like(norms),
        residual_norms=jnp.zeros(num_iterations, norms.dtype),
    )
    find = among_all(rng_key, len(norms), gain)
    _, _, (coreset, residual) = greedy(
        candidates, (start, target), find=find, update=update, batch_size=num_iterations, again=True
    )
    return coreset, align(residual)
