"""Tables become data sets: what a column is, what the pool decides, and one sentence for each fault."""

import numpy as np
import pandas as pd
import pytest

from bal.datasets import from_table

NUM_ROWS = 12
TABLE = pd.DataFrame(
    {
        "size": np.arange(NUM_ROWS) ** 2.0,
        "kind": ["pear", "apple", "fig"] * 4,
        "grade": pd.Categorical([10, 2] * 6),
        "flat": [7.0] * NUM_ROWS,
        "ripe": [True, False, False] * 4,
        "count": pd.array(range(NUM_ROWS), dtype="Int64"),
        "part": ["train"] * 8 + ["test"] * 4,
        "price": np.linspace(1.5, 9.5, NUM_ROWS) ** 2,
    }
)
INPUT_NAMES = ("size", "kind=apple", "kind=fig", "kind=pear", "grade=2", "grade=10", "flat", "ripe", "count")


def changed(**columns):
    return TABLE.assign(**columns)


def test_columns_are_encoded_and_standardised_by_the_pool_alone():
    dataset = from_table(TABLE, target="price", test="part")
    assert dataset.about.input_names == INPUT_NAMES
    pool, test = slice(0, 8), slice(8, 12)
    for column in ("size", "ripe", "count"):
        values = TABLE[column].to_numpy(np.float64)
        place = INPUT_NAMES.index(column)
        for part, inputs in ((pool, dataset.pool_inputs), (test, dataset.test_inputs)):
            expected = (values[part] - values[pool].mean()) / values[pool].std()
            np.testing.assert_allclose(inputs[:, place], expected, rtol=1e-5)
    np.testing.assert_array_equal(dataset.pool_inputs[:, 1:4].argmax(1), [2, 0, 1] * 2 + [2, 0])
    np.testing.assert_array_equal(dataset.pool_inputs[:, 4:6], np.eye(2)[[1, 0] * 4])
    assert (dataset.pool_inputs[:, INPUT_NAMES.index("flat")] == 0).all()
    assert dataset.pool_inputs.dtype == np.float32


def test_real_labels_come_back_in_the_unit_of_the_table():
    dataset = from_table(TABLE, target="price", test="part")
    about = dataset.about
    assert (about.num_classes, about.label_names) == (None, ())
    prices = TABLE["price"].to_numpy()
    assert (about.label_shift, about.label_scale) == pytest.approx((prices[:8].mean(), prices[:8].std()))
    np.testing.assert_allclose(dataset.pool_labels * about.label_scale + about.label_shift, prices[:8], rtol=1e-5)
    np.testing.assert_allclose(dataset.test_labels * about.label_scale + about.label_shift, prices[8:], rtol=1e-5)


def test_a_column_of_large_numbers_keeps_its_small_differences():
    dataset = from_table(changed(size=1.7e9 + np.arange(NUM_ROWS)), target="price", test=None)
    np.testing.assert_allclose(np.diff(dataset.pool_inputs[:, 0]), 1 / np.arange(NUM_ROWS).std(), rtol=1e-5)


@pytest.mark.parametrize(
    ("target", "names", "labels"),
    [
        ("kind", ("apple", "fig", "pear"), [2, 0, 1] * 4),
        ("ripe", ("False", "True"), [1, 0, 0] * 4),
        ("grade", ("2", "10"), [1, 0] * 6),
        ([3, 7, 3, 5] * 3, ("3", "5", "7"), [0, 2, 0, 1] * 3),
    ],
)
def test_classes_are_numbered_in_sorted_order_and_keep_their_names(target, names, labels):
    table = TABLE if isinstance(target, str) else changed(y=target)
    dataset = from_table(table, target=target if isinstance(target, str) else "y", test=None)
    assert dataset.about.label_names == names
    assert dataset.about.num_classes == len(names)
    assert dataset.pool_labels.tolist() == labels
    assert dataset.pool_labels.dtype == np.int32
    assert dataset.test_inputs is None


