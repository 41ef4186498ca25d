"""Data sets: what is shipped is what it says, variants keep their promises, faults are named."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import datasets
from bal.datasets import (
    OFFLINE,
    from_arrays,
    hold_out_calibration,
    hold_out_validation,
    imbalanced,
    load,
    repeated,
    subset,
)

SHAPES = {"digits": (1437, 360, (8, 8, 1)), "mnist_5k": (4000, 1000, (28, 28, 1)), "two_moons": (1000, 1000, (2,))}


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_every_offline_set_has_its_shape_stated():
    assert set(SHAPES) == set(OFFLINE)


@pytest.mark.parametrize("name", SHAPES)
def test_offline_sets_have_their_size_and_are_the_same_each_time(name):
    dataset, again = load(name), load(name)
    num_pool, num_test, shape = SHAPES[name]
    assert dataset.pool_inputs.shape == (num_pool, *shape)
    assert dataset.test_inputs.shape == (num_test, *shape)
    assert dataset.pool_inputs.dtype == np.float32
    assert dataset.pool_labels.dtype == np.int32
    jax.tree.map(np.testing.assert_array_equal, dataset, again)
    datasets.check_dataset(dataset)


def test_the_digits_that_ship_are_those_of_scikit_learn(digits):
    from sklearn.datasets import load_digits

    ours = np.concatenate([digits.pool_inputs, digits.test_inputs]).reshape(-1, 64)
    labels = np.concatenate([digits.pool_labels, digits.test_labels])
    theirs = load_digits()
    rows = lambda inputs, labels: sorted(map(tuple, np.column_stack([inputs, labels]).tolist()))
    assert rows(ours * 16, labels) == rows(theirs.data, theirs.target)


def test_no_test_image_is_in_the_pool(digits):
    pool = {image.tobytes() for image in digits.pool_inputs}
    assert not any(image.tobytes() in pool for image in digits.test_inputs)


def test_repeated_copies_carry_the_labels_of_their_originals(digits, rng_key):
    twice = repeated(rng_key, digits, copies=2, noise=0.1)
    assert len(twice.pool_inputs) == 2874
    np.testing.assert_array_equal(twice.pool_labels, np.tile(digits.pool_labels, 2))
    noise = np.asarray(twice.pool_inputs) - np.tile(digits.pool_inputs, (2, 1, 1, 1))
    assert abs(noise.std() - 0.1) < 1e-3
    assert not np.allclose(noise[:1437], noise[1437:])
    np.testing.assert_array_equal(twice.test_inputs, digits.test_inputs)


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


def test_variants_depend_on_the_key_only(digits):
    first, again, other = (subset(jax.random.key(seed), digits, num_pool=50).pool_labels for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


INPUTS, LABELS = np.zeros((4, 2)), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((INPUTS * np.nan, LABELS), "pool_inputs, got 8 NaN"),
        ((INPUTS, LABELS[:3]), "pool_labels"),
        ((INPUTS, LABELS - 1), "pool_labels, got -1"),
        ((INPUTS, LABELS, np.zeros((2, 3)), LABELS[:2]), "test_inputs"),
        ((INPUTS, LABELS, INPUTS, LABELS + 1), "test_labels, got 2"),
        ((INPUTS, np.where(LABELS == 1, np.nan, 0.0)), "pool_labels"),
        ((np.array([["a"]]), LABELS[:1]), "numeric"),
        ((INPUTS, np.array(["a", "b", "a", "b"])), "labels of an integer"),
    ],
)
def test_arrays_at_fault_are_refused_by_the_name_of_their_field(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(*arguments, num_classes=2)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (lambda key, data: repeated(key, data, copies=0), "copies"),
        (lambda key, data: imbalanced(key, data, class_fractions=[1.0]), "class_fractions"),
        (lambda key, data: subset(key, data, num_pool=2000), "num_pool"),
        (lambda key, data: hold_out_validation(key, data, num_validation=1437), "num_validation"),
        (lambda key, data: hold_out_calibration(key, data, num_calibration=1437), "num_calibration"),
        (lambda key, data: imbalanced(key, data._replace(pool_labels=None), class_fractions=[1.0]), "pool_labels"),
    ],
)
def test_variants_that_cannot_be_are_refused(variant, message, digits, rng_key):
    with pytest.raises(ValueError, match=message):
        variant(rng_key, digits)


@pytest.mark.filterwarnings("default")
def test_an_unknown_name_gets_the_nearest_ones():
    with pytest.raises(ValueError, match="digits"):
        load("digit")
    with pytest.raises(ValueError, match="fashion_mnist"):
        load("fashon_mnist")


@pytest.mark.filterwarnings("default")
def test_a_set_that_is_not_prepared_is_named_with_its_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        load("fashion_mnist", data_dir=tmp_path, download=False)


@pytest.mark.skipif("BAL_DATA_DIR" not in os.environ, reason="BAL_DATA_DIR names no folder with Fashion-MNIST")
@pytest.mark.filterwarnings("default")
def test_fashion_mnist_is_read_whole_without_tensorflow():
    import sys

    dataset = load("fashion_mnist", data_dir=os.environ["BAL_DATA_DIR"], download=False)
    assert dataset.pool_inputs.shape == (60_000, 28, 28, 1)
    assert np.bincount(dataset.test_labels).tolist() == [1000] * 10
    assert 0 <= dataset.pool_inputs.min() < dataset.pool_inputs.max() <= 1
    assert "tensorflow" not in sys.modules


def test_a_data_set_is_a_pytree_of_arrays(digits):
    assert all(isinstance(leaf, np.ndarray | jnp.ndarray) for leaf in jax.tree.leaves(digits))
