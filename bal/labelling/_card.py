"""What a person sees of a point: the model's guess, how sure it is, and why the point was asked for."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bal.acquisition import bald, epistemic_variance, max_entropy
from bal.detection import detect, iou
from bal.labelling._history import Asked, History
from bal.labelling._meaning import image_size
from bal.loop import ActiveLearner, LoopState
from bal.streaming import take_points
from bal.types import BoxMap, Dataset, Keys, PyTree, RngKey
from bal.view import mean_noise

NUM_NEIGHBOURS = 3
PROPOSED = 0.3  # boxes of a lower probability are not shown, as in the demonstration of the paper's code (CenterNet)
SAME_OBJECT = 0.5  # nor one that overlaps a more probable one by more than this, intersection over union


class Neighbour(NamedTuple):
    """A labelled point that the model takes to be similar."""

    point: int  # pool index
    label: Any
    distance: float  # between embeddings


class Card(NamedTuple):
    """A point to label. Numbers of the model are None before the first model, or where it does not have them."""

    point: int  # pool index
    inputs: PyTree  # of the point, leaves [...]
    round: int | None  # that asks for it, from 0; None: a first label, drawn at random
    score: float | None  # of the strategy, when it chose the point
    guess: Any  # the most probable class (of each label or position), the mean, or boxes as in a label
    probabilities: Any  # of the classes along the last axis; of each box [M]; None for real labels
    uncertainty: float | None  # entropy in nats, averaged over labels or positions; or variance of a real label
    epistemic: float | None  # the part of it that labels would remove
    aleatoric: float | None  # the rest, noise of the labels
    neighbours: tuple[Neighbour, ...]  # the nearest labelled points, nearest first; () without embeddings


class Belief(NamedTuple):
    """What the model says of the points of a batch; None where it does not have such numbers."""

    guess: PyTree | None  # leaves [B, ...]
    probabilities: Float[Array, "B *value"] | None
    total: Float[Array, " B"] | None
    epistemic: Float[Array, " B"] | None
    aleatoric: Float[Array, " B"] | None
    neighbours: Int[Array, "B k"] | None  # rows of the buffer of labels
    distances: Float[Array, "B k"] | None  # infinite where there are fewer labels


@partial(jax.jit, static_argnums=0)
def believe(
    learner: ActiveLearner, rng_key: RngKey | Keys, state: LoopState, dataset: Dataset, points: Int[Array, " B"]
) -> Belief:
    """The last model's view of some points, under the draws that the strategy saw; a pure function of arrays.

    Args:
      learner: of the run.
      rng_key: the key of the run.
      state: from ``ask``, before ``tell``.
      dataset: the one of the run.
      points: pool indices.
    """
    view = learner.view(rng_key, state, dataset)
    inputs = take_points(dataset.pool_inputs, points)
    predictions = view.predict(inputs)
    kind = learner.likelihood.predicts.removeprefix("dense ")
    guess = probabilities = total = epistemic = aleatoric = None
    if kind in ("categorical", "bernoulli"):
        probabilities = jnp.exp(learner.likelihood.reduce(predictions))
        guess = probabilities.argmax(axis=-1)
        total, epistemic = _a_point(max_entropy(predictions)), _a_point(bald(predictions))
        aleatoric = total - epistemic
    elif kind == "gaussian":
        guess = predictions.mean.mean(axis=0)
        epistemic, aleatoric = _a_point(epistemic_variance(predictions)), _a_point(mean_noise(predictions))
        total = epistemic + aleatoric
    elif kind == "boxes":
        guess, probabilities = _proposed(learner.likelihood.reduce(predictions), inputs, state.pool.labels)
        # Of each class in each cell: is there an object?
        log_probs = jnp.stack([jax.nn.log_sigmoid(sign * predictions.log_odds) for sign in (-1, 1)], axis=-1)
        total, epistemic = _a_point(max_entropy(log_probs)), _a_point(bald(log_probs))
        aleatoric = total - epistemic
    neighbours = distances = None
    if "embedding" in view.features:
        embedding = view.features["embedding"]
        offsets = embedding(inputs)[:, None] - embedding(view.labelled.inputs)[None]
        lengths = jnp.where(view.labelled.weights > 0, jnp.sqrt(jnp.square(offsets).sum(axis=-1)), jnp.inf)
        nearest, neighbours = jax.lax.top_k(-lengths, min(NUM_NEIGHBOURS, lengths.shape[1]))
        distances = -nearest
    return Belief(guess, probabilities, total, epistemic, aleatoric, neighbours, distances)


class Cards:
    """Cards of a session's points; what the model says of a batch is computed once."""

    def __init__(self, learner: ActiveLearner, dataset: Dataset, rng_key: RngKey | Keys):
        self._learner, self._dataset, self._key = learner, dataset, rng_key
        self._held: tuple[Asked, dict[int, tuple[Belief, int]]] | None = None

    def card(self, point: int, record: History, state: LoopState | None) -> Card:
        """A point, asked for or not, as the last model sees it.

        Args:
          point: pool index.
          record: of all events so far.
          state: after the last ``ask``; None before the first.
        """
        rows = take_points(self._dataset.pool_inputs, jnp.array([point]))
        inputs = jax.tree.map(lambda leaf: np.asarray(leaf)[0], rows)
        if state is None:
            return Card(point, inputs, None, None, None, None, None, None, None, ())
        asked = record.asked[-1]
        score = asked.scores[asked.points.index(point)] if point in asked.points else None
        belief, row = self._belief(point, asked, state)
        guess, probabilities = (_row(values, row) for values in belief[:2])
        total, epistemic, aleatoric = (values if values is None else float(values[row]) for values in belief[2:5])
        near = _neighbours(belief, row, state)
        round_ = len(record.asked) - 1
        return Card(point, inputs, round_, score, guess, probabilities, total, epistemic, aleatoric, near)

    def _belief(self, point: int, asked: Asked, state: LoopState) -> tuple[Belief, int]:
        if self._held is None or self._held[0] != asked:
            self._held = asked, {}
        known = self._held[1]
        if point not in known:
            points = list(asked.points) if point in asked.points else [point]
            # One shape for all batches, which compiles once.
            padded = (points * self._learner.batch_size)[: self._learner.batch_size]
            computed = believe(self._learner, self._key, state, self._dataset, jnp.array(padded))
            belief = jax.tree.map(np.asarray, computed)
            known |= {one: (belief, row) for row, one in enumerate(points)}
        return known[point]


