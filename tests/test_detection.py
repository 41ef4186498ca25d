"""Boxes: their overlap, their places in a grid, and the peaks of maps of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.detection import decode, detect, encode, iou, mean_map, padded_boxes, peaks
from bal.types import BoxMap

RNG = np.random.default_rng(0)


def some_boxes(*shape):
    """Boxes with sides from 1 to 20 pixels inside an image of 40 x 60."""
    sides = RNG.uniform(1, 20, (*shape, 2))
    first = RNG.uniform(0, 1, (*shape, 2)) * (np.array([40, 60]) - sides)
    return np.concatenate([first, first + sides], axis=-1).astype(np.float32)


def test_overlaps_are_those_of_pixels():
    boxes = RNG.integers(0, 6, (5, 4))
    boxes[:, 2:] += boxes[:, :2]
    boxes[0] = (2, 2, 2, 2)  # no area
    pixels = np.zeros((5, 12, 12), bool)
    for mask, (y0, x0, y1, x1) in zip(pixels, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    both, either = pixels[:, None] & pixels[None], pixels[:, None] | pixels[None]
    expected = both.sum(axis=(2, 3)) / np.maximum(either.sum(axis=(2, 3)), 1)
    np.testing.assert_allclose(iou(*[jnp.asarray(boxes, jnp.float32)] * 2), expected, rtol=1e-6)


def test_encoding_and_decoding_are_inverse():
    boxes = some_boxes(200)

    @jax.jit
    def run(boxes):
        cells, deltas = encode(boxes, grid=(10, 15), stride=4)
        again = decode(cells, deltas, stride=4)
        return cells, deltas, again, encode(again, grid=(10, 15), stride=4)

    cells, deltas, again, (_, deltas_again) = run(boxes)
    np.testing.assert_allclose(again, boxes, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(deltas_again, deltas, atol=1e-4)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert ((np.asarray(cells) * 4 <= centres) & (centres < np.asarray(cells) * 4 + 4)).all()
    sizes = np.log((boxes[:, 2:] - boxes[:, :2]).astype(np.float64) / 4)
    np.testing.assert_allclose(np.asarray(deltas)[:, 2:], sizes, rtol=1e-4, atol=1e-5)


def test_peaks_are_the_cells_above_those_around_them():
    log_odds = RNG.normal(size=(2, 5, 6, 3)).astype(np.float32)
    cells, classes, probs = jax.jit(peaks, static_argnums=1)(log_odds, 30)
    for image in range(2):
        expected = []
        for row, column, number in np.ndindex(5, 6, 3):
            around = log_odds[image, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2, number]
            if log_odds[image, row, column, number] == around.max():
                expected.append((-log_odds[image, row, column, number], row * 6 + column, number))
        expected.sort()
        assert 0 < len(expected) < 30
        found = list(zip(cells[image].tolist(), classes[image].tolist(), strict=True))[: len(expected)]
        assert found == [(cell, number) for _, cell, number in expected]
        values = np.array([1 / (1 + np.exp(np.float64(value))) for value, _, _ in expected])
        np.testing.assert_allclose(probs[image, : len(expected)], values, rtol=1e-5)
        assert (np.asarray(probs[image, len(expected) :]) == 0).all()


def test_objects_are_found_where_they_are():
    """Maps made from boxes give back the boxes."""
    boxes = np.array([[2, 3, 10, 9], [20, 30, 36, 50], [24, 2, 30, 6]], np.float32)
    cells, _ = encode(jnp.asarray(boxes), grid=(10, 15), stride=4)
    log_odds, corners = np.full((1, 10, 15, 2), -9, np.float32), np.zeros((1, 10, 15, 4), np.float32)
    for (row, column), box, value, number in zip(np.asarray(cells), boxes, (1, 3, 2), (0, 1, 1), strict=True):
        log_odds[0, row, column, number] = value
        corners[0, row, column] = box
    found = jax.jit(detect, static_argnums=1)(BoxMap(jnp.asarray(log_odds), jnp.asarray(corners)), 3)
    np.testing.assert_array_equal(found.boxes[0], boxes[[1, 2, 0]])
    assert found.classes[0].tolist() == [1, 1, 0]


def test_the_mean_map_averages_probabilities_and_keeps_small_ones():
    log_odds, corners = RNG.normal(size=(3, 2, 4, 5, 2)) * 3 - 20, RNG.normal(size=(3, 2, 4, 5, 4))
    mean = jax.jit(mean_map)(BoxMap(jnp.asarray(log_odds, jnp.float32), jnp.asarray(corners, jnp.float32)))
    probs = (1 / (1 + np.exp(-log_odds))).mean(axis=0)
    np.testing.assert_allclose(mean.log_odds, np.log(probs) - np.log1p(-probs), rtol=1e-5)
    np.testing.assert_allclose(mean.boxes, corners.mean(axis=0), rtol=1e-4, atol=1e-5)


def test_labels_of_one_size_are_made_of_any_number_of_boxes():
    boxes, classes = [some_boxes(2), np.zeros((0, 4)), some_boxes(3)], [[1, 2], [], [0, 0, 5]]
    labels = padded_boxes(boxes, [np.asarray(numbers, int) for numbers in classes], room=3)
    assert labels["present"].sum(axis=1).tolist() == [2, 0, 3]
    for image in range(3):
        np.testing.assert_array_equal(labels["boxes"][image][labels["present"][image]], boxes[image])
        assert labels["classes"][image][labels["present"][image]].tolist() == classes[image]
    with pytest.raises(ValueError, match="at most 2 boxes an image, got 3 in image 2"):
        padded_boxes(boxes, [np.asarray(numbers) for numbers in classes], room=2)
    with pytest.raises(ValueError, match=r"\[1, 4\] for the 1 classes of image 0"):
        padded_boxes(boxes[:1], [np.array([1])], room=3)
    with pytest.raises(ValueError, match="classes for each of 3 images, got those of 1"):
        padded_boxes(boxes, [np.array([1])], room=3)
