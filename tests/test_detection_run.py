"""A detector in the loop: images with squares in them, from labels in buffers to average precision."""

from functools import cache

import jax
import numpy as np
import optax
import pytest
from jax.sharding import Mesh

import bal

NUM_IMAGES, NUM_TEST, SIDE, ROOM = 24, 8, 32, 3
SETTINGS = {"num_samples": 4, "num_initial": 12, "num_rounds": 2, "chunk_size": 5}
STRATEGY = bal.strategies.detection_uncertainty(batch_size=3, of="class", aggregate="sum")


@cache
def dataset():
    """One or two squares an image, bright ones and dark ones, which are the two classes."""
    generator = np.random.default_rng(0)
    images = 0.1 * generator.normal(size=(NUM_IMAGES + NUM_TEST, SIDE, SIDE, 1)).astype(np.float32)
    boxes, classes = [], []
    for image in images:
        count = generator.integers(1, 3)
        sides = generator.integers(8, 13, count)
        # One in each half, so that none hides another.
        first = np.stack(
            [generator.integers(0, SIDE - sides), np.arange(count) * 16 + generator.integers(0, 4, count)], 1
        )
        boxes.append(np.concatenate([first, first + sides[:, None]], axis=1))
        classes.append(generator.integers(0, 2, count))
        for (y0, x0, y1, x1), number in zip(boxes[-1], classes[-1], strict=True):
            image[y0:y1, x0:x1] += 1 - 2 * number
    labels = bal.detection.padded_boxes(boxes, classes, room=ROOM)
    pool = jax.tree.map(lambda leaf: leaf[:NUM_IMAGES], labels)
    test = jax.tree.map(lambda leaf: leaf[NUM_IMAGES:], labels)
    return bal.Dataset(images[:NUM_IMAGES], pool, images[NUM_IMAGES:], test)


@cache
def posterior(num_steps):
    network = bal.networks.center_net(num_classes=2, widths=(8,), dropout_rate=0.25)
    return bal.posteriors.mc_dropout(
        network, bal.likelihoods.boxes(), optax.adam(1e-2), num_steps=num_steps, minibatch_size=8
    )


def learner_on(devices):
    mesh = Mesh(np.array(jax.devices()[:devices]), ("pool",)) if devices > 1 else None
    return bal.build(posterior(100), STRATEGY, mesh=mesh, **SETTINGS)


@cache
def finished():
    """State and record of a run, and how often its step was traced."""
    traced = []

    def select(rng_key, view):
        traced.append(view.size)
        return STRATEGY.select(rng_key, view)

    learner = bal.build(posterior(100), STRATEGY._replace(select=select), **SETTINGS)
    state, info = jax.jit(lambda key, data: bal.run(key, learner, data))(jax.random.key(0), dataset())
    return state, info, len(traced)


@cache
def run_of(name):
    """A run of a strategy with a network that is hardly trained."""
    learner = bal.build(posterior(1), bal.strategies.STRATEGIES[name](batch_size=3), **SETTINGS)
    return jax.jit(lambda key, data: bal.run(key, learner, data))(jax.random.key(0), dataset())


def test_a_run_labels_images_and_its_average_precision_rises_above_that_of_no_training():
    state, info, num_traced = finished()
    assert num_traced == 1
    held, pool_labels = np.asarray(state.pool.indices), dataset().pool_labels
    assert len(set(held.tolist())) == len(held) == 18
    jax.tree.map(np.testing.assert_array_equal, state.pool.labels, jax.tree.map(lambda leaf: leaf[held], pool_labels))
    assert {"ap", "ap_50", "nll"} <= set(info.metrics)
    untrained = run_of("random")[1]
    for name in ("ap", "ap_50"):
        assert info.metrics[name][-1] > untrained.metrics[name][0] + 0.2


def test_eight_devices_make_the_same_picks():
    """Of one fitted model: long training amplifies what two programs round differently."""
    state, _, _ = finished()

    def choose(devices):
        learner = learner_on(devices)
        run = jax.jit(lambda key, state, data: STRATEGY.select(key, learner.view(key, state, data)))
        return run(jax.random.key(0), state, dataset())

    one, several = choose(1), choose(8)
    assert several.indices.tolist() == one.indices.tolist()
    np.testing.assert_allclose(several.scores, one.scores, rtol=1e-4)


@pytest.mark.parametrize("name", ["random", "k_center"])
def test_strategies_of_any_task_take_images_with_boxes(name):
    state, info = run_of(name)
    assert len(set(state.pool.indices.tolist())) == 18
    assert np.isfinite(np.asarray(info.metrics["nll"])).all()


def test_invalid_boxes_are_refused_before_anything_compiles():
    learner = bal.build(posterior(1), bal.strategies.random(batch_size=3), **SETTINGS)
    labels = dataset().pool_labels
    for boxes, message in (
        (labels["boxes"] + SIDE, "boxes inside an image of 32 x 32 pixels"),
        (labels["boxes"][:, :, [2, 3, 0, 1]], "y0 < y1"),
    ):
        with pytest.raises(ValueError, match=message):
            learner.init(jax.random.key(0), dataset()._replace(pool_labels=labels | {"boxes": boxes}))
    with pytest.raises(ValueError, match="classes from 0 to 1"):
        learner.init(
            jax.random.key(0),
            dataset()._replace(pool_labels=labels | {"classes": labels["classes"] + labels["present"]}),
        )


def test_strategies_of_classes_refuse_boxes():
    with pytest.raises(ValueError, match="strategy for boxes predictions.*detection_uncertainty.*k_center"):
        bal.build(posterior(1), bal.strategies.bald(batch_size=3), **SETTINGS)
    for settings, message in (({"of": "classes"}, "of to be one of"), ({"aggregate": "total"}, "aggregate")):
        with pytest.raises(ValueError, match=message):
            bal.strategies.detection_uncertainty(batch_size=3, **settings)


def test_a_person_answers_with_boxes():
    learner = bal.build(posterior(1), bal.strategies.random(batch_size=3), **SETTINGS)
    labels = dataset().pool_labels
    first, second = (jax.tree.map(lambda leaf, rows=rows: leaf[rows], labels) for rows in (slice(12), slice(12, 15)))
    asked_of = bal.Dataset(dataset().pool_inputs, None)
    state = learner.init(jax.random.key(0), asked_of, (np.arange(12), first))
    told = learner.tell(state, np.array([20, 21, 22]), second)
    np.testing.assert_array_equal(told.pool.labels["boxes"][12:15], second["boxes"])
    with pytest.raises(ValueError, match="y0 < y1"):
        learner.tell(state, np.array([20, 21, 22]), second | {"boxes": -second["boxes"]})
    roomier = jax.tree.map(lambda leaf: np.concatenate([leaf, leaf], axis=1), second)
    with pytest.raises(ValueError, match="expected one label of shape"):
        learner.tell(state, np.array([20, 21, 22]), roomier)
