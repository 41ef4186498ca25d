"""Average precision of boxes against a slow loop and against pycocotools."""

import contextlib
import io
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.metrics import IOU_THRESHOLDS, box_average_precision
from bal.types import Detections

NUM_IMAGES, NUM_CLASSES, ROOM = 12, 3, 6
compiled = jax.jit(partial(box_average_precision, num_classes=NUM_CLASSES))


def case(seed, num_places=40, *, of_integers=False, num_classes=NUM_CLASSES):
    """Objects, and detections near some of them. Whole corners and scores of tenths make ties of all kinds."""
    generator = np.random.default_rng(seed)
    first, sides = generator.uniform(0, 40, (NUM_IMAGES, ROOM, 2)), generator.uniform(2, 20, (NUM_IMAGES, ROOM, 2))
    boxes = np.concatenate([first, first + sides], axis=-1)
    classes = generator.integers(0, num_classes, (NUM_IMAGES, ROOM))
    present = generator.random((NUM_IMAGES, ROOM)) < 0.6
    near = generator.integers(0, ROOM, (NUM_IMAGES, num_places))
    found = np.take_along_axis(boxes, near[..., None], axis=1)
    found = found + generator.normal(size=found.shape) * generator.choice([0.3, 1.0, 4.0], near.shape)[..., None]
    found[..., 2:] = np.maximum(found[..., 2:], found[..., :2] + 1)
    found_classes = np.take_along_axis(classes, near, axis=1)
    other = generator.random(near.shape) < 0.2
    found_classes = np.where(other, generator.integers(0, num_classes, near.shape), found_classes)
    scores = generator.random(near.shape) * (generator.random(near.shape) < 0.8)
    if of_integers:
        boxes, found, scores = boxes.round(), found.round(), scores.round(1)
        found[..., 2:] = np.maximum(found[..., 2:], found[..., :2] + 1)
    labels = {"boxes": boxes.astype(np.float32), "classes": classes, "present": present}
    return Detections(*map(jnp.asarray, (found.astype(np.float32), found_classes, scores.astype(np.float32)))), labels


def overlap(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = np.prod(np.maximum(sides, 0))
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


def by_hand(detections, labels, images=range(NUM_IMAGES)):
    """The definition of the benchmark, one detection after the other in double precision."""
    found = [np.asarray(leaf, np.float64) for leaf in detections]
    areas = np.full((len(IOU_THRESHOLDS), NUM_CLASSES), np.nan)
    for column in range(NUM_CLASSES):
        num_objects = sum((labels["present"][i] & (labels["classes"][i] == column)).sum() for i in images)
        for row, threshold in enumerate(IOU_THRESHOLDS):
            results = []
            for image in images:
                boxes = labels["boxes"][image].astype(np.float64)
                left = [m for m in range(ROOM) if labels["present"][image, m] and labels["classes"][image, m] == column]
                own = [k for k in range(found[1].shape[1]) if found[1][image, k] == column and found[2][image, k] > 0]
                for place in sorted(own, key=lambda k, image=image: -found[2][image, k])[:100]:
                    overlaps = [(overlap(found[0][image, place], boxes[m]), m) for m in left]
                    best, m = max(overlaps, default=(-1.0, -1))
                    hit = best >= threshold
                    if hit:
                        left.remove(m)
                    results.append((-found[2][image, place], hit))
            hits = np.array([hit for _, hit in sorted(results, key=lambda result: result[0])], float)
            total = hits.cumsum()
            precision, recall = total / np.arange(1, len(hits) + 1), total / max(num_objects, 1)
            reached = [precision[recall >= r] for r in np.linspace(0, 1, 101)]
            if num_objects:
                areas[row, column] = np.mean([values.max() if len(values) else 0.0 for values in reached])
    return areas


@pytest.mark.parametrize("of_integers", [False, True])
def test_it_is_that_of_a_loop_over_detections(of_integers):
    for seed in range(3):
        detections, labels = case(seed, of_integers=of_integers)
        np.testing.assert_allclose(
            compiled(detections, labels, jnp.ones(NUM_IMAGES)), by_hand(detections, labels), atol=1e-6
        )


def test_images_of_weight_zero_and_empty_places_do_not_count():
    detections, labels = case(5)
    weights = jnp.asarray(np.arange(NUM_IMAGES) % 3, jnp.float32)
    held = (weights > 0)[:, None] & (detections.scores > 0)
    spoilt = Detections(
        boxes=jnp.where(held[..., None], detections.boxes, jnp.nan),
        classes=jnp.where(held, detections.classes, 1),
        scores=jnp.where((weights > 0)[:, None], detections.scores, jnp.nan),
    )
    images = np.flatnonzero(np.asarray(weights))
    np.testing.assert_allclose(compiled(spoilt, labels, weights), by_hand(detections, labels, images), atol=1e-6)


def test_known_answers():
    _, labels = case(0)
    labels = labels | {"classes": np.where(labels["classes"] == 2, 1, labels["classes"])}
    objects = Detections(
        jnp.asarray(labels["boxes"]), jnp.asarray(labels["classes"]), jnp.asarray(labels["present"], jnp.float32)
    )
    perfect = np.asarray(compiled(objects, labels, jnp.ones(NUM_IMAGES)))
    np.testing.assert_allclose(perfect[:, :2], 1.0)
    assert np.isnan(perfect[:, 2]).all()  # no object of this class
    nothing = objects._replace(scores=jnp.zeros_like(objects.scores))
    np.testing.assert_array_equal(compiled(nothing, labels, jnp.ones(NUM_IMAGES))[:, :2], 0.0)
    # Each object twice: half of what is shown is wrong, but what is right comes first.
    double = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf], axis=1), objects)
    double = double._replace(scores=double.scores * jnp.where(jnp.arange(2 * ROOM) < ROOM, 1.0, 0.5)[None])
    np.testing.assert_allclose(compiled(double, labels, jnp.ones(NUM_IMAGES))[:, :2], 1.0)


