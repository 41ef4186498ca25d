"""Array records of TensorFlow Datasets as a pool, where they are at hand."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from tests.prototypes import class_means


@pytest.mark.skipif("BAL_DATA_DIR" not in os.environ, reason="BAL_DATA_DIR names no folder with Fashion-MNIST")
def test_fashion_mnist_on_disk_gives_the_picks_in_memory():
    import tensorflow_datasets as tfds

    rows = tfds.data_source("fashion_mnist", split="train", data_dir=os.environ["BAL_DATA_DIR"], download=False)
    source = bal.Source(rows, lambda row: np.float32(row["image"]).reshape(-1) / 255)
    assert source.size == 60_000
    # The run looks at all points of a part, and then a round at some points of the whole.
    some = bal.Source(Part(rows, 2_000), source.transform)
    labels = np.array([row["label"] % 3 for row in rows.__getitems__(range(2_000))], np.int32)
    inputs = jnp.stack([some.transform(row) for row in rows.__getitems__(range(2_000))])
    learner = bal.build(
        class_means(), bal.strategies.bald(batch_size=5), num_samples=4, num_initial=6, num_rounds=2, chunk_size=300
    )
    key = jax.random.key(0)
    _, on_disk = bal.run(key, learner, bal.Dataset(some, labels))
    _, in_memory = jax.jit(lambda key, data: bal.run(key, learner, data))(key, bal.Dataset(inputs, labels))
    assert on_disk.selection.indices.tolist() == in_memory.selection.indices.tolist()
    whole = bal.build(
        class_means(), bal.strategies.bald(batch_size=5), num_samples=4, num_initial=6, num_rounds=1,
        pool_subset_size=500,
    )  # fmt: skip
    state = whole.init(key, bal.Dataset(source, None), (np.arange(6), labels[:6]))
    _, info = whole.ask(key, state, bal.Dataset(source, None))
    assert (np.asarray(info.selection.indices) >= 6).all()


class Part:
    """The first rows of a source."""

    def __init__(self, rows, size):
        self.rows, self.size = rows, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.rows[index]

    def __getitems__(self, indices):
        return self.rows.__getitems__(indices)
