"""Scenes of digits: all labels of a pixel agree, and depth, boxes and invalid pixels are those that geometry gives."""

import functools
import inspect

import jax
import numpy as np
import pytest

from bal import datasets
from bal.datasets import _digit_scenes, check_dataset, digit_scenes, load
from bal.datasets._scene import DEPTH_NOISE, FARTHEST, NEAREST, _place

NUM, SIZE, ROOM = 24, 64, 8


@functools.cache
def drawn(seed=0, **settings):
    return jax.tree.map(np.asarray, digit_scenes(jax.random.key(seed), NUM, **settings))


def objects(scenes):
    """Scene, row and visible pixels of each object."""
    for scene, row in zip(*np.nonzero(scenes.present), strict=True):
        yield scene, row, scenes.instances[scene] == row + 1


def test_segmentation_boxes_and_classes_describe_the_same_pixels():
    scenes = drawn()
    assert scenes.present.sum() > 2 * NUM
    for scene, row, pixels in objects(scenes):
        rows, columns = np.nonzero(pixels)
        box = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        assert scenes.boxes[scene, row].tolist() == box
        assert (scenes.segmentation[scene][pixels] == scenes.classes[scene, row] + 1).all()
    np.testing.assert_array_equal(scenes.segmentation == 0, scenes.instances == 0)
    counts = scenes.present.sum(1)
    np.testing.assert_array_equal(scenes.instances.max((1, 2)), counts)
    # Padding comes last and is zero.
    np.testing.assert_array_equal(scenes.present, np.arange(ROOM) < counts[:, None])
    assert not scenes.boxes[~scenes.present].any()
    assert not scenes.classes[~scenes.present].any()


def test_boxes_lie_in_the_image_and_have_an_area():
    scenes = drawn()
    y0, x0, y1, x1 = scenes.boxes[scenes.present].T
    assert ((y0 >= 0) & (y0 < y1) & (y1 <= SIZE) & (x0 >= 0) & (x0 < x1) & (x1 <= SIZE)).all()
    # Large enough to be read, small enough for several.
    assert np.median(y1 - y0) > SIZE / 5
    assert (y1 - y0).max() < SIZE / 2


def test_depth_is_a_plane_and_digits_lie_before_it_in_the_order_of_their_rows():
    scenes = drawn()
    v, u = np.meshgrid(*[(np.arange(SIZE) + 0.5) / (SIZE / 2) - 1] * 2, indexing="ij")
    design = np.stack([np.ones_like(u), v, u], -1)
    for scene in range(NUM):
        inverse = 1 / scenes.depth[scene].astype(np.float64)
        background = scenes.instances[scene] == 0
        plane = design @ np.linalg.lstsq(design[background], inverse[background])[0]
        nearness = inverse / plane
        np.testing.assert_allclose(nearness[background], 1, rtol=1e-5)
        of_object = []
        for row in range(scenes.present[scene].sum()):
            values = nearness[scenes.instances[scene] == row + 1]
            np.testing.assert_allclose(values, values.mean(), rtol=1e-5)
            of_object.append(values.mean())
        # Depth jumps at every border, by half the distance of two layers or more.
        layer = (NEAREST - FARTHEST) / ROOM
        assert (np.diff([*of_object, 1]) < -0.49 * layer).all()
        assert max(of_object, default=1) < NEAREST


def test_a_hidden_pixel_belongs_to_the_nearer_object_and_hidden_objects_are_left_out():
    generator = np.random.default_rng(0)
    masks = generator.random((6, 5, 5)) < np.array([0.3, 0.0, 0.5, 0.4, 0.9, 0.3])[:, None, None]
    wanted = np.array([True, True, False, True, True, True])
    covered, expected = np.zeros((5, 5), bool), []
    for mask, is_wanted in zip(masks, wanted, strict=True):
        seen = mask & ~covered
        kept = bool(is_wanted and mask.any() and seen.sum() >= mask.sum() / 2)
        expected.append((seen if kept else np.zeros_like(seen), kept))
        covered |= mask if kept else False
    visible, present = jax.jit(_place)(masks, wanted)
    np.testing.assert_array_equal(present, [kept for _, kept in expected])
    np.testing.assert_array_equal(visible, [seen for seen, _ in expected])
    assert present.tolist()[:3] == [True, False, False]
    assert visible.sum(0).max() == 1


