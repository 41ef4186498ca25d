"""Arrays of Zarr and HDF5 and data sources of grain are pools: ``ask`` chooses what it chooses in memory."""

import jax
import numpy as np
import pytest

import bal
from bal.sources._reading import read_rows
from tests.sources.test_learner import KEY, assert_same, first_state, learner
from tests.test_strategies import problem


def package(name):
    return pytest.importorskip(name, reason=f"{name} is not installed: pip install {name}")


def of_zarr(folder, values):
    rows = package("zarr").create_array(store=folder / "pool.zarr", shape=values.shape, chunks=(16, 3), dtype="f4")
    rows[:] = values
    return rows


def of_hdf5(folder, values):
    h5py = package("h5py")
    with h5py.File(folder / "pool.h5", "w") as file:
        file.create_dataset("inputs", data=values, chunks=(16, 3), compression="gzip")
    return h5py.File(folder / "pool.h5", "r")["inputs"]


def of_grain(folder, values):
    return package("grain").MapDataset.source(values).map(lambda row: row + 1).map(lambda row: row - 1)


@pytest.mark.parametrize("kind", [of_zarr, of_hdf5, of_grain], ids=["zarr", "hdf5", "grain"])
def test_a_pool_of_a_library_is_asked_for_as_in_memory(tmp_path, kind):
    values = np.round(np.asarray(problem("classes").pool_inputs), 2)
    in_memory = problem("classes")._replace(pool_inputs=values)
    rows = kind(tmp_path, values)
    source = bal.Source(rows, lambda row: row.astype(np.float32).round(2))
    assert (source.size, source.leaves) == (40, (((3,), np.dtype(np.float32)),))
    np.testing.assert_array_equal(read_rows(source, np.array([39, 0, 7, 40]))[0][:3], values[[39, 0, 7]])
    _, expected = jax.jit(learner().ask)(KEY, first_state(), in_memory)
    _, info = learner().ask(KEY, first_state(), in_memory._replace(pool_inputs=source))
    assert_same(info.selection, expected.selection)
