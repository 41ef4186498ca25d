"""Rows of a pool on disk: kinds of sources, checks that name the index, reading ahead."""

import threading

import numpy as np
import pytest

import bal
from bal.sources import _passes
from bal.sources._reading import AHEAD, read_ahead, read_block, read_rows
from tests.sources.rows import Records, Rows, Stored, mapped

VALUES = np.random.default_rng(0).normal(size=(11, 2))


def sources(folder):
    yield bal.Source(VALUES)
    yield bal.Source(mapped(folder / "rows", VALUES))
    yield bal.Source(Stored(VALUES))
    yield bal.Source(Rows(VALUES))
    yield bal.Source(Records(VALUES))
    yield bal.Source(Records([{"x": row, "label": 3} for row in VALUES]), lambda row: row["x"])


def test_every_kind_of_source_reads_the_same_rows(tmp_path):
    indices = np.array([10, 11, 0, 0, 7])
    expected = VALUES[[10, 0, 0, 0, 7]].astype(np.float32)
    expected[1] = 0  # the absent index
    for source in sources(tmp_path):
        assert source.size == 11
        (rows,) = read_rows(source, indices)
        np.testing.assert_array_equal(rows, expected)
        (block,) = read_block(source, 3, 6, 5)
        assert block.shape == (5, 2)
        assert block.dtype == np.float32
        np.testing.assert_array_equal(block[:3], VALUES[3:6].astype(np.float32))


def test_rows_may_be_trees():
    rows = [{"image": np.full((2, 2), i, np.uint8), "meta": float(i)} for i in range(4)]
    source = bal.Source(rows)
    image, meta = read_rows(source, np.array([2, 1]))
    assert image.dtype == np.uint8
    assert meta.dtype == np.float32
    assert image[:, 0, 0].tolist() == meta.tolist() == [2, 1]
    assert {name: leaf.shape for name, leaf in source.shapes(3).items()} == {"image": (3, 2, 2), "meta": (3,)}


def test_a_bad_row_is_named():
    wrong_shape, wrong_dtype, nan, other = ([np.ones(2, np.float32) for _ in range(9)] for _ in range(4))
    wrong_shape[5], wrong_dtype[6], nan[7], other[8] = np.ones(3), np.ones(2, int), np.array([1, np.nan]), {"x": 1.0}
    for rows, message in (
        (Rows(wrong_shape), r"expected float32 \[2\], as at index 0, at index 5 of the pool, got float32 \[3\]"),
        (Rows(wrong_dtype), r"expected float32 .* at index 6 of the pool, got int32 \[2\]"),
        (Rows(nan), "expected numbers at index 7 of the pool, got NaN: replace it in transform"),
        (np.stack(nan), "expected numbers at index 7 of the pool, got NaN"),
        (Rows(other), "at index 8 of the pool"),
        (Rows(np.ones((9, 2)), {4}), "expected to read index 4 of the pool, got OSError: bad sector 4"),
        (Records(np.ones((9, 2)), {4}), "expected to read index 4 of the pool, got OSError: bad sector 4"),
    ):
        source = bal.Source(rows)
        with pytest.raises(ValueError, match=message):
            read_block(source, 0, 9, 9)
        with pytest.raises(ValueError, match=message):
            read_rows(source, np.arange(8, 2, -1))
    with pytest.raises(ValueError, match="index 2 of the pool, got KeyError: 'y'"):
        read_rows(bal.Source([{"y": 1.0}, {"y": 1.0}, {}], lambda row: row["y"]), np.array([1, 2]))


def test_a_changed_length_is_told():
    rows = Rows(np.ones((9, 2)))
    source = bal.Source(rows)
    rows.values.pop()
    with pytest.raises(ValueError, match="expected a pool of 9 rows, as it was when it was opened, got 8"):
        read_rows(source, np.array([0]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "expected a pool of at least one row, got none"),
        (iter([1.0]), "expected rows with __len__ and __getitem__, .* got list_iterator"),
        (np.array(["a"]), "expected rows that are arrays of numbers, got <U1: convert them in transform"),
        ([{}], "expected rows that are arrays of numbers, got nothing"),
        (Rows([1.0], {0}), "expected to read index 0 of the pool, got OSError"),
    ],
)
def test_what_is_no_source_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        bal.Source(rows)


def test_blocks_are_read_ahead_in_order_by_one_thread():
    threads, released = set(), threading.Event()

    def read(number):
        threads.add(threading.get_ident())
        if number == AHEAD:
            released.set()
        return number

    blocks = read_ahead(read, range(8))
    assert next(blocks) == 0
    assert released.wait(10)  # read although nobody asked for it yet
    assert list(blocks) == list(range(1, 8))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_while_reading_ahead_surfaces_before_the_blocks_that_are_ready():
    failed = threading.Event()

    def read(number):
        if number == 2:
            failed.set()
            raise OSError("gone")
        return number

    blocks = read_ahead(read, range(8))
    assert next(blocks) == 0
    assert failed.wait(10)
    with pytest.raises(OSError, match="gone"):
        next(blocks)


def test_a_pass_over_several_blocks_is_the_stream_of_an_array_to_the_bit(monkeypatch):
    import jax

    values = np.random.default_rng(1).normal(size=(101, 4)).astype(np.float32)
    weights = jax.random.normal(jax.random.key(0), (4, 3))
    fn = lambda x: (jax.nn.softmax(x @ weights), x.sum(axis=1))
    for chunk_size in (101, 50, 7, 1):
        in_memory = jax.jit(lambda x, size=chunk_size: bal.stream(fn, x, chunk_size=size))(values)
        # Blocks of 1, 3 and all chunks.
        for block_bytes in (1, 3 * 16 * chunk_size, 2**20):
            monkeypatch.setattr(_passes, "BLOCK_BYTES", block_bytes)
            on_disk = bal.stream(fn, bal.Source(values), chunk_size=chunk_size)
            jax.tree.map(np.testing.assert_array_equal, on_disk, in_memory)