def test_digits_are_dark_or_light_where_they_are_seen():
    scenes = drawn()
    sides = set()
    for scene, _, pixels in objects(scenes):
        around = np.pad(pixels, 1)
        inside = pixels & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
        if inside.sum() > 5:
            level = np.median(scenes.image[scene, ..., 0][inside])
            assert level < 0.25 or level > 0.75
            sides.add(level > 0.5)
    assert sides == {True, False}
    assert 0 <= scenes.image.min() < scenes.image.max() <= 1
    assert 0.05 < scenes.image[scenes.instances == 0].std() < 0.3


def test_depth_is_invalid_exactly_beside_nearer_objects_and_its_noise_grows_with_depth():
    scenes = drawn()
    ranks = np.where(scenes.instances == 0, ROOM + 1, scenes.instances)
    invalid = np.zeros(ranks.shape, bool)
    for axis, shift in [(1, 1), (1, -1), (2, 1), (2, -1)]:
        neighbours = np.roll(ranks, shift, axis)
        edge = [slice(None)] * 3
        edge[axis] = 0 if shift == 1 else -1
        neighbours[tuple(edge)] = ROOM + 1
        invalid |= neighbours < ranks
    np.testing.assert_array_equal(np.isnan(scenes.measured_depth), invalid)
    assert np.isfinite(scenes.depth).all()
    errors = ((scenes.measured_depth - scenes.depth) / (DEPTH_NOISE * scenes.depth**2))[~invalid]
    far = (scenes.depth > np.median(scenes.depth))[~invalid]
    for part in (errors[far], errors[~far]):
        # Standard errors of 40,000 values, times four.
        assert abs(part.mean()) < 0.02
        assert abs(part.std() - 1) < 0.015


def test_scenes_depend_on_the_key_and_their_index_only():
    jax.tree.map(np.testing.assert_array_equal, drawn(), digit_scenes(jax.random.key(0), NUM))
    fewer = digit_scenes(jax.random.key(0), 7, batch_size=3)
    for whole, part in zip(drawn(), fewer, strict=True):
        if np.issubdtype(whole.dtype, np.floating):
            np.testing.assert_allclose(whole[:7], part, rtol=1e-4, atol=1e-4)
        else:
            np.testing.assert_array_equal(whole[:7], part)
    assert not np.array_equal(drawn(1).segmentation, drawn().segmentation)
    assert len(np.unique(drawn().depth[:, 0, 0])) == NUM


def test_the_number_of_objects_follows_its_mean_up_to_the_limit():
    empty = drawn(mean_objects=1e-6)
    assert not empty.present.any()
    assert not empty.segmentation.any()
    assert np.isfinite(empty.measured_depth).all()
    full = drawn(mean_objects=100.0)
    # Nothing hides the nearest object, and of the others some are hidden.
    assert full.present[:, 0].all()
    assert 4 < full.present.sum(1).mean() < ROOM
    assert 1.5 < drawn(mean_objects=2.0).present.sum(1).mean() < 2.5


def test_class_weights_are_relative_frequencies():
    scenes = drawn(mean_objects=100.0, class_weights=(0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0))
    classes = scenes.classes[scenes.present]
    assert set(classes.tolist()) == {3, 7}
    # Four standard errors of a share of 0.1 among at least 100 objects.
    assert abs((classes == 7).mean() - 0.1) < 0.12
    full = drawn(mean_objects=100.0)
    assert len(np.unique(full.classes[full.present])) == 10


def test_given_digits_are_those_that_are_drawn():
    source = load("digits")
    squares = np.ones_like(source.pool_inputs), np.full_like(source.pool_labels, 4)
    scenes = jax.tree.map(np.asarray, digit_scenes(jax.random.key(0), NUM, digits=squares))
    assert (scenes.classes[scenes.present] == 4).all()
    # The nearest object is whole: a square, which the slope of the plane bends a little.
    for scene, row, pixels in objects(scenes):
        if row == 0:
            y0, x0, y1, x1 = scenes.boxes[scene, row]
            assert pixels.sum() > 0.7 * (y1 - y0) * (x1 - x0)


