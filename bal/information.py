r"""Entropies and mutual information of categorical predictions, in nats.

This is the only place that guards the logarithm of 0. A probability of exactly 0 arrives as a log-probability of
-inf; it is raised to ``LOG_ZERO``, far below anything that float32 can tell from 0 after ``exp``, so that
``p log p`` is 0 and has gradient 0 instead of nan.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LOG_ZERO = -1e4


def finite_log(log_probs: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Raise -inf to ``LOG_ZERO``. NaN stays NaN, so that an invalid prediction is seen and not repaired."""
    return jnp.maximum(log_probs, LOG_ZERO)


def log_mean_exp(log_values: Float[Array, "S *n"]) -> Float[Array, "*n"]:
    r"""Logarithm of the mean over the leading axis, :math:`\log \frac{1}{S} \sum_s e^{v_s}`.

    Args:
      log_values: values in the log domain; -inf is allowed.

    Returns:
      At least ``LOG_ZERO``. S equal values give back exactly that value.

    Example:
      >>> float(log_mean_exp(jnp.log(jnp.array([0.2, 0.4])))) == float(jnp.log(0.3))
      True
    """
    values = finite_log(log_values)
    # Any shift gives the same result; the gradient must not flow through the choice of the maximum.
    shift = jax.lax.stop_gradient(values.max(axis=0, keepdims=True))
    return shift[0] + jnp.log(jnp.exp(values - shift).mean(axis=0))


def entropy(log_probs: Float[Array, "*n C"]) -> Float[Array, "*n"]:
    r"""Shannon entropy :math:`-\sum_c p_c \log p_c` over the last axis.

    Args:
      log_probs: normalised log-probabilities; -inf is allowed.

    Returns:
      Entropy in nats, between 0 and log C.

    Example:
      >>> float(entropy(jnp.log(jnp.array([1.0, 0.0]))))
      0.0
    """
    finite = finite_log(log_probs)
    # Rounding of a normalised prediction can leave -1e-8; an entropy is not negative.
    return jnp.maximum(-(jnp.exp(finite) * finite).sum(axis=-1), 0.0)


def mutual_information(log_probs: Float[Array, "S *n C"]) -> Float[Array, "*n"]:
    r"""Mutual information of label and draw, :math:`\frac1S \sum_s KL(p_s \| \bar p)`.

    The divergence form equals the entropy of the mean less the mean entropy, but has no cancellation: equal draws give
    exactly 0, also in float32.

    Args:
      log_probs: normalised log-probabilities under S draws; -inf is allowed.

    Returns:
      Nats, between 0 and min(log C, log S). Values within rounding of 0 are 0.

    Example:
      >>> disagree = jnp.log(jnp.array([[1.0, 0.0], [0.0, 1.0]]))
      >>> bool(jnp.isclose(mutual_information(disagree), jnp.log(2)))
      True
    """
    finite = finite_log(log_probs)
    divergences = (jnp.exp(finite) * (finite - log_mean_exp(log_probs)[None])).sum(axis=-1)
    information = divergences.mean(axis=0)
    # Draws that differ by rounding alone must tie with those that do not differ at all.
    rounding = 8 * jnp.finfo(information.dtype).eps
    return jnp.where(information < rounding, 0.0, information)


def check_log_probs(log_probs: Float[Array, "S *n C"], *, tolerance: float = 1e-3) -> None:
    """Raise ``ValueError`` where an array cannot be normalised log-probabilities. For the host: it reads the values.

    Args:
      log_probs: predictions that came from somewhere else.
      tolerance: how far the probabilities of a prediction may sum from 1.

    Raises:
      ValueError: fewer than three axes, NaN, values above 0, or predictions that do not sum to 1.

    Example:
      >>> check_log_probs(jnp.zeros((1, 1, 2)))
      Traceback (most recent call last):
      ValueError: expected probabilities that sum to 1 over the last axis, got a sum of 2: apply jax.nn.log_softmax
    """
    log_probs = jnp.asarray(log_probs)
    if log_probs.ndim < 3:
        raise ValueError(f"expected log_probs of shape [S, N, C], got shape {list(log_probs.shape)}")
    if jnp.isnan(log_probs).any():
        raise ValueError(f"expected log_probs without NaN, got NaN in {int(jnp.isnan(log_probs).sum())} places")
    if (log_probs > tolerance).any():
        raise ValueError(
            f"expected log-probabilities of at most 0, got {float(log_probs.max()):.4g}: pass jnp.log(probs)"
        )
    sums = jnp.exp(log_probs).sum(axis=-1)
    worst = sums.ravel()[jnp.abs(sums - 1).argmax()]
    if abs(worst - 1) > tolerance:
        raise ValueError(
            f"expected probabilities that sum to 1 over the last axis, got a sum of {float(worst):.4g}: "
            "apply jax.nn.log_softmax"
        )