def test_integers_are_classes_where_few_and_the_task_decides_otherwise():
    assert from_table(TABLE, target="count").pool_labels.dtype == np.float32
    many = pd.DataFrame({"x": np.arange(100.0), "y": np.arange(100) % 21})
    assert from_table(many, target="y").about.label_names == ()
    assert len(from_table(many.assign(y=many["y"] % 20), target="y").about.label_names) == 20
    assert from_table(many, target="y", task="classification").about.num_classes == 21
    assert from_table(many.assign(y=many["y"] % 2), target="y", task="regression").about.label_scale < 1
    assert from_table(many.assign(y=many["y"] % 2.0), target="y", task="classification").about.label_names == ("0", "1")


def test_a_random_split_depends_on_the_seed_alone():
    sizes = lambda **settings: from_table(TABLE.drop(columns="part"), target="price", **settings).pool_inputs[:, -1]
    assert len(sizes(test=0.25)) == 9
    np.testing.assert_array_equal(sizes(test=0.25, seed=1), sizes(test=0.25, seed=1))
    assert sizes(test=0.25, seed=1).tolist() != sizes(test=0.25, seed=2).tolist()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_give_the_data_set_of_the_frame(tmp_path, suffix):
    path = tmp_path / f"table.{suffix}"
    table = TABLE.assign(grade=TABLE["grade"].astype(str), count=TABLE["count"].astype(int))
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    expected = from_table(
        table.assign(grade=table["grade"].astype(int) if suffix == "csv" else table["grade"]), target="kind"
    )
    dataset = from_table(str(path), target="kind")
    np.testing.assert_array_equal(dataset.pool_inputs, expected.pool_inputs)
    np.testing.assert_array_equal(dataset.test_labels, expected.test_labels)
    assert dataset.about == expected.about


def test_archives_hold_named_parts_or_one_array_for_each_input(tmp_path):
    path, images = tmp_path / "images.npz", np.arange(20 * 9, dtype=np.uint8).reshape(20, 3, 3)
    np.savez(path, pool_inputs=images[:15], pool_labels=np.arange(15) % 3, test_inputs=images[15:])
    dataset = from_table(path)
    assert (dataset.pool_inputs.dtype, len(dataset.test_inputs), dataset.about.num_classes) == (np.uint8, 5, 3)
    np.savez(path, image=images, part=np.arange(20) >= 15, animal=np.array(["cat", "dog"] * 10))
    dataset = from_table(path, target="animal", test="part")
    np.testing.assert_array_equal(dataset.pool_inputs, images[:15])
    assert dataset.about.label_names == ("cat", "dog")
    np.savez(path, image=images, age=np.arange(20.0), weight=np.arange(20.0) ** 2)
    dataset = from_table(path, target="weight", test=0.5)
    assert set(dataset.pool_inputs) == {"image", "age"}
    assert dataset.pool_labels.std() == pytest.approx(1, rel=1e-5)