def test_sizes_are_static_and_the_key_may_be_traced(rng_key):
    scenes = jax.eval_shape(lambda key: digit_scenes(key, 3, image_size=40, max_objects=5, batch_size=2), rng_key)
    shapes = {name: leaf.shape for name, leaf in scenes._asdict().items()}
    assert shapes == {
        "image": (3, 40, 40, 1),
        **dict.fromkeys(("segmentation", "instances", "depth", "measured_depth"), (3, 40, 40)),
        "boxes": (3, 5, 4),
        **dict.fromkeys(("classes", "present"), (3, 5)),
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num": 0}, "num to be a whole number of at least 1, got 0"),
        ({"image_size": 16}, "image_size to be a whole number of at least 32, got 16"),
        ({"max_objects": 0}, "max_objects to be"),
        ({"batch_size": 0}, "batch_size to be"),
        ({"mean_objects": 0.0}, "mean_objects above 0"),
        ({"class_weights": [1.0] * 9}, "10 class_weights of at least 0"),
        ({"class_weights": [-1.0] + [1.0] * 9}, "10 class_weights of at least 0"),
        ({"class_weights": [0.0] * 10}, "class_weights above 0 for some classes"),
        ({"digits": (np.ones((2, 8, 8, 1)), np.array([3, 10]))}, "digits of the classes 0 to 9, got 10"),
        ({"digits": (np.ones((2, 8, 8, 1)), np.array([-1, 3]))}, "digits of the classes 0 to 9, got -1"),
        ({"digits": (np.ones((2, 8, 8, 1)), np.array([3]))}, "one class for each of the 2 digits, got 1"),
        ({"digits": (np.full((1, 8, 8, 1), 16.0), np.array([3]))}, r"images of digits in \[0, 1\], got 16.0 to 16.0"),
    ],
)
def test_settings_that_draw_no_scene_are_refused(settings, message, rng_key):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(digit_scenes)(rng_key, **{"num": 2, **settings})


@pytest.fixture
def other_scenes(monkeypatch):
    """What is kept for the next task is forgotten, before and after others are drawn in its place."""
    _digit_scenes._scenes_of_dataset.cache_clear()
    yield monkeypatch
    _digit_scenes._scenes_of_dataset.cache_clear()


def test_the_data_set_has_the_labels_of_each_task(other_scenes):
    other_scenes.setattr(_digit_scenes, "NUM_POOL", NUM)
    other_scenes.setattr(_digit_scenes, "NUM_TEST", 4)
    by_task = {task: load("digit_scenes", task=task) for task in datasets.TASKS["digit_scenes"]}
    for dataset in by_task.values():
        assert dataset.pool_inputs.shape == (NUM, SIZE, SIZE, 1)
        np.testing.assert_array_equal(dataset.pool_inputs, by_task["depth"].pool_inputs)
        check_dataset(dataset, void=np.nan)
    segmentation, foreground, detection, depth = by_task.values()
    np.testing.assert_array_equal(foreground.pool_labels, segmentation.pool_labels > 0)
    assert foreground.about.label_names == ("background", "digit")
    assert segmentation.about.label_names[:2] == ("background", "0")
    assert segmentation.about.num_classes == 11
    assert detection.about.label_names == tuple("0123456789")
    assert {name: leaf.shape for name, leaf in detection.test_labels.items()} == {
        "boxes": (4, ROOM, 4),
        "classes": (4, ROOM),
        "present": (4, ROOM),
    }
    assert detection.pool_labels["present"].dtype == bool
    for scene, row in zip(*np.nonzero(detection.pool_labels["present"]), strict=True):
        y0, x0, y1, x1 = detection.pool_labels["boxes"][scene, row].astype(int)
        seen = segmentation.pool_labels[scene, y0:y1, x0:x1]
        assert (seen == detection.pool_labels["classes"][scene, row] + 1).any()
    np.testing.assert_allclose(np.nanmean(depth.pool_labels), 0, atol=1e-5)
    np.testing.assert_allclose(np.nanstd(depth.pool_labels), 1, rtol=1e-5)
    metres = depth.test_labels * depth.about.label_scale + depth.about.label_shift
    assert 1 < np.nanmin(metres) < np.nanmax(metres) < 8


def test_pool_and_test_scenes_show_different_digits_in_the_numbers_that_are_stated(other_scenes):
    given = []

    def record(key, num, *, image_size, digits):
        given.append((num, image_size, digits[0]))
        return drawn()

    other_scenes.setattr(_digit_scenes, "digit_scenes", record)
    load("digit_scenes", image_size=48)
    load("digit_scenes", task="detection", image_size=48)  # of the same scenes, which are not drawn again
    source = load("digits")
    (num_pool, *sizes, pool), (num_test, _, test) = given
    np.testing.assert_array_equal(pool, source.pool_inputs)
    np.testing.assert_array_equal(test, source.test_inputs)
    assert sizes == [48]
    stated = f"{num_pool:,} in the pool, {num_test} in the test set"
    assert stated in datasets.OFFLINE["digit_scenes"].__doc__
