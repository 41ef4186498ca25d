"""Data sets from arrays: dtypes survive, any pytree will do, and faults are named by their leaf."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.datasets import check_dataset, from_arrays
from bal.types import Batch, Dataset, Description

INPUTS, LABELS = np.zeros((4, 2)), np.array([0, 1, 0, 1])
TREE = {"image": np.zeros((4, 3, 3), np.uint8), "meta": INPUTS}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float64, np.float32),
        (np.float32, np.float32),
        (np.float16, np.float16),
        (jnp.bfloat16, jnp.bfloat16),
        (np.int64, np.int32),
        (np.uint64, np.int32),
        (np.int16, np.int16),
        (np.uint8, np.uint8),
        (bool, bool),
    ],
)
def test_dtypes_survive_and_64_bits_become_32(given, kept):
    array = np.array([[0], [1], [1]]).astype(given)
    dataset = from_arrays(array, array[:, 0])
    assert dataset.pool_inputs.dtype == kept
    assert dataset.pool_labels.dtype == (np.int32 if given is bool else kept)
    np.testing.assert_array_equal(dataset.pool_inputs, array.astype(kept))


def test_pytrees_keep_their_structure_and_lists_are_arrays():
    dataset = from_arrays(TREE, [0, 1, 0, 2], jax.tree.map(lambda leaf: leaf[:1], TREE), [3])
    assert {name: (leaf.shape, leaf.dtype.name) for name, leaf in dataset.pool_inputs.items()} == {
        "image": ((4, 3, 3), "uint8"),
        "meta": ((4, 2), "float32"),
    }
    assert dataset.about == Description(num_classes=4)
    assert from_arrays((INPUTS, jnp.ones(4)), None).pool_inputs[1].shape == (4,)


def test_the_number_of_classes_is_counted_where_labels_are_classes():
    assert from_arrays(INPUTS, LABELS).about.num_classes == 2
    assert from_arrays(INPUTS, LABELS, num_classes=5).about.num_classes == 5
    assert from_arrays(INPUTS, None, INPUTS, LABELS + 1).about.num_classes == 3
    assert from_arrays(INPUTS, LABELS, validation=(INPUTS, LABELS + 6)).about.num_classes == 8
    assert from_arrays(INPUTS, LABELS / 2).about.num_classes is None
    assert from_arrays(INPUTS, {"class": LABELS}).about.num_classes is None
    masks = np.array([[0, 255], [1, 2], [255, 255], [0, 0]], np.uint8)
    assert from_arrays(INPUTS, masks, void=255).about.num_classes == 3
    assert from_arrays(INPUTS, LABELS - 1, void=-1).about.num_classes == 1


def test_other_parts_become_batches_of_weight_one():
    dataset = from_arrays(INPUTS, LABELS, validation=(INPUTS[:3], [0, 1, 1]), calibration=Batch(INPUTS, LABELS, LABELS))
    assert dataset.validation.weights.tolist() == [1, 1, 1]
    assert dataset.calibration.weights.tolist() == [0, 1, 0, 1]
    targets = from_arrays(INPUTS, None, target_inputs=INPUTS[:2], target_weights=[1.0, 0.0])
    assert targets.target_weights.dtype == np.float32


def test_a_description_travels_through_jit():
    about = Description(label_names=("cat", "dog"), label_scale=2.0)
    dataset = from_arrays(INPUTS, LABELS)._replace(about=about)
    assert jax.jit(lambda dataset: dataset)(dataset).about == about


FAULTS = {
    "NaN": ((INPUTS * np.nan, LABELS), "finite numbers in pool_inputs, got 8"),
    "NaN in a leaf": (({"a": INPUTS, "b": INPUTS + np.inf}, None), r"pool_inputs\['b'\], got 8"),
    "few labels": ((INPUTS, LABELS[:3]), "4 points of pool_inputs, got 3 in pool_labels"),
    "few labels in a leaf": ((INPUTS, {"y": LABELS[:3]}), r"got 3 in pool_labels\['y'\]"),
    "one label": ((INPUTS, 1), "got a scalar in pool_labels"),
    "negative class": ((INPUTS, LABELS - 1), "pool_labels, got -1"),
    "class too large": ((INPUTS, LABELS, INPUTS, LABELS + 1), "0 to 1 in test_labels, got 2"),
    "class wraps": ((INPUTS, LABELS * 2**32), "32 bits in pool_labels, got 4294967296"),
    "number too large": ((INPUTS + 1e300, LABELS), "float32 in pool_inputs, got 1e"),
    "NaN label": ((INPUTS, np.where(LABELS == 1, np.nan, 0.0)), "finite numbers in pool_labels, got 2"),
    "string input": ((np.array([["a"]]), LABELS[:1]), "numbers in pool_inputs.*from_table"),
    "string label": ((INPUTS, np.array(["a", "b", "a", "b"])), "numbers in pool_labels.*from_table"),
    "object": ((INPUTS, np.array([0, None, 1, 1])), "numbers in pool_labels"),
    "complex": ((INPUTS * 1j, LABELS), "numbers in pool_inputs, got complex128"),
    "no pool": ((INPUTS[:0], LABELS[:0]), "at least one point in pool_inputs"),
    "no test set": ((INPUTS, LABELS, INPUTS[:0], LABELS[:0]), "at least one point in test_inputs"),
    "no leaf": (({}, LABELS), "pool_inputs to hold at least one array"),
    "lengths": (({"a": INPUTS, "b": INPUTS[:3]}, None), r"4 in pool_inputs\['a'\], 3 in pool_inputs\['b'\]"),
    "structure": ((TREE, LABELS, INPUTS, LABELS), r"structured as pool_inputs \(\['image'\], \['meta'\]\)"),
    "shape": ((INPUTS, LABELS, np.zeros((2, 3)), LABELS[:2]), r"test_inputs of shape \[n, 2\]"),
    "dtype": ((INPUTS, LABELS, INPUTS.astype(int), LABELS), "test_inputs of dtype float32.*got int32"),
    "kind of labels": ((INPUTS, LABELS, INPUTS, LABELS / 2), "test_labels of dtype int32"),
    "no test inputs": ((INPUTS, LABELS, None, LABELS), "test_inputs to go with test_labels"),
}


@pytest.mark.parametrize(("arguments", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_arrays_at_fault_are_refused_by_the_name_of_their_leaf(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(*arguments, num_classes=2)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"num_classes": 0}, "num_classes"),
        ({"num_classes": True}, "num_classes"),
        ({"validation": INPUTS}, "validation to be"),
        ({"validation": (INPUTS[:2], LABELS)}, "2 points of validation.inputs, got 4 in validation.labels"),
        ({"calibration": (INPUTS, LABELS - 1)}, "calibration.labels, got -1"),
        ({"calibration": (INPUTS, LABELS / 2)}, "calibration.labels of dtype int32"),
        ({"calibration": Batch(INPUTS, LABELS, -np.ones(4))}, "calibration.weights of at least 0"),
        ({"target_inputs": INPUTS[:, :1]}, "target_inputs of shape"),
        ({"target_inputs": INPUTS, "target_weights": np.ones(3)}, r"target_weights of shape \[4\]"),
        ({"target_inputs": INPUTS, "target_weights": np.zeros(4)}, "at least one above 0"),
        ({"target_weights": np.ones(3)}, "target_inputs to go with target_weights"),
    ],
)
def test_other_parts_at_fault_are_refused_too(parts, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(INPUTS, LABELS, **parts)


def test_a_data_set_from_elsewhere_is_held_to_what_it_says_of_itself():
    dataset = Dataset(INPUTS, LABELS, about=Description(num_classes=1))
    with pytest.raises(ValueError, match="classes from 0 to 0 in pool_labels, got 1"):
        check_dataset(dataset)
    check_dataset(jax.device_put(dataset), num_classes=2)


def test_labels_of_nan_are_void_only_if_that_is_said():
    labels = np.array([[0.5, np.nan], [1.0, np.nan], [0.0, 2.0], [0.0, 0.0]])
    dataset = from_arrays(INPUTS, labels, INPUTS, labels, void=np.nan)
    np.testing.assert_array_equal(dataset.test_labels, labels.astype(np.float32))
    check_dataset(dataset, void=np.nan)
    with pytest.raises(ValueError, match="finite numbers in pool_labels, got 2 NaN"):
        check_dataset(dataset)
    with pytest.raises(ValueError, match="finite numbers in pool_labels, got 1 infinite"):
        from_arrays(INPUTS, np.where(labels == 2, np.inf, labels), void=np.nan)


def test_a_mask_in_a_pytree_of_labels_stays_boolean():
    labels = {"classes": LABELS[:, None], "present": LABELS[:, None] > 0}
    assert from_arrays(INPUTS, labels).pool_labels["present"].dtype == bool


def test_labels_that_are_booleans_are_the_classes_0_and_1():
    dataset = from_arrays(np.zeros((3, 2)), np.array([True, False, True]))
    assert dataset.pool_labels.dtype == np.int32
    assert dataset.pool_labels.tolist() == [1, 0, 1]
    assert dataset.about.num_classes == 2
