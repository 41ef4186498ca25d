"""Depth: a positive distance at each position of an image, with noise that the network predicts."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bal import metrics
from bal.likelihoods._checks import has_values
from bal.likelihoods._dense import dense
from bal.likelihoods._heteroscedastic_gaussian import heteroscedastic_gaussian
from bal.likelihoods._likelihood import Likelihood, Tally
from bal.types import Gaussian
from bal.validation import check_positive

WITHIN = 1.25


def depth(*, unit: float | Array = 1.0, shift: float | Array = 0.0) -> Likelihood:
    r"""The likelihood ``dense(heteroscedastic_gaussian(unit=unit), void=nan)`` with the metrics of depth estimation.

    Beside the metrics of real labels, over all valid positions:

    ==========  ==========================================================================================
    "abs_rel"   mean of :math:`|\hat d - d| / d`
    "delta_1"   share of positions with :math:`\max(\hat d / d, d / \hat d) < 1.25`
    "ause"      :func:`bal.metrics.ause` of absolute errors and total variances, averaged over the images
    ==========  ==========================================================================================

    Args:
      unit: standard deviation by which the depths were divided.
      shift: mean that was subtracted from them before.

    Raises:
      ValueError: ``unit`` is not positive, or (from ``check``) a depth that is not above 0 once scaled back.

    Example:
      >>> likelihood = depth(unit=2.0, shift=5.0)
      >>> predictive = Gaussian(jnp.zeros((1, 1, 2)), jnp.ones((1, 1, 2)))
      >>> labels = jnp.array([[[0.0, jnp.nan]]])  # a depth of 5, and an invalid position
      >>> float(likelihood.figures(likelihood.tally(predictive, labels, jnp.ones(1)))["delta_1"])
      1.0

    References:
      Eigen et al. 2014, Depth map prediction from a single image using a multi-scale deep network, arXiv:1406.2283
    """
    check_positive(unit=unit)
    likelihood = dense(heteroscedastic_gaussian(unit=unit), void=float("nan"))

    def check(labels, outputs=None, predictive=None) -> None:
        likelihood.check(labels, outputs, predictive)
        if has_values(labels):
            smallest = np.nanmin(np.asarray(labels, np.float64), initial=np.inf) * float(unit) + float(shift)
            if not smallest > 0:
                raise ValueError(
                    f"expected depths above 0 in their original unit, got {smallest:.3g}: give the likelihood the unit "
                    "and the shift by which the labels were standardised, and NaN where a depth is invalid"
                )

    def tally(predictive: Gaussian, labels: Float[Array, "n *space"], weights: Float[Array, " n"]) -> Tally:
        valid = ~jnp.isnan(labels)
        true = unit * jnp.where(valid, labels, 0.0) + shift
        true = jnp.where(valid, true, 1.0)  # any depth above 0
        predicted = unit * predictive.mean + shift
        errors = jnp.abs(predicted - true)
        # A predicted depth of 0 or less is never within a factor of the true one.
        ratio = jnp.where(predicted > 0, jnp.maximum(predicted / true, true / predicted), jnp.inf)
        counted = valid * weights.reshape(-1, *[1] * (valid.ndim - 1))
        flat = [leaf.reshape(leaf.shape[0], -1) for leaf in (errors, predictive.variance, valid.astype(errors.dtype))]
        has_depth = valid.any(axis=tuple(range(1, valid.ndim)))
        of_images = jnp.where(has_depth, jax.vmap(metrics.ause)(*flat), 0.0)
        sums = {
            "abs_rel": metrics.weighted_sum((errors / true).reshape(-1), counted.reshape(-1)),
            "delta_1": metrics.weighted_sum((ratio < WITHIN).astype(errors.dtype).reshape(-1), counted.reshape(-1)),
            "positions": counted.sum(),
            "ause": metrics.weighted_sum(of_images, weights * has_depth),
            "images": (weights * has_depth).sum(),
        }
        return Tally({"real": likelihood.tally(predictive, labels, weights).sums, "depth": sums}, ())

    def figures(tally: Tally) -> dict[str, Array]:
        sums = tally.sums["depth"]
        of_depth = {name: sums[name] / sums["positions"] for name in ("abs_rel", "delta_1")}
        return {
            **likelihood.figures(Tally(tally.sums["real"], ())),
            **of_depth,
            "ause": sums["ause"] / sums["images"],
        }

    return likelihood._replace(check=check, tally=tally, figures=figures)
