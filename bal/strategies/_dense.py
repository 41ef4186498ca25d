"""Strategies for images with a label for each position. They take labels of a point too, as an image of one position.

The scores of ``_scores.py`` and ``_gaussian.py`` take dense predictions as well, with ``aggregate``.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal import acquisition, selection
from bal.acquisition import AggregateFn, check_aggregate
from bal.acquisition import aggregate as sum_up
from bal.information import log_mean_exp
from bal.selection import Selection
from bal.selection._selection import random_order, take_first
from bal.strategies._strategy import OF_CLASSES, Strategy
from bal.types import PyTree, RngKey
from bal.validation import check_positive, check_probability
from bal.view import PoolView


def foreground_random(*, batch_size: int, share: float = 2 / 3, background: int = 0) -> Strategy:
    """The baseline of segmentation: random images, of which a share must show something other than background.

    It reads labels of the pool, where a person would look: an annotator finds an image with an object at a glance. Each
    point of that share is drawn for a class in turn, among the images that show the class, so that rare classes occur.
    Most published rules are not reliably better.

    Args:
      batch_size: points B.
      share: of the batch that must show foreground, between 0 and 1.
      background: its class. Other integers from 0 are foreground; negative labels and those above the classes that the
        predictions have are void.

    Raises:
      ValueError: a share outside 0 to 1.

    Example:
      >>> strategy = foreground_random(batch_size=5)

    References:
      Lüth et al. 2025, nnActive: a framework for evaluation of active learning in 3D biomedical segmentation,
      arXiv:2511.19183
    """
    check_probability(share=share)
    num_foreground = round(share * batch_size)

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        if view.labels is None:
            raise ValueError("expected a view with the labels of the pool for foreground_random, got one without")
        key_foreground, key_rest = jax.random.split(rng_key)
        num_classes = jax.eval_shape(view.predict, view.take(jnp.zeros(1, jnp.int32))).shape[-1]
        labels = jnp.asarray(view.labels).reshape(view.size, -1)
        classes = [number for number in range(num_classes) if number != background]
        shown = jnp.stack([(labels == number).any(axis=1) for number in classes], axis=1)
        # At random among the images that show the class.
        scores = jnp.where(shown, jax.random.uniform(key_foreground, shown.shape), -jnp.inf)
        return _both(key_rest, view, scores, jnp.zeros(view.size), num_foreground, batch_size)

    return Strategy(batch_size, select, takes=OF_CLASSES, privileged=True)


def clasp_pe(
    *,
    batch_size: int,
    share: float = 2 / 3,
    beta: tuple[float, float] = (1.0, 100.0),
    aggregate: str | AggregateFn = "mean",
) -> Strategy:
    r"""Class-stratified power entropy (ClaSP PE): entropy, sampled, with two thirds of the batch divided over classes.

    For each class, the score of an image is the mean entropy of its positions that are predicted as that class; the
    classes take turns (:func:`bal.selection.class_stratified`). The rest of the batch has the highest entropies of
    whole images. All scores s are perturbed as :math:`\beta \log s + \varepsilon` with Gumbel noise, so early batches
    are nearly random and late ones nearly the best.

    :math:`\beta` rises geometrically from the first value to the second with the share of the label budget that is
    used. The paper counts rounds; a strategy sees labels.

    Args:
      batch_size: points B.
      share: of the batch that is divided over the classes, between 0 and 1.
      beta: inverse temperature at the start and at the end, above 0.
      aggregate: how the entropies of a whole image are summed up, see :func:`bal.acquisition.aggregate`.

    Raises:
      ValueError: a share outside 0 to 1, or a beta that is not positive.

    Example:
      >>> strategy = clasp_pe(batch_size=5)

    References:
      Lüth et al. 2026, Finally outshining the random baseline, arXiv:2601.13677
    """
    check_probability(share=share)
    first, last = beta
    check_positive(first_beta=first, last_beta=last)
    check_aggregate(aggregate)
    num_stratified = round(share * batch_size)

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        def describe(inputs: PyTree) -> tuple[Float[Array, "n C"], Float[Array, " n"]]:
            log_probs = view.predict(inputs)
            entropies = acquisition.max_entropy(log_probs)
            return _of_classes(entropies, log_probs), sum_up(entropies, log_probs, aggregate)

        of_classes, of_images = view.map(describe)
        used = view.labelled.weights.sum() / max(view.labelled.weights.shape[0] - batch_size, 1)
        power = first * (last / first) ** jnp.minimum(used, 1.0)
        key_classes, key_images, key_rest = jax.random.split(rng_key, 3)
        perturbed_classes = _perturbed(key_classes, of_classes, power)
        perturbed_images = _perturbed(key_images, of_images, power)
        chosen = _both(key_rest, view, perturbed_classes, perturbed_images, num_stratified, batch_size)
        scores = of_images.at[chosen.indices].get(mode="fill", fill_value=-jnp.inf)
        return chosen._replace(scores=scores)

    return Strategy(batch_size, select, takes=OF_CLASSES)


def _of_classes(entropies: Float[Array, "n *space"], log_probs: Float[Array, "S n *space C"]) -> Float[Array, "n C"]:
    """Mean entropy of the positions predicted as each class; 0 if there are none."""
    predicted = jax.nn.one_hot(log_mean_exp(log_probs).argmax(axis=-1), log_probs.shape[-1])
    axes = tuple(range(1, entropies.ndim))
    return (entropies[..., None] * predicted).sum(axis=axes) / jnp.maximum(predicted.sum(axis=axes), 1)


def _perturbed(rng_key: RngKey, scores: Float[Array, "*n"], power: Float[Array, ""]) -> Float[Array, "*n"]:
    positive = scores > 0
    logits = power * jnp.log(jnp.where(positive, scores, 1.0)) + jax.random.gumbel(rng_key, scores.shape)
    return jnp.where(jnp.isnan(scores), jnp.nan, jnp.where(positive, logits, -jnp.inf))


def _both(
    rng_key: RngKey,
    view: PoolView,
    of_classes: Float[Array, "N C"],
    of_images: Float[Array, " N"],
    num_stratified: int,
    batch_size: int,
) -> Selection:
    """First the best points of each class in turn, then the best of all that are left."""
    key_classes, key_images = jax.random.split(rng_key)
    invalid = jnp.isnan(of_images) | jnp.isnan(of_classes).any(axis=1)
    available = view.available & ~invalid
    parts = []
    if num_stratified:
        parts.append(selection.class_stratified(key_classes, of_classes, available, batch_size=num_stratified))
        available = available.at[parts[0].indices].set(False, mode="drop")
    if num_stratified < batch_size:
        order = random_order(key_images, ~available, jnp.where(available, -of_images, 0.0))
        parts.append(take_first(order, of_images, available, batch_size=batch_size - num_stratified))
    return Selection(
        indices=jnp.concatenate([part.indices for part in parts]),
        scores=jnp.concatenate([part.scores for part in parts]),
        num_invalid=(view.available & invalid).sum(),
    )
