"""What the log loss would be if one temperature had been fitted: are probabilities wrong, or only too sure?"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.information import finite_log
from bal.likelihoods import Likelihood, Tally
from bal.metrics import negative_log_prob, weighted_sum
from bal.studies.tasks import Task

NAME = "nll_calibrated"
# Of the inverse temperature. Where a model makes no mistake on the points of the fit, every larger one is better.
RANGE = (0.01, 10.0)
NUM_HALVINGS = 30  # of the logarithm of the range: to 6e-9, which is less than the rounding of the sums


class CalibratedTask(Task):
    """A task whose metrics include ``nll_calibrated`` if it is one of classes."""

    @property
    def likelihood(self) -> Likelihood:
        """That of the task; of classes, with one metric more."""
        likelihood = super().likelihood
        return calibrated(likelihood) if self.classes else likelihood


def calibrated(likelihood: Likelihood) -> Likelihood:
    """A categorical likelihood with the metric ``nll_calibrated``, in nats.

    The test set is divided into halves, its even and its odd points. The temperature that minimises the negative
    log-likelihood of one half is used on the other one, and the figure is the mean over both. So no label calibrates
    its own prediction, and a user needs as many labels beside the chosen ones as half of the test set. The class that
    is predicted does not change.

    References:
      Guo et al. 2017, On Calibration of Modern Neural Networks, arXiv:1706.04599
    """

    def figures(tally: Tally) -> dict[str, Array]:
        log_probs, labels, weights = (tally.points[name] for name in ("log_probs", "labels", "weights"))
        odd = jnp.arange(len(labels)) % 2
        total = jnp.zeros(())
        for fitted, kept in ((odd, 1 - odd), (1 - odd, odd)):
            inverse = inverse_temperature(log_probs, labels, weights * fitted)
            nll = negative_log_prob(jax.nn.log_softmax(inverse * log_probs), labels)
            total += weighted_sum(nll, weights * kept)
        return {**likelihood.figures(tally), NAME: total / weights.sum()}

    return likelihood._replace(figures=figures)


def inverse_temperature(
    log_probs: Float[Array, "n C"], labels: Int[Array, " n"], weights: Float[Array, " n"]
) -> Float[Array, ""]:
    """The factor of the log-probabilities that minimises the weighted negative log-likelihood, within ``RANGE``.

    That is convex in the factor, and its slope is the mean log-probability of a class drawn from the prediction, less
    that of the label.
    """
    log_probs = finite_log(log_probs)  # 0 times -inf is no number

    def halve(_, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        probs = jax.nn.softmax(jnp.exp(middle) * log_probs)
        slopes = (probs * log_probs).sum(axis=-1) + negative_log_prob(log_probs, labels)
        rises = weighted_sum(slopes, weights) > 0
        return jnp.where(rises, low, middle), jnp.where(rises, middle, high)

    low, high = jax.lax.fori_loop(0, NUM_HALVINGS, halve, tuple(jnp.log(jnp.array(RANGE))))
    return jnp.exp((low + high) / 2)
