"""The index of neighbours: exact where all cells are searched, and nearly so on digits where few are."""

import numpy as np
import pytest

import bal

faiss = pytest.importorskip("faiss", reason="faiss is not installed: pip install 'bal-jax[index]'")


def nearest(points, count, num_rows=None):
    """The nearest other points of the first ones, in double precision."""
    points = np.float64(points)
    distances = np.square(points[:num_rows, None] - points[None]).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, :count]


def test_small_pools_are_searched_exactly():
    points = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    index = bal.Neighbours(points, num_neighbours=7)
    np.testing.assert_array_equal(index[:], nearest(points, 7))
    np.testing.assert_array_equal(index[3:9], index[:][3:9])
    np.testing.assert_array_equal(index[-1], index[:][199])
    source = bal.Source(index)
    assert (source.size, source.leaves) == (200, (((7,), np.dtype(np.int32)),))


def test_few_cells_of_digits_hold_nearly_all_neighbours():
    points = np.asarray(bal.datasets.load("digits").pool_inputs).reshape(-1, 64)
    index = bal.Neighbours(points, num_neighbours=20, num_probes=6)  # of 37 cells
    found, expected = index[:100], nearest(points, 20, 100)
    assert np.mean([len(set(a) & set(b)) / 20 for a, b in zip(found, expected, strict=True)]) > 0.9
    np.testing.assert_array_equal(bal.Neighbours(points, num_neighbours=20, num_probes=6)[:100], found)


def test_copies_and_small_cells():
    # Each point is there three times, so the nearest of its row need not be itself.
    points = np.repeat(np.arange(10.0)[:, None] ** 2, 3, axis=0)
    found = bal.Neighbours(points, num_neighbours=2)[:]
    assert [sorted(row) for row in found] == [[i for i in range(j - j % 3, j - j % 3 + 3) if i != j] for j in range(30)]
    # One cell of a few points has not as many neighbours as are asked for.
    alone = np.concatenate([np.zeros((20, 1)), 100 + np.arange(5.0)[:, None]])
    rows = bal.Neighbours(alone, num_neighbours=10, num_probes=1)[20:]
    assert ((rows == 25) | (rows >= 20)).all()
    assert (rows == 25).any()


def test_what_does_not_fit_is_refused():
    points = np.ones((5, 2))
    for wrong, settings, message in (
        (points[0], {}, r"features \[N, D\], got an array of shape \[2\]"),
        (np.where(np.arange(5)[:, None] == 3, np.nan, points), {"num_neighbours": 2}, "got others at index 3"),
        (points, {"num_neighbours": 5}, "num_neighbours below the number of points, 5, got 5"),
        (points, {"num_neighbours": 0}, "num_neighbours"),
        (points, {"num_neighbours": 2, "num_probes": 0}, "num_probes"),
    ):
        with pytest.raises(ValueError, match=message):
            bal.Neighbours(wrong, **settings)
