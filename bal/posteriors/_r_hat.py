"""Do the chains of a Markov chain Monte Carlo run agree on one distribution?"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def split_r_hat(values: Float[Array, "chains draws *quantities"]) -> Float[Array, "*quantities"]:
    r"""Potential scale reduction: the spread of all chains together over the spread within half a chain.

    .. math:: \hat R = \sqrt{\frac{(n - 1) W / n + B / n}{W}}

    with n draws in each half chain, W the mean variance within the half chains, B / n the variance of their means.

    Args:
      values: draws of each quantity; an odd last draw is left out.

    Returns:
      1 for chains that agree, and for a quantity that is constant up to rounding; do not trust chains above 1.05.

    Example:
      >>> stuck = jnp.stack([jnp.arange(8.0) % 2, 5 + jnp.arange(8.0) % 2])
      >>> bool(split_r_hat(stuck) > 4)
      True

    References:
      Gelman et al. 2013, Bayesian data analysis, section 11.4
    """
    num_chains, num_draws = values.shape[:2]
    half = num_draws // 2
    halves = values[:, : 2 * half].reshape(2 * num_chains, half, *values.shape[2:])
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = halves.mean(axis=1).var(axis=0, ddof=1)
    size = 1e-6 * jnp.maximum(jnp.abs(values).max(axis=(0, 1)), 1.0)
    is_constant = within + between < size**2
    ratio = (half - 1) / half + between / jnp.where(is_constant, 1.0, within)
    return jnp.where(is_constant, 1.0, jnp.sqrt(ratio))
