"""Pools on disk that fail as disks do, and that count what is read."""

import numpy as np


class Rows:
    """Rows one by one, as a data source of grain has them."""

    def __init__(self, values, failing=()):
        self.values, self.failing, self.read = list(values), set(failing), []

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        if index in self.failing:
            raise OSError(f"bad sector {index}")
        self.read.append(int(index))
        return self.values[index]


class Records(Rows):
    """Several at a time, as ``tfds.data_source`` has them."""

    def __getitems__(self, indices):
        return [self[index] for index in indices]


class Stored:
    """An array that takes whole numbers and slices only, as HDF5 and Zarr do for most purposes."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        assert isinstance(index, int | slice), type(index)
        return self.values[index]


def mapped(path, values):
    """A memmap with these values."""
    rows = np.memmap(path, values.dtype, "w+", shape=values.shape)
    rows[:] = values
    rows.flush()
    return np.memmap(path, values.dtype, "r", shape=values.shape)