@pytest.mark.parametrize(("of_integers", "num_places"), [(False, 40), (True, 40), (False, 250)])
def test_it_agrees_with_pycocotools(of_integers, num_places):
    reason = "pycocotools is not installed: pip install pycocotools to compare with it"
    pytest.importorskip("pycocotools", reason=reason)
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def as_xywh(box):
        y0, x0, y1, x1 = map(float, box)
        return [x0, y0, x1 - x0, y1 - y0]

    # With many places and one class, more than 100 detections of a class are in an image.
    num_classes = 1 if num_places > 100 else NUM_CLASSES
    compare = jax.jit(partial(box_average_precision, num_classes=num_classes))
    for seed in range(4):
        detections, labels = case(seed, num_places, of_integers=of_integers, num_classes=num_classes)
        annotations = [
            {"id": i * ROOM + m + 1, "image_id": i, "category_id": int(labels["classes"][i, m]) + 1,
             "bbox": as_xywh(labels["boxes"][i, m]), "iscrowd": 0,
             "area": float(np.prod(labels["boxes"][i, m, 2:] - labels["boxes"][i, m, :2]))}
            for i, m in np.argwhere(labels["present"])
        ]  # fmt: skip
        results = [
            {"image_id": int(i), "category_id": int(detections.classes[i, k]) + 1,
             "bbox": as_xywh(detections.boxes[i, k]), "score": float(detections.scores[i, k])}
            for i, k in np.argwhere(np.asarray(detections.scores) > 0)
        ]  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            truth.dataset = {
                "images": [{"id": i} for i in range(NUM_IMAGES)],
                "annotations": annotations,
                "categories": [{"id": c + 1} for c in range(num_classes)],
            }
            truth.createIndex()
            evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        ours = np.asarray(compare(detections, labels, jnp.ones(NUM_IMAGES)))
        theirs = evaluation.eval["precision"][:, :, :, 0, -1].mean(axis=1)
        np.testing.assert_allclose(ours, np.where(theirs < 0, np.nan, theirs), atol=1e-6)
        np.testing.assert_allclose([ours.mean(), ours[0].mean()], evaluation.stats[:2], atol=1e-6)
