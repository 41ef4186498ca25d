"""Spectral normalisation as a step of training: hidden layers that stretch no distance by more than a bound."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from bal.networks import Network
from bal.posteriors.training._gradient_steps import NetworkState
from bal.posteriors.training._last_layer import readout_leaves
from bal.precision import full_precision
from bal.types import PyTree

FIRST_ITERATIONS = 10  # of the power method before the first step, so that short fits obey the bound too


class SpectralState(NamedTuple):
    """Directions that the power method has found."""

    directions: tuple[Array, ...]  # one for each normalised kernel [..., C]: a unit vector [C]


def spectral_normalisation(bound: float | Float[Array, ""], normalised: PyTree) -> optax.GradientTransformation:
    r"""An optax transformation after which the chosen kernels have a spectral norm of at most ``bound``.

    Put it last in a chain. After each step of the others a kernel is scaled back if it is too large,

    .. math:: W \leftarrow W \min\bigl(1, c / \hat\sigma(W)\bigr), \qquad \hat\sigma = \|W^T v\|, \quad v \propto W u

    with one iteration of the power method a step, which continues from the direction u of the step before. The estimate
    approaches the norm from below, and weights change slowly, so the norm is the bound to within a few percent.

    A kernel of more than two axes is the matrix of its last axis by all others, which for convolutions [a, b, i, o] is
    that of Miyato et al.: as a map of images a convolution stretches by at most :math:`\sqrt{ab}` times its norm.
    Normalisation layers are left as they are.

    Args:
      bound: c, the largest spectral norm.
      normalised: a pytree of bools, one for each parameter.

    Returns:
      A transformation whose ``update`` needs the parameters.

    Example:
      >>> transformation = spectral_normalisation(0.5, (True, False))
      >>> params = (3.0 * jnp.eye(2), 3.0 * jnp.eye(2))
      >>> updates, _ = transformation.update(jax.tree.map(jnp.zeros_like, params), transformation.init(params), params)
      >>> [round(float(kernel[0, 0]), 3) for kernel in optax.apply_updates(params, updates)]
      [0.5, 3.0]

    References:
      Miyato et al. 2018, Spectral normalization for generative adversarial networks, arXiv:1802.05957
      Liu et al. 2020, arXiv:2006.10108, equation 10
    """

    def chosen(params: PyTree) -> list[Array]:
        pairs = zip(jax.tree.leaves(params), jax.tree.leaves(normalised), strict=True)
        return [_matrix(leaf) for leaf, wanted in pairs if wanted]

    @full_precision
    def init(params):
        # A constant start: a direction at right angles to the one sought has probability 0.
        starts = [jax.random.normal(jax.random.key(0), (matrix.shape[1],)) for matrix in chosen(params)]

        def improve(_, directions):
            return [_power_iteration(*pair)[0] for pair in zip(chosen(params), directions, strict=True)]

        return SpectralState(tuple(jax.lax.fori_loop(0, FIRST_ITERATIONS, improve, starts)))

    @full_precision
    def update(updates, state, params=None):
        stepped = optax.apply_updates(params, updates)
        found = [_power_iteration(*pair) for pair in zip(chosen(stepped), state.directions, strict=True)]
        norms = iter([norm for _, norm in found])

        def project(new, old, wanted):
            return new * jnp.minimum(1.0, bound / next(norms)) - old if wanted else new - old

        bounded = jax.tree.map(project, stepped, params, normalised)
        return bounded, SpectralState(tuple(direction for direction, _ in found))

    return optax.GradientTransformation(init, update)


def with_spectral_bound(
    optimizer: optax.GradientTransformation,
    bound: float | Float[Array, ""] | None,
    network: Network,
    state: NetworkState,
    inputs: PyTree,
) -> optax.GradientTransformation:
    """The optimiser of :func:`gradient_fit` with a bound on every kernel before the last layer; None: without.

    Raises:
      ValueError: the network has no such kernel.
    """
    if bound is None:
        return optimizer
    is_last = readout_leaves(network, state.variables, inputs)

    def is_hidden(path, leaf, last):
        return getattr(path[-1], "key", None) == "kernel" and leaf.ndim >= 2 and not last

    hidden = jax.tree_util.tree_map_with_path(is_hidden, state.variables.params, is_last)
    if not any(jax.tree.leaves(hidden)):
        raise ValueError(
            "expected parameters called 'kernel' before the last layer for spectral_bound, got none: "
            "set spectral_bound=None"
        )
    normalised = (hidden, jax.tree.map(lambda leaf: False, state.noise))
    return optax.chain(optimizer, spectral_normalisation(bound, normalised))


def _matrix(kernel: Float[Array, "*axes C"]) -> Float[Array, "D C"]:
    return kernel.reshape(-1, kernel.shape[-1])


def _power_iteration(matrix: Float[Array, "D C"], direction: Float[Array, " C"]) -> tuple[Array, Array]:
    """The next direction, and the estimate of the norm, which is never above it."""
    left = _unit(matrix @ direction)
    right = left @ matrix
    # A kernel of zeros has norm 0, by which the bound is divided.
    return _unit(right), jnp.maximum(jnp.linalg.norm(right), jnp.finfo(matrix.dtype).tiny)


def _unit(vector: Float[Array, " D"]) -> Float[Array, " D"]:
    return vector / jnp.maximum(jnp.linalg.norm(vector), jnp.finfo(vector.dtype).tiny)
