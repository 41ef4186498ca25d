"""Batches that make predictions over the whole pool precise, judged by their Fisher information."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.factorisation import solve_triangular, upper_factor
from bal.precision import full_precision
from bal.selection._checks import as_floats, check_labelled, check_request
from bal.selection._selection import Selection
from bal.selection.geometry._points import blank, row, usable
from bal.selection.greedy._greedy import among_all, greedy
from bal.types import RngKey
from bal.validation import check_count, check_positive

# The quadratic forms are computed afresh if they gave the last point a gain that was wrong by more than this relative
# tolerance (the update knows the exact one), or once rounding could matter: when the largest gain has fallen below FALL
# of its value at the last refresh, or below ROUNDING units of rounding of the largest variance then, if that is lower.
TOLERANCE = 0.01
FALL = 0.1
ROUNDING = 64


class _Fisher(NamedTuple):
    """The objective in coordinates in which the information M is the identity.

    Updates of a root stay accurate in single precision: when a variance falls from 1e6 to 1, updates of the inverse
    leave one correct digit, those of its root four.
    """

    root: Float[Array, "D D"]  # W, with W' W = M^-1
    objective: Float[Array, "D D"]  # W F W', whose trace is the objective; F is the information of the pool


class _Forms(NamedTuple):
    """Quadratic forms of the points: they determine how much a point changes the objective."""

    variances: Float[Array, " n"]  # x' M^-1 x
    products: Float[Array, " n"]  # x' M^-1 F M^-1 x


class _State(NamedTuple):
    fisher: _Fisher
    forms: _Forms
    fresh: Bool[Array, ""]  # whether the forms have just been computed afresh
    wrong: Bool[Array, ""]  # whether they were wrong about the last point added
    floor: Float[Array, ""]  # the largest gain below which they must be computed afresh


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

    First ``oversample`` times B points are added one by one, each the best; then the least useful are removed one by
    one. F is the information of the available points.

    The Fisher information of a point is taken to be of rank one. For regression, x are the embeddings over the noise's
    standard deviation. For classification the exact information :math:`(\mathrm{diag}(p) - p p^\top) \otimes h h^\top`
    has rank C - 1; :math:`x = h \sqrt{1 - \sum_c p_c^2}` keeps its trace and treats the classes alike, in width D.

    Args:
      rng_key: breaks ties.
      features: x, one row per point.
      available: True where a point may be chosen.
      batch_size: number of points B.
      labelled_features: x of the labelled set.
      labelled_weights: weight 0 is padding, whose contents change nothing. None counts each row once.
      ridge: prior precision of the weights.
      oversample: the forward pass adds this many times B points, or all; 1 is the forward pass alone.

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
    check_request(rng_key, available, batch_size)
    features = as_floats("features", features, available.shape[0], "D")
    check_labelled(features, labelled_features=labelled_features, labelled_weights=labelled_weights)
    check_positive(ridge=ridge)
    check_count("oversample", oversample)
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
    # Divided by the root of the ridge, so that the prior precision is 1. The objective does not change.
    points = points / jnp.sqrt(ridge)
    labelled = blank(labelled_features, labelled_weights > 0) * jnp.sqrt(labelled_weights / ridge)[:, None]
    root = _root(labelled.astype(points.dtype))
    num_points = jnp.maximum(allowed.sum(), 1)
    columns = points.T  # a CPU multiplies a vector by columns faster than rows by a vector

    def gain(state):
        return _gains(state.forms)

    best = among_all(rng_key, len(allowed), gain)

    def find(state, left):
        def refresh(state):
            # The loop does not change the root, so XLA would hoist all of this out of it and run it in every step. The
            # flag, always False here, prevents that.
            root = jnp.where(state.fresh, 0.0, state.fisher.root)
            return _refresh(root, points, num_points, left)

        # A loop of at most one iteration instead of a branch: under vmap, both sides of a branch run.
        state = jax.lax.while_loop(lambda state: _drifted(state, left), refresh, state)
        return best(state, left)

    def update(state, step, index):
        return _add(state, columns, index)

    start = _refresh(root, points, num_points, allowed)
    added, gains, last = greedy(allowed, start, find=find, update=update, batch_size=num_added)
    kept = _backward(root, last.fisher, points, added, num_added - batch_size)
    order = jnp.argsort(~kept, stable=True)[:batch_size]
    return Selection(added[order], gains[order], num_invalid)


def _root(rows: Float[Array, "n k"]) -> Float[Array, "k k"]:
    """W with W' W the inverse of I + X' X, from an orthogonal factorisation: X' X would square the condition number."""
    identity = jnp.eye(rows.shape[1], dtype=rows.dtype)
    factor = upper_factor(jnp.concatenate([rows, identity]))
    return solve_triangular(factor, identity, lower=False, transposed=True)


