"""Batches whose Fisher information makes the predictions over the whole pool precise."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.precision import full_precision
from bal.selection._greedy import greedy
from bal.selection._points import blank, check_labelled, check_positive, check_rows, row, usable
from bal.selection._selection import Selection, check_batch_size
from bal.types import RngKey


class _Fisher(NamedTuple):
    """The matrices of the objective; each changes by low-rank (Woodbury) updates only."""

    inverse: Float[Array, "D D"]  # M^-1
    product: Float[Array, "D D"]  # M^-1 F M^-1, F the information of the pool


class _Forms(NamedTuple):
    """Quadratic forms of the points: all that the change of the objective by a point depends on."""

    inverse: Float[Array, " n"]  # x' M^-1 x
    product: Float[Array, " n"]  # x' M^-1 F M^-1 x


@full_precision
def bait(
    rng_key: RngKey,
    features: Float[Array, "N D"],
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    labelled_features: Float[Array, "K D"] | None = None,
    labelled_weights: Float[Array, " K"] | None = None,
    ridge: float | Float[Array, ""] = 1.0,
    oversample: int = 2,
) -> Selection:
    r"""Minimise the mean posterior variance over the pool (A-optimality) greedily, forwards and then backwards.

    .. math:: \min_A \operatorname{tr}(M_A^{-1} F), \quad M_A = \lambda I + \sum_{i \in L \cup A} x_i x_i^\top, \quad
              F = \tfrac1N \sum_{i \in \text{pool}} x_i x_i^\top

    ``oversample`` times as many points are added one by one, each the best; then the ones that are missed least are
    taken away one by one. F is the information of the points that are available.

    The Fisher information of a point is taken to be of rank one. For regression, x are the embeddings over the noise's
    standard deviation. For classification the exact information :math:`(\mathrm{diag}(p) - p p^\top) \otimes h h^\top`
    has rank C - 1; :math:`x = h \sqrt{1 - \sum_c p_c^2}` keeps its trace and treats the classes alike, in width D.

    Args:
      rng_key: breaks ties.
      features: x, one row a point.
      available: True where a point may be chosen.
      batch_size: number of points B.
      labelled_features: x of the labelled set.
      labelled_weights: weight 0 is padding, whose contents change nothing. None counts each row once.
      ridge: prior precision of the weights.
      oversample: how many times B points the forward pass adds, at most all; 1 is the forward pass alone.

    Returns:
      The selection in the order in which the forward pass chose it; a score is the fall of the objective then.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, shapes that disagree, a negative weight, ``ridge`` not above 0,
        or ``oversample`` below 1.

    Example:
      >>> features = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
      >>> 2 in bait(jax.random.key(0), features, jnp.ones(3, bool), batch_size=2).indices.tolist()
      True

    References:
      Ash et al. 2021, Gone fishing: neural active learning with Fisher embeddings, arXiv:2106.09675
    """
    check_batch_size(batch_size, available.shape[0])
    check_rows(available.shape[0], features=features)
    check_labelled(features, labelled_features=labelled_features, labelled_weights=labelled_weights)
    check_positive(ridge=ridge)
    if oversample < 1:
        raise ValueError(f"expected oversample of at least 1, got {oversample}")
    if labelled_features is None:
        labelled_features = jnp.zeros((0, features.shape[1]), features.dtype)
    if labelled_weights is None:
        labelled_weights = jnp.ones_like(labelled_features[:, 0])
    num_added = min(oversample * batch_size, available.shape[0])
    return _bait(
        rng_key,
        features,
        available,
        labelled_features,
        labelled_weights,
        ridge,
        batch_size=batch_size,
        num_added=num_added,
    )


@jax.jit(static_argnames=("batch_size", "num_added"))
def _bait(rng_key, features, available, labelled_features, labelled_weights, ridge, *, batch_size, num_added):
    points, allowed, num_invalid = usable(available, features)
    information = points.T @ points / jnp.maximum(allowed.sum(), 1)
    fisher = _invert(information, labelled_features, labelled_weights, ridge)

    def gain(state):
        _, forms = state
        return forms.product / (1 + forms.inverse)

    def update(state, step, index):
        fisher, forms = state
        return _change(fisher, forms, points, row(points, index), 1.0)

    state = fisher, _quadratic_forms(fisher, points)
    added, gains, _ = greedy(rng_key, allowed, state, gain=gain, update=update, batch_size=num_added)
    chosen = row(points, added)
    # A fresh inverse, because the losses of the backward pass are too close for the rounding of so many updates.
    rows, weights = jnp.concatenate([labelled_features, chosen]), jnp.ones(num_added, labelled_weights.dtype)
    fisher = _invert(information, rows, jnp.concatenate([labelled_weights, weights]), ridge)
    kept = _backward(fisher, chosen, added < available.shape[0], num_added - batch_size)
    order = jnp.argsort(~kept, stable=True)[:batch_size]
    return Selection(added[order], gains[order], num_invalid)


def _invert(information, labelled_features, labelled_weights, ridge) -> _Fisher:
    labelled = blank(labelled_features, labelled_weights > 0) * jnp.sqrt(labelled_weights)[:, None]
    identity = jnp.eye(information.shape[0], dtype=information.dtype)
    factor = jax.scipy.linalg.cho_factor(ridge * identity + labelled.T @ labelled)
    inverse = jax.scipy.linalg.cho_solve(factor, identity)
    return _Fisher(inverse, inverse @ information @ inverse)


def _quadratic_forms(fisher, points) -> _Forms:
    return _Forms(*(((points @ matrix) * points).sum(axis=1) for matrix in fisher))


def _change(fisher, forms, points, point, sign) -> tuple[_Fisher, _Forms]:
    """Add (sign 1) or take away (sign -1) one point: M changes by rank one, its inverse by Woodbury's identity."""
    left, right = fisher.inverse @ point, fisher.product @ point
    scale = sign / (1 + sign * point @ left)
    square = point @ right * scale**2
    left_forms, right_forms = points @ left, points @ right
    inverse = fisher.inverse - scale * jnp.outer(left, left)
    mixed = jnp.outer(left, right)
    product = fisher.product - scale * (mixed + mixed.T) + square * jnp.outer(left, left)
    inverse_forms = forms.inverse - scale * jnp.square(left_forms)
    product_forms = forms.product - 2 * scale * left_forms * right_forms + square * jnp.square(left_forms)
    # Quadratic forms of positive semi-definite matrices; rounding of many updates must not make them negative.
    return _Fisher(inverse, product), _Forms(jnp.maximum(inverse_forms, 0.0), jnp.maximum(product_forms, 0.0))


def _backward(fisher, points, present, num_removed):
    """Which of the added points stay after those have gone, one by one, that raise the objective least."""

    def remove(_, state):
        kept, fisher, forms = state
        # Places that the forward pass could not fill are empty and go first.
        losses = jnp.where(present, forms.product / jnp.maximum(1 - forms.inverse, 1e-6), -1.0)
        index = jnp.argmin(jnp.where(kept, losses, jnp.inf))
        return kept.at[index].set(False), *_change(fisher, forms, points, points[index], -1.0)

    state = jnp.ones_like(present), fisher, _quadratic_forms(fisher, points)
    return jax.lax.fori_loop(0, num_removed, remove, state)[0]