DATES = pd.date_range("2020-01-01", periods=NUM_ROWS)
FAULTS = {
    "no target": (TABLE, {}, "target to name one of 'size', 'kind'"),
    "misspelt target": (TABLE, {"target": "prize"}, "target to be one of 'price'"),
    "misspelt test": (TABLE, {"target": "price", "test": "parts"}, "test to be one of 'part'"),
    "test is target": (TABLE, {"target": "ripe", "test": "ripe"}, "to name different columns"),
    "test marks": (TABLE, {"target": "price", "test": "kind"}, "'train' and 'test', in column 'kind', got 'pear'"),
    "test marks all": (changed(part="test"), {"target": "price", "test": "part"}, "both kinds in column 'part'"),
    "test of 0": (TABLE, {"target": "price", "test": 0.0}, "test strictly between 0 and 1"),
    "test of 1": (TABLE, {"target": "price", "test": 1.0}, "test strictly between 0 and 1"),
    "test of NaN": (TABLE, {"target": "price", "test": np.nan}, "test strictly between 0 and 1"),
    "test too small": (TABLE, {"target": "price", "test": 0.01}, "leave rows for the test set"),
    "seed": (TABLE, {"target": "price", "seed": -1}, "seed"),
    "dates": (changed(size=DATES), {"target": "price"}, "column 'size', got datetime64"),
    "date target": (changed(price=DATES), {"target": "price"}, "column 'price', got datetime64"),
    "mixed": (changed(size=[1, "a"] * 6), {"target": "price"}, "column 'size', got mixed"),
    "complex": (changed(size=1j), {"target": "price"}, "column 'size', got complex128"),
    "missing": (
        changed(size=[np.nan, np.nan, *range(10)], kind=[None, *"abcdefghijk"]),
        {"target": "price"},
        r"missing values, got some in 'size' \(2\), 'kind' \(1\)",
    ),
    "missing target": (changed(price=[np.nan, *range(11)]), {"target": "price"}, r"'price' \(1\)"),
    "infinite": (changed(size=[np.inf, *range(11)]), {"target": "price"}, "finite numbers in column 'size', got 1"),
    "infinite target": (changed(price=[np.inf, *range(11)]), {"target": "price"}, "numbers in target 'price', got 1"),
    "same target": (TABLE, {"target": "flat"}, "target 'flat' that varies, got 7.0 in all 12 rows"),
    "same in pool": (
        changed(price=[1.0] * 8 + [2.0] * 4),
        {"target": "price", "test": "part"},
        "varies in the pool, got one value in 8 rows",
    ),
    "real classes": (TABLE, {"target": "price", "task": "classification"}, "got real numbers"),
    "string regression": (TABLE, {"target": "kind", "task": "regression"}, "for regression, got strings"),
    "no inputs": (TABLE[["price"]], {"target": "price"}, "column of inputs beside the target"),
    "names": (
        pd.DataFrame({"name": [f"n{i}" for i in range(300)], "y": range(300)}),
        {"target": "y"},
        "at most 256 categories in column 'name', got 300",
    ),
    "two of one name": (TABLE.rename(columns={"flat": "size"}), {"target": "price"}, "different names, got 'size'"),
    "no rows": (TABLE[:0], {"target": "price"}, "table with rows, got none"),
}


@pytest.mark.parametrize(("table", "settings", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_tables_at_fault_are_refused_by_the_name_of_the_column(table, settings, message):
    with pytest.raises(ValueError, match=message):
        from_table(table, **settings)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"a,b\n1,2\n", "ends in .csv, .parquet, or .npz"),
        ("a.csv", b"", "an empty file"),
        ("a.csv", b"\n", "cannot be read"),
        ("a.csv", b"a,b\n", "table with rows, got none"),
        ("a.csv", b"a,a\n1,2\n2,3\n", "different names, got 'a' more than once"),
        ("a.csv", b",a\n1,2\n2,3\n", "a name for each column in .*a.csv, got none for column 1"),
        ("a.csv", b"a,b\n1,2,3\n1,2,3\n", "cannot be read: Length of header"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "cannot be read: Error tokenizing"),
        ("a.csv", b"a,b\n\xff\xfe,1\n", "cannot be read: .*codec"),
        ("a.parquet", b"hello", "cannot be read"),
        ("a.npz", b"hello", "archive written by numpy.savez"),
    ],
)
def test_damaged_files_are_refused_with_their_path(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        from_table(tmp_path / name, target="a")


@pytest.mark.parametrize(
    ("arrays", "target", "message"),
    [
        ({"x": np.ones((4, 2)), "y": np.arange(3)}, "y", "number of points in each array of .*a.npz, got 4 in 'x'"),
        ({"x": np.ones((4, 2)), "y": np.arange(4)}, "z", "target to be one of"),
        ({"x": np.ones((4, 2)), "y": np.ones((4, 2))}, "y", r"target 'y' of shape \[n\], got \[4, 2\]"),
        ({"y": np.arange(4)}, "y", "array of inputs beside the target"),
        ({"x": np.array([1, None]), "y": np.arange(2)}, "y", "numbers or strings in .*a.npz"),
        ({"pool_inputs": np.ones(4), "pool_label": np.ones(4)}, None, "one of 'pool_labels', got 'pool_label'"),
        ({"pool_inputs": np.ones(4), "pool_labels": np.ones(4)}, "y", "no target for .*a.npz"),
    ],
)
def test_archives_at_fault_are_refused_by_the_name_of_the_array(tmp_path, arrays, target, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        from_table(tmp_path / "a.npz", target=target)


def test_a_file_that_is_not_there_is_refused_with_its_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a table at .*a\.csv"):
        from_table(tmp_path / "a.csv", target="a")
