"""Array records of TensorFlow Datasets as a pool, where they are at hand."""

import functools
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.strategies import STRATEGIES
from tests.prototypes import class_means

pytestmark = pytest.mark.skipif(
    "BAL_DATA_DIR" not in os.environ, reason="BAL_DATA_DIR names no folder with Fashion-MNIST"
)
KEY, NUM_POINTS = jax.random.key(0), 200


def of_all(names, size=5):
    """One strategy that asks what each of these asks, one after the other, so that one program shows them all."""
    several = [STRATEGIES[name](batch_size=size) for name in names]

    def select(rng_key, view):
        chosen = [strategy.select(rng_key, view) for strategy in several]
        return bal.Selection(*(jnp.stack([one[i] for one in chosen]).reshape(-1) for i in range(2)), jnp.int32(0))

    needs, privileged = {need: None for one in several for need in one.needs}, any(one.privileged for one in several)
    return bal.Strategy(size * len(several), select, needs=tuple(needs), privileged=privileged)


def learner(strategy, **settings):
    return bal.build(class_means(), strategy, num_samples=4, num_initial=6, num_rounds=1, **settings)


@functools.cache
def images():
    import tensorflow_datasets as tfds

    rows = tfds.data_source("fashion_mnist", split="train", data_dir=os.environ["BAL_DATA_DIR"], download=False)
    # Images of 7 x 7: mean brightness of blocks.
    return bal.Source(
        rows, lambda row: np.float32(row["image"]).reshape(7, 4, 7, 4).mean(axis=(1, 3)).reshape(49) / 255
    )


@functools.cache
def problem():
    """A part of the pool on disk and in memory, with three of its classes as labels."""
    rows = images().rows.__getitems__(range(NUM_POINTS))
    labels, inputs = (np.stack([get(row) for row in rows]) for get in (lambda row: row["label"], images().transform))
    labels = (labels % 3).astype(np.int32)
    part, targets = images().part(np.arange(NUM_POINTS)), jnp.asarray(inputs[:5])
    return bal.Dataset(part, labels, target_inputs=targets), bal.Dataset(
        jnp.asarray(inputs), labels, target_inputs=targets
    )


# One for each way in which strategies look at a pool: at nothing, at predictions, with targets, at embeddings, at those
# of labelled points too, and at points by their places. In tests/test_strategies.py every strategy chooses from rows of
# this kind on a disk what it chooses in memory.
WAYS = ("random", "bald", "epig", "badge", "k_center", "true_loss")


def test_fashion_mnist_on_disk_gives_the_picks_in_memory_however_a_strategy_looks_at_it():
    active, (on_disk, in_memory) = learner(of_all(WAYS), chunk_size=64), problem()
    state = active.init(KEY, on_disk, (np.arange(6), on_disk.pool_labels[:6]))
    _, expected = jax.jit(active.ask)(KEY, state, in_memory)
    state, info = active.ask(KEY, state, on_disk)
    asked, expected = (np.asarray(x.selection.indices).reshape(-1, 5) for x in (info, expected))
    assert dict(zip(WAYS, asked.tolist(), strict=True)) == dict(zip(WAYS, expected.tolist(), strict=True))
    answered = active.tell(state, asked[0], on_disk.pool_labels[asked[0]])
    assert answered.pool.indices[:11].tolist() == [*range(6), *asked[0]]


def test_a_round_at_some_points_of_all_images():
    assert images().size == 60_000
    active, dataset = learner(of_all(["bald"]), pool_subset_size=500), bal.Dataset(images(), None)
    state = active.init(KEY, dataset, (np.arange(6), problem()[0].pool_labels[:6]))
    _, info = active.ask(KEY, state, dataset)
    assert (np.asarray(info.selection.indices) >= 6).all()
