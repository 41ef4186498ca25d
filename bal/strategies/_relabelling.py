"""A strategy that asks again for labels that look wrong."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.information import log_mean_exp
from bal.selection import Selection
from bal.strategies._strategy import CATEGORICAL, Strategy
from bal.types import PyTree, RngKey
from bal.validation import check_count, check_probability
from bal.view import PoolView


def relabelling(strategy: Strategy, *, most: int, certainty: float | Array = 0.5) -> Strategy:
    r"""A strategy that gives up to ``most`` places of a batch to labels that look wrong, to have them asked for again.

    A label y of a labelled point x is suspicious if the model is certain of another class:

    .. math:: \hat c = \arg\max_c p(c \mid x) \ne y, \quad p(\hat c \mid x) \ge \text{certainty}

    The most certain ones take the last places of the batch, so a rule that chooses its points one after the other loses
    those that it chose last. The new answer replaces the old one. The model was fitted to the label it doubts, so one
    that fits any labels never doubts them.

    Args:
      strategy: chooses the batch.
      most: labels in a batch that may be asked for again.
      certainty: smallest probability of the other class.

    Returns:
      The strategy, for :func:`bal.build` with an oracle whose ``max_answers`` is above 1. The ``scores`` of labels that
      are asked for again are the probabilities of the other class.

    Raises:
      ValueError: more labels than the batch has points, a certainty that is no probability, or a strategy that takes no
        classes. In a run: labels that cannot be asked for again, as without such an oracle or in a random subset of the
        pool.

    Example:
      >>> from bal import strategies
      >>> relabelling(strategies.margin(batch_size=10), most=3).batch_size
      10
    """
    check_count("most", most)
    check_probability(certainty=certainty)
    if most > strategy.batch_size:
        raise ValueError(f"expected most of at most the batch size {strategy.batch_size}, got {most}")
    if strategy.takes is not None and "categorical" not in strategy.takes:
        raise ValueError(f"expected a strategy for classes, got one for {' or '.join(strategy.takes)} predictions")

    def doubt(view: PoolView, again: Int[Array, " K"]) -> Float[Array, " K"]:
        """Probability of the other class; -inf where the label is not suspicious."""

        def guess(inputs: PyTree) -> tuple[Array, Array]:
            log_probs = log_mean_exp(view.predict(inputs))
            return log_probs.argmax(axis=-1), jnp.exp(log_probs.max(axis=-1))

        classes, probabilities = view.stream(guess, view.labelled.inputs)
        suspicious = (again < view.size) & (classes != view.labelled.labels) & (probabilities >= certainty)
        return jnp.where(suspicious, probabilities, -jnp.inf)

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        if view.again is None:
            raise ValueError(
                "expected a view with labels that may be asked for again for relabelling, got one without: build with "
                "oracle=bal.Oracle(..., max_answers=2), and without pool_subset_size"
            )
        chosen = strategy.select(rng_key, view)
        doubts, rows = jax.lax.top_k(doubt(view, view.again), most)
        last = strategy.batch_size - 1 - jnp.arange(most)
        found = doubts > -jnp.inf
        return chosen._replace(
            indices=chosen.indices.at[last].set(jnp.where(found, view.again[rows], chosen.indices[last])),
            scores=chosen.scores.at[last].set(jnp.where(found, doubts, chosen.scores[last])),
        )

    return strategy._replace(select=select, takes=CATEGORICAL)
