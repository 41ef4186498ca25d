"""The likelihood of boxes: its loss by hand, places without an object, metrics, and what it refuses."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.likelihoods import boxes, dense
from bal.types import BoxMap
from tests.likelihoods.cases import GRID, LIKELIHOODS, case

STRIDE, WEIGHT = 4, 0.5


@jax.jit
def loss(outputs, labels):
    return LIKELIHOODS["boxes"].loss((), outputs, labels)


def by_hand(outputs, labels):
    """The loss of one image, cell after cell in double precision."""
    height, width, num_classes = *GRID, outputs.shape[-1] - 4
    probs = 1 / (1 + np.exp(-outputs[..., :-4].astype(np.float64)))
    heat, of_boxes = np.zeros((height, width, num_classes)), 0.0
    for box, number in zip(labels["boxes"][labels["present"]], labels["classes"][labels["present"]], strict=True):
        y0, x0, y1, x1 = box.astype(np.float64) / STRIDE
        centre, sides = np.array([y0 + y1, x0 + x1]) / 2, np.array([y1 - y0, x1 - x0])
        row, column = np.floor(centre).astype(int)
        # Off by the radius along both axes, a box of the same sides overlaps by .7.
        radius = min(np.roots([1, -sides.sum(), sides.prod() * 0.3 / 1.7]).real)
        both = (sides - radius).prod()
        np.testing.assert_allclose(both / (2 * sides.prod() - both), 0.7)
        for i, j in np.ndindex(height, width):
            near = np.exp(-((i - row) ** 2 + (j - column) ** 2) / (2 * ((2 * radius + 1) / 6) ** 2))
            heat[i, j, number] = max(heat[i, j, number], near)
        predicted = outputs[row, column, -4:].astype(np.float64)
        of_boxes += np.abs(predicted - [*(centre - (row, column)), *np.log(sides)]).sum()
    focal = np.where(
        heat == 1, -((1 - probs) ** 2) * np.log(probs), -((1 - heat) ** 4) * probs**2 * np.log1p(-probs)
    ).sum()
    return (focal + WEIGHT * of_boxes) / max(labels["present"].sum(), 1)


def test_the_loss_is_that_of_a_loop_over_objects_and_cells():
    _, outputs, labels = case("boxes", (7,))
    host = jax.tree.map(np.asarray, labels)
    expected = [by_hand(np.asarray(outputs[i]), jax.tree.map(lambda leaf, i=i: leaf[i], host)) for i in range(7)]
    assert (host["present"].sum(axis=1) > 0).all()
    np.testing.assert_allclose(loss(outputs, labels), expected, rtol=1e-4)


def test_places_without_an_object_count_nowhere():
    """A label of zeros is an image without objects."""
    _, outputs, labels = case("boxes", (7,))
    filled = {
        "boxes": jnp.where(labels["present"][..., None], labels["boxes"], jnp.nan),
        "classes": jnp.where(labels["present"], labels["classes"], 99),
        "present": labels["present"],
    }
    gradient = jax.jit(jax.value_and_grad(lambda outputs, labels: loss(outputs, labels).sum()))
    for ours, theirs in zip(gradient(outputs, filled), gradient(outputs, labels), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
        assert np.isfinite(np.asarray(theirs)).all()
    zeros = jax.tree.map(jnp.zeros_like, labels)
    LIKELIHOODS["boxes"].check(zeros, outputs)
    value, slope = gradient(outputs, zeros)
    assert np.isfinite(value)
    assert (slope[..., -4:] == 0).all()  # no object, no box
    assert (slope[..., :-4] > 0).all()  # and the loss falls with the probability of one


def test_the_loss_and_its_gradient_are_finite_for_extreme_outputs():
    _, outputs, labels = case("boxes", (7,))
    gradient = jax.jit(jax.value_and_grad(lambda outputs: loss(outputs, labels).sum()))
    for scale in (1e3, -1e3):
        value, slope = gradient(scale * jnp.abs(outputs))
        assert np.isfinite(value)
        assert np.isfinite(np.asarray(slope)).all()
        assert np.abs(np.asarray(slope[..., -2:])).max() > 0
        predicted = LIKELIHOODS["boxes"].predictive((), scale * jnp.abs(outputs))
        assert np.isfinite(np.asarray(predicted.boxes)).all()


def test_perfect_predictions_have_an_average_precision_of_one():
    likelihood, outputs, labels = case("boxes", (7,))
    present = labels["present"] & (jnp.arange(5)[None] == labels["present"].argmax(axis=1)[:, None])
    labels = labels | {"present": present}  # one object an image: two in one cell cannot be told apart
    own = jnp.take_along_axis(labels["boxes"], present.argmax(axis=1)[:, None, None], axis=1)
    centres = jnp.floor((own[:, 0, :2] + own[:, 0, 2:]) / 2 / STRIDE).astype(int)
    number = jnp.take_along_axis(labels["classes"], present.argmax(axis=1)[:, None], axis=1)[:, 0]
    log_odds = jnp.full((7, *GRID, 2), -9.0).at[jnp.arange(7), centres[:, 0], centres[:, 1], number].set(2.0)
    maps = BoxMap(log_odds, jnp.broadcast_to(own[:, None], (7, *GRID, 4)))
    figures = jax.jit(lambda maps: likelihood.figures(likelihood.tally(maps, labels, jnp.ones(7))))
    assert {name: round(float(value), 5) for name, value in figures(maps).items() if name != "nll"} == {
        "ap": 1.0,
        "ap_50": 1.0,
    }
    # Boxes that overlap by 3/5 are right up to a threshold of .6: three of ten.
    sides = maps.boxes[..., 2:] - maps.boxes[..., :2]
    moved = maps.boxes + jnp.concatenate([sides, sides], axis=-1) * jnp.array([0.2499, 0.0] * 2)[None, None, None]
    figures_moved = figures(maps._replace(boxes=moved))
    np.testing.assert_allclose([figures_moved["ap"], figures_moved["ap_50"]], [0.3, 1.0], atol=1e-5)


def test_the_tally_keeps_detections_and_never_maps():
    likelihood, outputs, labels = case("boxes", (7,))
    tally = jax.eval_shape(lambda o: likelihood.tally(likelihood.predictive((), o), labels, jnp.ones(7)), outputs)
    num = 3 * 4 * 2  # cells times classes, which are fewer than 100 here
    assert tally.points["detections"].boxes.shape == (7, num, 4)
    large = jax.ShapeDtypeStruct((7, 16, 16, 14), jnp.float32)
    tally = jax.eval_shape(lambda o: likelihood.tally(likelihood.predictive((), o), labels, jnp.ones(7)), large)
    assert max(leaf.size for leaf in jax.tree.leaves(tally)) == 7 * 100 * 4


def changed(name, index, value):
    _, _, labels = case("boxes", (7,))
    held = {key: np.array(leaf) for key, leaf in labels.items()}
    held["present"][0, 0] = True
    held["boxes"][0, 0] = (1, 2, 5, 6)
    held[name][index] = value
    return held


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (changed("boxes", (0, 0), (1, 2, 12.5, 6)), r"inside an image of 12 x 16 pixels, got \[1.0, 2.0, 12.5, 6.0\]"),
        (changed("boxes", (0, 0), (-1, 2, 5, 6)), "boxes inside"),
        (changed("boxes", (0, 0), (5, 2, 5, 6)), "y0 < y1 .* no area"),
        (changed("boxes", (0, 0), (1, np.nan, 5, 6)), "y0 < y1"),
        (changed("classes", (0, 0), 2), "classes from 0 to 1, since the network has 2 of them, got 2"),
        (changed("classes", (0, 0), -1), "classes from 0 to 1"),
        (changed("boxes", (), 0) | {"boxes": np.zeros((7, 5, 4), int)}, "boxes that are floating"),
        (changed("boxes", (), 0) | {"boxes": np.zeros((7, 4, 4), np.float32)}, r"\[n, M, 4\].*padded_boxes"),
        (changed("boxes", (), 0) | {"present": np.ones((7, 5), int)}, "present that are bool"),
        (changed("boxes", (), 0) | {"classes": np.ones((7, 5), np.float32)}, "classes that are integer"),
        ({"boxes": np.zeros((7, 5, 4))}, r"dict of boxes, classes and present .* got \['boxes'\]"),
        (np.zeros((7, 5, 4)), "dict of boxes, classes and present .* got ndarray"),
    ],
)
def test_invalid_labels_are_refused(labels, message):
    check, outputs = LIKELIHOODS["boxes"].check, jax.ShapeDtypeStruct((7, *GRID, 6), jnp.float32)
    with pytest.raises(ValueError, match=message):
        check(labels, outputs)
    if "image of" not in message and "since" not in message:
        with pytest.raises(ValueError, match=message.split(" from 0")[0]):
            check(labels)


def test_outputs_that_do_not_fit_and_settings_are_refused():
    labels = changed("boxes", (0, 0), (1, 2, 5, 6))
    for shape, message in (((7, 12), "any, any, any"), ((6, *GRID, 6), r"\[7, any"), ((7, *GRID, 4), "at least one")):
        with pytest.raises(ValueError, match=message):
            LIKELIHOODS["boxes"].check(labels, jax.ShapeDtypeStruct(shape, jnp.float32))
    for make in (partial(boxes, stride=0), partial(boxes, box_weight=0.0)):
        with pytest.raises(ValueError, match="stride|box_weight"):
            make()
    with pytest.raises(ValueError, match="likelihood of a point for dense, got one that is boxes"):
        dense(boxes())
