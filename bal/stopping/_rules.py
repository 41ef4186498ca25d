"""From the numbers of all rounds to the round to stop at."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.validation import check_count


def stabilising_predictions(
    kappas: Float[Array, " R"], *, threshold: float | Array = 0.99, window: int = 3
) -> Bool[Array, " R"]:
    r"""Stop where successive models have agreed for some rounds.

    .. math:: \frac1k \sum_{i=0}^{k-1} \kappa_{t-i} \ge \tau

    Args:
      kappas: agreement of the model of each round with that of the round before on the stop set, see
        :func:`bal.metrics.cohen_kappa`; NaN in the first round, which has none before.
      threshold: of the mean, 0.99 in the paper.
      window: number of rounds k, 3 in the paper.

    Returns:
      Whether the rule stops at each round; False where the window is not full or holds NaN.

    Raises:
      ValueError: a window below 1.

    Example:
      >>> stabilising_predictions(jnp.array([jnp.nan, 0.9, 1.0, 1.0, 1.0])).tolist()
      [False, False, False, False, True]

    References:
      Bloodgood and Vijay-Shanker 2009, A method for stopping active learning based on stabilizing predictions and the
      need for user-adjustable stopping, arXiv:1409.5165
    """
    return _windows(kappas, window).mean(axis=1) >= threshold


def stays_below(values: Float[Array, " R"], threshold: float | Array, *, window: int = 3) -> Bool[Array, " R"]:
    """Stop where a number has been below a threshold for some rounds, such as a change of F or an uncertainty.

    Args:
      values: one a round; NaN where there is none.
      threshold: in the unit of the values.
      window: number of rounds.

    Returns:
      Whether the rule stops at each round; False where the window is not full or holds NaN.

    Raises:
      ValueError: a window below 1.

    Example:
      >>> stays_below(jnp.array([0.5, 0.04, 0.03, 0.02]), 0.05, window=2).tolist()
      [False, False, True, True]
    """
    return (_windows(values, window) < threshold).all(axis=1)


def first_stop(stops: Bool[Array, " R"]) -> Int[Array, ""]:
    """The first round at which a rule stops; R, the number of rounds, if it does not.

    Args:
      stops: of each round.

    Example:
      >>> int(first_stop(jnp.array([False, True, False, True])))
      1
    """
    return jnp.where(stops.any(), stops.argmax(), stops.shape[0]).astype(jnp.int32)


def _windows(values: Float[Array, " R"], window: int) -> Float[Array, "R k"]:
    """The values of the last rounds at each round, NaN before the first one: a comparison with NaN is False."""
    check_count("window", window)
    before = jnp.concatenate([jnp.full(window - 1, jnp.nan), values])
    return before[jnp.arange(values.shape[0])[:, None] + jnp.arange(window)[None]]