def _neighbours(belief: Belief, row: int, state: LoopState) -> tuple[Neighbour, ...]:
    if belief.neighbours is None or belief.distances is None:
        return ()
    held = jax.tree.map(np.asarray, state.pool)
    near = zip(belief.neighbours[row].tolist(), belief.distances[row].tolist(), strict=True)
    return tuple(Neighbour(int(held.indices[k]), _row(held.labels, k), far) for k, far in near if np.isfinite(far))


def _proposed(maps: BoxMap, inputs: PyTree, like: PyTree) -> tuple[PyTree, Float[Array, "B M"]]:
    """The model's boxes as labels of the data set, with their probabilities."""
    room = like["classes"].shape[1]
    found = detect(maps, room)
    boxes, classes, scores = (
        jnp.pad(leaf, [(0, 0), (0, room - leaf.shape[1]), *[(0, 0)] * (leaf.ndim - 2)]) for leaf in found
    )
    size = image_size(inputs)
    if size is not None:
        boxes = jnp.clip(boxes, 0.0, jnp.array([[[*size, *size]]], boxes.dtype))
    # An object has one class, and a cell may be a peak of several; more probable boxes come first.
    earlier = jnp.tril(jnp.ones((room, room), bool), -1)
    again = ((iou(boxes, boxes) > SAME_OBJECT) & earlier[None]).any(axis=-1)
    present = (scores >= PROPOSED) & (boxes[..., 2:] > boxes[..., :2]).all(axis=-1) & ~again
    return {"boxes": boxes, "classes": classes, "present": present}, scores


def _row(labels: PyTree, place: int) -> PyTree:
    return jax.tree.map(lambda leaf: leaf[place], labels)


def _a_point(values: Float[Array, "B *value"]) -> Float[Array, " B"]:
    """The mean over the labels or positions of each point."""
    return values.reshape(values.shape[0], -1).mean(axis=1)


def confidence(card: Card) -> float | None:
    """The probability of the guess, averaged over its labels, boxes or positions; None where there is none.

    Args:
      card: of the point.
    """
    if card.probabilities is None:
        return None
    of_boxes = isinstance(card.guess, dict)
    values = card.probabilities[card.guess["present"]] if of_boxes else card.probabilities.max(axis=-1)
    return min(float(np.mean(values)), 1.0) if values.size else None  # not above 1 by rounding
