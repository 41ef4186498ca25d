"""Variants of a data set keep their promises for one array, for pytrees, and without labels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.datasets import (
    from_arrays,
    hold_out_calibration,
    hold_out_validation,
    imbalanced,
    load,
    map_inputs,
    normalised,
    repeated,
    subset,
)
from bal.types import Description


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def tree(labels=True):
    """Points that carry their number in each leaf."""
    number = np.arange(20)
    inputs = {"id": number, "meta": np.stack([number, 2.0 * number], axis=1)}
    test = jax.tree.map(lambda leaf: leaf[:5], inputs)
    return from_arrays(inputs, number % 4 if labels else None, test)


def everywhere(fn, dataset):
    """What ``fn`` gives for each part of the inputs."""
    parts = [dataset.pool_inputs, dataset.test_inputs, dataset.target_inputs]
    parts += [batch.inputs for batch in (dataset.validation, dataset.calibration) if batch is not None]
    return [fn(part) for part in parts if part is not None]


def test_repeated_copies_carry_the_labels_of_their_originals(digits, rng_key):
    twice = repeated(rng_key, digits, copies=2, noise=0.1)
    assert len(twice.pool_inputs) == 2874
    np.testing.assert_array_equal(twice.pool_labels, np.tile(digits.pool_labels, 2))
    noise = np.asarray(twice.pool_inputs) - np.tile(digits.pool_inputs, (2, 1, 1, 1))
    assert abs(noise.std() - 0.1) < 1e-3
    assert not np.allclose(noise[:1437], noise[1437:])
    np.testing.assert_array_equal(twice.test_inputs, digits.test_inputs)


def test_repeated_integers_keep_their_values_beside_noisy_floats(rng_key):
    twice = repeated(rng_key, tree(labels=False), copies=2, noise=0.1)
    assert twice.pool_labels is None
    np.testing.assert_array_equal(twice.pool_inputs["id"], np.tile(np.arange(20), 2))
    assert (twice.pool_inputs["meta"] != np.tile(tree().pool_inputs["meta"], (2, 1))).all()
    bytes_ = from_arrays(np.zeros((3, 2, 2), np.uint8), None)
    assert repeated(rng_key, bytes_, copies=2, noise=0.0).pool_inputs.dtype == np.uint8
    with pytest.raises(ValueError, match="uint8: convert them"):
        repeated(rng_key, bytes_, copies=2)


def test_imbalanced_keeps_the_stated_share_of_each_class(digits, rng_key):
    fractions = [1.0, 0.5, 0.0, *[0.1] * 7]
    counts = np.bincount(imbalanced(rng_key, digits, class_fractions=fractions).pool_labels, minlength=10)
    whole = np.bincount(digits.pool_labels)
    assert counts.tolist() == [round(f * n) for f, n in zip(fractions, whole, strict=True)]


def test_subsets_and_validation_are_disjoint_parts_of_the_pool(digits, rng_key):
    small = subset(rng_key, digits, num_pool=100, num_test=50)
    assert (len(small.pool_inputs), len(small.test_inputs)) == (100, 50)
    held = hold_out_validation(rng_key, small, num_validation=30)
    assert len(held.pool_inputs) == 70
    assert held.validation.weights.sum() == 30
    images = [image.tobytes() for image in (*held.pool_inputs, *held.validation.inputs)]
    assert sorted(images) == sorted(image.tobytes() for image in small.pool_inputs)
    both = hold_out_calibration(rng_key, held, num_calibration=20)
    assert (len(both.pool_inputs), len(both.validation.inputs), len(both.calibration.inputs)) == (50, 30, 20)
    parts = (*both.pool_inputs, *both.validation.inputs, *both.calibration.inputs)
    assert sorted(image.tobytes() for image in parts) == sorted(images)


def test_the_leaves_of_a_point_and_its_label_stay_together(rng_key):
    about = Description(num_classes=4, label_names=("a", "b", "c", "d"))
    dataset = subset(rng_key, tree()._replace(about=about), num_pool=15, num_test=2)
    dataset = hold_out_validation(rng_key, dataset, num_validation=3)
    dataset = hold_out_calibration(rng_key, dataset, num_calibration=3)
    dataset = imbalanced(rng_key, dataset, class_fractions=[1.0, 1.0, 0.0, 1.0])
    for inputs in everywhere(lambda inputs: inputs, dataset):
        np.testing.assert_array_equal(inputs["meta"][:, 1], 2 * inputs["id"])
    np.testing.assert_array_equal(dataset.pool_labels, dataset.pool_inputs["id"] % 4)
    np.testing.assert_array_equal(dataset.validation.labels, dataset.validation.inputs["id"] % 4)
    np.testing.assert_array_equal(dataset.calibration.labels, dataset.calibration.inputs["id"] % 4)
    assert dataset.about == about


def test_a_subset_needs_no_labels(rng_key):
    assert len(subset(rng_key, tree(labels=False), num_pool=15, num_test=2).test_inputs["id"]) == 2


def test_variants_depend_on_the_key_only(digits):
    first, again, other = (subset(jax.random.key(seed), digits, num_pool=50).pool_labels for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_one_function_goes_over_all_inputs(rng_key):
    dataset = hold_out_calibration(rng_key, tree()._replace(target_inputs=tree().test_inputs), num_calibration=3)
    dataset = hold_out_validation(rng_key, dataset, num_validation=3)
    mapped = map_inputs(dataset, lambda inputs: inputs["meta"].shape)
    assert everywhere(lambda shape: shape, mapped) == [(14, 2), (5, 2), (5, 2), (3, 2), (3, 2)]


def test_normalised_inputs_are_scaled_by_the_pool_in_all_parts(rng_key):
    points = np.random.default_rng(0).uniform(2, 5, (40, 3)).astype(np.float32)
    points[:, 2] = 0.1
    dataset = from_arrays(points, np.arange(40) % 2, points[:9] + 1, np.zeros(9, int), target_inputs=points[:5])
    dataset = hold_out_calibration(rng_key, dataset, num_calibration=6)
    dataset = hold_out_validation(rng_key, dataset, num_validation=6)
    pool = np.asarray(dataset.pool_inputs, np.float64)
    deviation = np.where(pool.std(0) > 1e-6, pool.std(0), 1)
    after = everywhere(lambda inputs: inputs, normalised(dataset))
    assert len(after) == 5
    for inputs, expected in zip(after, everywhere(lambda inputs: inputs, dataset), strict=True):
        np.testing.assert_allclose(inputs, (expected - pool.mean(0)) / deviation, rtol=1e-4, atol=1e-5)
        assert inputs.dtype == np.float32


def test_floating_leaves_alone_are_normalised():
    inputs = {
        "age": np.array([1.0, 3.0]),
        "half": np.array([[1.0], [3.0]], np.float16),
        "brain": jnp.array([[1.0], [3.0]], jnp.bfloat16),
        "ids": np.array([[7, 8], [9, 1]]),
        "known": np.ones((2, 3, 3), bool),
    }
    after = normalised(from_arrays(inputs, None)).pool_inputs
    assert after["age"].tolist() == [-1, 1]
    for name in ("half", "brain"):
        assert after[name].dtype == inputs[name].dtype
        assert after[name].astype(np.float32).tolist() == [[-1], [1]]
    np.testing.assert_array_equal(after["ids"], inputs["ids"])
    assert after["known"].dtype == bool


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"image": np.zeros((2, 3, 3), np.uint8), "meta": np.zeros((2, 1))}, r"uint8 in pool_inputs\['image'\]"),
        (np.zeros((2, 3), int), "floating pool_inputs to normalise, got int32"),
    ],
)
def test_integers_that_want_a_scale_are_not_normalised(inputs, message):
    with pytest.raises(ValueError, match=message):
        normalised(from_arrays(inputs, None))


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (lambda key, data: repeated(key, data, copies=0), "copies"),
        (lambda key, data: repeated(key, data, copies=True), "copies"),
        (lambda key, data: repeated(key, data, copies=2, noise=-1.0), "noise"),
        (lambda key, data: repeated(key, data, copies=2, noise=np.nan), "noise"),
        (lambda key, data: imbalanced(key, data, class_fractions=[1.0]), "class_fractions"),
        (lambda key, data: imbalanced(key, data, class_fractions=[np.nan] * 10), "class_fractions"),
        (lambda key, data: imbalanced(key, data, class_fractions=[0.0] * 10), "leave at least one point"),
        (lambda key, data: subset(key, data, num_pool=2000), "num_pool"),
        (lambda key, data: subset(key, data, num_pool=0), "num_pool"),
        (lambda key, data: subset(key, data._replace(test_inputs=None), num_test=2), "test_inputs"),
        (lambda key, data: hold_out_validation(key, data, num_validation=1437), "num_validation"),
        (lambda key, data: hold_out_calibration(key, data, num_calibration=1437), "num_calibration"),
        (lambda key, data: hold_out_calibration(key, data, num_calibration=0), "num_calibration"),
        (lambda key, data: hold_out_calibration(key, data, num_calibration=True), "num_calibration"),
        (
            lambda key, data: hold_out_calibration(key, data._replace(pool_labels=None), num_calibration=1),
            "pool_labels",
        ),
        (lambda key, data: imbalanced(key, data._replace(pool_labels=None), class_fractions=[1.0]), "pool_labels"),
        (lambda key, data: imbalanced(key, data._replace(pool_labels=np.ones(1437)), class_fractions=[1.0]), "integer"),
    ],
)
def test_invalid_variants_are_refused(variant, message, digits, rng_key):
    with pytest.raises(ValueError, match=message):
        variant(rng_key, digits)
