"""Uncertainty of detected objects."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.acquisition import (
    BOX_SCORES,
    aggregate_objects,
    bald,
    difficulty_weights,
    likely_objects,
    max_entropy,
    object_difficulty,
)
from bal.acquisition._detection import OBJECT_AGGREGATES
from bal.types import BoxMap, Detections

RNG = np.random.default_rng(0)
NUM_DRAWS, NUM_IMAGES, NUM_CLASSES = 4, 3, 2


def some_maps():
    log_odds = RNG.normal(size=(NUM_DRAWS, NUM_IMAGES, 5, 6, NUM_CLASSES))
    first, sides = (
        RNG.uniform(0, 9, (NUM_DRAWS, NUM_IMAGES, 5, 6, 2)),
        RNG.uniform(3, 9, (NUM_DRAWS, NUM_IMAGES, 5, 6, 2)),
    )
    return BoxMap(
        jnp.asarray(log_odds, jnp.float32), jnp.asarray(np.concatenate([first, first + sides], axis=-1), jnp.float32)
    )


MAPS = some_maps()


@pytest.mark.parametrize("name", sorted(BOX_SCORES))
def test_each_score_is_that_of_numpy(name):
    probs = 1 / (1 + np.exp(-np.asarray(MAPS.log_odds, np.float64)))
    entropies = lambda p: -(p * np.log(p) + (1 - p) * np.log(1 - p)).sum(axis=-1)
    boxes = np.asarray(MAPS.boxes, np.float64)
    sides = boxes.mean(axis=0)[..., 2:] - boxes.mean(axis=0)[..., :2]
    expected = {
        "box": (boxes.var(axis=0) / np.concatenate([sides, sides], axis=-1) ** 2).mean(axis=-1),
        "class": entropies(probs.mean(axis=0)) - entropies(probs).mean(axis=0),
        "entropy": entropies(probs.mean(axis=0)),
    }
    np.testing.assert_allclose(jax.jit(BOX_SCORES[name])(MAPS), expected[name], rtol=1e-4, atol=1e-6)


def test_objects_of_one_class_score_as_points_of_two():
    """A detector of one class decides between object and none, as a classifier of two classes does."""
    objects = BoxMap(MAPS.log_odds[..., :1], MAPS.boxes)
    log_probs = jnp.stack([jax.nn.log_sigmoid(-objects.log_odds), jax.nn.log_sigmoid(objects.log_odds)], axis=-1)
    for name, score in (("class", bald), ("entropy", max_entropy)):
        np.testing.assert_allclose(BOX_SCORES[name](objects), score(log_probs)[..., 0], rtol=1e-4, atol=1e-6)


def test_draws_that_agree_have_no_epistemic_uncertainty():
    same = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), MAPS)
    for name in ("box", "class"):
        np.testing.assert_allclose(jax.jit(BOX_SCORES[name])(same), 0.0, atol=1e-9)
    assert (np.asarray(jax.jit(BOX_SCORES["entropy"])(same)) > 0).all()


def test_the_variance_of_boxes_does_not_depend_on_the_size_of_the_image():
    twice = MAPS._replace(boxes=2 * MAPS.boxes)
    np.testing.assert_allclose(BOX_SCORES["box"](twice), BOX_SCORES["box"](MAPS), rtol=1e-5)
    # A box of no size divides by nothing.
    point = MAPS._replace(boxes=jnp.zeros_like(MAPS.boxes))
    np.testing.assert_array_equal(BOX_SCORES["box"](point), 0.0)


def test_objects_are_the_peaks_of_the_mean_in_every_draw():
    objects, objectness = jax.jit(likely_objects)(MAPS)
    mean = (1 / (1 + np.exp(-np.asarray(MAPS.log_odds, np.float64)))).mean(axis=0)
    for image in range(NUM_IMAGES):
        expected = []
        for row, column, number in np.ndindex(5, 6, NUM_CLASSES):
            around = mean[image, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2, number]
            if mean[image, row, column, number] == around.max():
                expected.append((mean[image, row, column, number], row, column))
        expected.sort(reverse=True)
        probs, rows, columns = zip(*expected, strict=True)
        np.testing.assert_allclose(objectness[image, : len(probs)], probs, rtol=1e-5)
        assert (np.asarray(objectness[image, len(probs) :]) == 0).all()
        for ours, maps in zip(objects, MAPS, strict=True):
            there = np.asarray(maps)[:, image, list(rows), list(columns)]
            np.testing.assert_array_equal(np.asarray(ours)[:, image, : len(probs)], there)


@pytest.mark.parametrize("how", OBJECT_AGGREGATES)
def test_each_aggregate_is_that_of_the_objects(how):
    scores, objectness = (
        np.array([[1.0, 3.0, 9.0], [2.0, 4.0, 5.0], [1.0, 1.0, 1.0]]),
        np.array([[0.9, 0.3, 0.01], [0.5, 0.5, 0.5], [0.02, 0.01, 0.0]]),
    )
    expected = {"sum": [4, 11, 0], "mean": [2, 11 / 3, 0], "max": [3, 5, 0], "objectness": [1.8 / 1.2, 11 / 3, 0]}
    aggregated = aggregate_objects(jnp.asarray(scores, jnp.float32), jnp.asarray(objectness, jnp.float32), how)
    np.testing.assert_allclose(aggregated, expected[how], rtol=1e-6)
    # Objects that do not count may have any score.
    spoilt = jnp.where(objectness < 0.1, jnp.nan, scores).astype(jnp.float32)
    np.testing.assert_array_equal(aggregate_objects(spoilt, jnp.asarray(objectness, jnp.float32), how), aggregated)


def test_a_constant_score_of_the_objects_is_the_score_of_the_image():
    _, objectness = likely_objects(MAPS)
    for how in ("mean", "max", "objectness"):
        np.testing.assert_allclose(aggregate_objects(jnp.full_like(objectness, 0.7), objectness, how), 0.7, rtol=1e-6)


def test_predictions_that_are_nan_have_a_score_that_is_nan():
    for field in ("log_odds", "boxes"):
        leaf = getattr(MAPS, field)
        spoilt = MAPS._replace(**{field: leaf.at[0, 1, 2, 2, 0].set(jnp.nan)})
        objects, objectness = likely_objects(spoilt)
        scores = np.asarray(aggregate_objects(BOX_SCORES["class"](objects), objectness, "max"))
        assert np.isnan(scores).tolist() == [False, True, False]


def test_what_is_not_an_aggregate_is_refused():
    with pytest.raises(ValueError, match="expected aggregate to be one of 'mean'"):
        aggregate_objects(jnp.zeros((1, 1)), jnp.zeros((1, 1)), "means")


def test_difficulty_is_what_a_sure_and_exact_detection_lacks():
    labels = {
        "boxes": jnp.array(
            [[[0.0, 0.0, 8.0, 8.0], [10.0, 10.0, 14.0, 14.0]], [[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 0.0, 0.0]]]
        ),
        "classes": jnp.array([[0, 1], [1, 0]]),
    }
    found = Detections(
        boxes=jnp.array(
            [[[0.0, 0.0, 8.0, 4.0], [10.0, 10.0, 14.0, 14.0]], [[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 4.0]]]
        ),
        classes=jnp.array([[0, 0], [1, 1]]),
        scores=jnp.array([[0.8, 0.9], [1.0, 0.3]]),
    )
    difficulty = object_difficulty(found, labels)
    # Half of the first object, nothing of the class of the second one, the third exactly.
    np.testing.assert_allclose(difficulty, [[1 - 0.8**0.6 * 0.5**0.4, 1.0], [0.0, 1.0]], rtol=1e-5, atol=1e-6)
    counted = jnp.array([[True, True], [True, False]])
    weights = difficulty_weights(difficulty, labels["classes"], counted, num_classes=3)
    means = np.array([1 - 0.8**0.6 * 0.5**0.4, 0.5, 1.0])  # of no object of a class nothing is known
    np.testing.assert_allclose(weights, 1 + 0.3 * 0.2 * np.log(1 + (np.exp(1 / 0.3) - 1) * means), rtol=1e-5)