def _forms(objective: Float[Array, "D D"], whitened: Float[Array, "n D"]) -> _Forms:
    products = ((whitened @ objective) * whitened).sum(axis=1)
    return _Forms(jnp.square(whitened).sum(axis=1), jnp.maximum(products, 0.0))


def _gains(forms: _Forms) -> Float[Array, " n"]:
    """How far the objective would fall with each point."""
    return forms.products / (1 + forms.variances)


def _refresh(
    root: Float[Array, "D D"], points: Float[Array, "N D"], num_points: Int[Array, ""], left: Bool[Array, " N"]
) -> _State:
    """Everything from the root, which updates keep accurate. Rows of unavailable points are 0."""
    whitened = points @ root.T
    objective = whitened.T @ whitened / num_points
    forms = _forms(objective, whitened)
    rounding = ROUNDING * jnp.finfo(points.dtype).eps * (1 + jnp.where(left, forms.variances, 0.0).max())
    floor = jnp.minimum(FALL, rounding) * jnp.where(left, _gains(forms), 0.0).max()
    return _State(_Fisher(root, objective), forms, jnp.array(True), jnp.array(False), floor)


def _add(state: _State, columns: Float[Array, "D N"], index: Int[Array, ""]) -> _State:
    """One more observation: M gains a term of rank one, its inverse and the forms lose one."""
    root, objective = state.fisher
    whitened = root @ columns.at[:, index].get(mode="fill", fill_value=0)
    square = whitened @ whitened
    # (I + z z')^(-1/2) = I - scale z z'. This form of the scale avoids cancellation.
    scale = 1 / (1 + square + jnp.sqrt(1 + square))
    towards = objective @ whitened
    product = whitened @ towards
    direction, image = jnp.stack([whitened, towards]) @ root
    inner, mixed = direction @ columns, image @ columns
    share = 1 / (1 + square)
    wrong = jnp.abs(row(_gains(state.forms), index) - product * share) > TOLERANCE * product * share
    variances, products = state.forms
    variances = variances - share * jnp.square(inner)
    products = products - share * inner * (2 * mixed - share * product * inner)
    half = scale * (towards - 0.5 * scale * product * whitened)
    fisher = _Fisher(root - scale * jnp.outer(whitened, direction), _symmetric_update(objective, whitened, half))
    forms = _Forms(jnp.maximum(variances, 0.0), jnp.maximum(products, 0.0))  # rounding must not make them negative
    return _State(fisher, forms, fresh=jnp.array(False), wrong=wrong, floor=state.floor)


def _symmetric_update(
    matrix: Float[Array, "k k"], left: Float[Array, " k"], right: Float[Array, " k"]
) -> Float[Array, "k k"]:
    """The matrix less a b' + b a'. As one product, because XLA would compute a and b again for each of its elements."""
    return matrix - jnp.stack([left, right], axis=1) @ jnp.stack([right, left])


def _drifted(state: _State, left: Bool[Array, " N"]) -> Bool[Array, ""]:
    """Whether the forms, which updates make small differences of large numbers, may have lost their accuracy."""
    largest = jnp.where(left, _gains(state.forms), 0.0).max()
    return ~state.fresh & (state.wrong | (largest < state.floor))


def _backward(
    root: Float[Array, "D D"], last: _Fisher, points: Float[Array, "N D"], added: Int[Array, " k"], num_removed: int
) -> Bool[Array, " k"]:
    r"""Which of the added points are kept when those that raise the objective least are removed one by one.

    The loss of a point is :math:`x^\top M^{-1} F M^{-1} x / (1 - x^\top M^{-1} x)` with M after the forward pass. The
    denominator is a diagonal element of :math:`T = (I + Z Z^\top)^{-1}`, Z the added points in coordinates in which M
    before that pass is the identity. A root of T gives it without cancellation.
    """
    chosen = row(points, added)
    halves = _root((chosen @ root.T).T).T  # T = halves halves'
    whitened = chosen @ last.root.T

    def remove(_, state):
        kept, halves, gram = state
        sizes = jnp.square(halves).sum(axis=1)
        # Places that the forward pass could not fill are empty and are removed first.
        losses = jnp.where(added < len(points), jnp.diagonal(gram) / sizes, -1.0)
        index = jnp.argmin(jnp.where(kept, losses, jnp.inf))
        shares = halves @ halves[index] / sizes[index]
        half = gram[index] - 0.5 * gram[index, index] * shares
        gram = _symmetric_update(gram, shares, half)
        return kept.at[index].set(False), halves - jnp.outer(shares, halves[index]), gram

    state = jnp.ones_like(added, bool), halves, whitened @ last.objective @ whitened.T
    return jax.lax.fori_loop(0, num_removed, remove, state)[0]
