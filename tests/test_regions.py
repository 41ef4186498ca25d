"""Regions of images as points: cutting, streaming, and a pool of regions in the loop."""

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh

import bal
from bal.networks import Network, Training, Variables
from bal.regions import Regions, divided
from bal.streaming import num_points, take_points

NUM_IMAGES, GRID, NUM_CLASSES = 5, (2, 3), 3
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(NUM_IMAGES, 4, 6, 1)).astype(np.float32)
LABELS = RNG.integers(0, NUM_CLASSES, (NUM_IMAGES, 4, 6)).astype(np.int32)
REGIONS = Regions(jnp.asarray(IMAGES), None, GRID)


def by_hand(maps):
    """Region p of image i at place i * 6 + p."""
    cells = [
        maps[i, 2 * a : 2 * a + 2, 2 * b : 2 * b + 2] for i in range(len(maps)) for a in range(2) for b in range(3)
    ]
    return np.stack(cells)


def pointwise(num_outputs=NUM_CLASSES):
    """A linear map of each position and of the image's mean, so that a region depends on what surrounds it."""

    def outputs(variables, inputs):
        whole = inputs.mean(axis=(1, 2), keepdims=True) * jnp.ones_like(inputs)
        return jnp.concatenate([inputs, whole, jnp.ones_like(inputs)], axis=-1)

    def readout(variables, embeddings):
        return embeddings @ variables.params["kernel"]

    return Network(
        init=lambda key, inputs: Variables({"kernel": 0.1 * jax.random.normal(key, (3, num_outputs))}),
        trunk=outputs,
        head=lambda variables, hidden, key: hidden,
        readout=readout,
        train=lambda key, variables, inputs: Training(
            readout(variables, outputs(variables, inputs)), (), jnp.zeros(()), {}
        ),
    )


@cache
def learner(regions, **settings):
    network = bal.networks.on_regions(pointwise()) if regions else pointwise()
    likelihood = bal.likelihoods.dense(bal.likelihoods.categorical())
    posterior = bal.posteriors.deep_ensemble(
        network, likelihood, optax.adam(0.1), num_steps=40, minibatch_size=8, num_members=2
    )
    return bal.build(posterior, bal.strategies.bald(batch_size=3), num_initial=6, num_rounds=2, **settings)


def dataset(regions):
    whole = bal.datasets.from_arrays(IMAGES, LABELS, IMAGES[:2], LABELS[:2])
    return bal.datasets.by_region(whole, grid=GRID) if regions else whole


def test_regions_are_cut_in_the_order_of_their_numbers():
    take, crop = jax.jit(take_points), jax.jit(lambda regions: regions.crop(regions.images))
    np.testing.assert_array_equal(divided(LABELS, GRID).reshape(-1, 2, 2), by_hand(LABELS))
    np.testing.assert_array_equal(crop(REGIONS), by_hand(IMAGES))
    assert num_points(REGIONS) == NUM_IMAGES * 6
    some = take(REGIONS, np.array([7, 29, 30]))
    assert num_points(some) == 3
    np.testing.assert_array_equal(some.images[:2], IMAGES[[1, 4]])
    np.testing.assert_array_equal(some.images[2], np.zeros_like(IMAGES[0]))  # the absent index
    np.testing.assert_array_equal(crop(some)[:2], by_hand(IMAGES)[[7, 29]])
    np.testing.assert_array_equal(crop(take(some, np.array([1]))), by_hand(IMAGES)[[29]])


@pytest.mark.parametrize("chunk_size", [None, 2, 3])
@pytest.mark.parametrize("devices", [1, 8])
def test_images_are_streamed_once_for_all_of_their_regions(chunk_size, devices):
    mesh = Mesh(np.array(jax.devices()[:devices]), ("points",)) if devices > 1 else None
    seen = []

    def describe(chunk):
        seen.append(chunk.images.shape[0])
        return {"mean": chunk.crop(chunk.images).mean(axis=(1, 2, 3)), "cell": chunk.crop(chunk.images)}

    described = jax.jit(partial(bal.stream, describe, chunk_size=chunk_size, mesh=mesh))(REGIONS)
    np.testing.assert_array_equal(described["cell"], by_hand(IMAGES))
    np.testing.assert_allclose(described["mean"], by_hand(IMAGES).mean(axis=(1, 2, 3)), rtol=1e-5, atol=1e-6)
    if chunk_size is not None and devices == 1:
        assert max(seen) <= chunk_size


@pytest.mark.parametrize("devices", [1, 8])
def test_images_on_disk_are_streamed_once_for_all_of_their_regions(devices):
    mesh = Mesh(np.array(jax.devices()[:devices]), ("points",)) if devices > 1 else None
    regions = Regions(bal.Source(IMAGES), None, GRID)
    assert num_points(regions) == NUM_IMAGES * 6
    cells = bal.stream(lambda chunk: chunk.crop(chunk.images), regions, chunk_size=2, mesh=mesh)
    np.testing.assert_array_equal(cells, by_hand(IMAGES))
    some, expected = (take_points(each, jnp.array([7, 29, 30])) for each in (regions, REGIONS))
    jax.tree.map(np.testing.assert_array_equal, some, expected)


def test_a_run_over_regions_of_images_on_disk_is_the_run_in_memory():
    whole = dataset(False)
    on_disk = bal.datasets.by_region(whole._replace(pool_inputs=bal.Source(IMAGES)), grid=GRID)
    _, info = bal.run(jax.random.key(0), learner(True, chunk_size=2), on_disk)
    _, expected = jax.jit(lambda key, data: bal.run(key, learner(True, chunk_size=2), data))(
        jax.random.key(0), dataset(True)
    )
    assert info.selection.indices.tolist() == expected.selection.indices.tolist()


def test_a_run_over_regions_labels_regions_and_is_scored_on_whole_images():
    data, run = dataset(True), jax.jit(lambda key, data: bal.run(key, learner(True), data))
    state, info = run(jax.random.key(0), data)
    held = np.asarray(state.pool.indices)
    assert len(set(held.tolist())) == 12
    np.testing.assert_array_equal(state.pool.labels, by_hand(LABELS)[held])
    assert info.metrics["mean_iou"].shape == (2,)


def test_all_regions_of_the_images_are_the_images():
    """The loss of all regions is the loss of the images, and so is what is predicted and scored."""
    likelihood, network = bal.likelihoods.dense(bal.likelihoods.categorical()), bal.networks.on_regions(pointwise())
    variables = jax.jit(network.init)(jax.random.key(0), REGIONS)

    @jax.jit
    def losses(inputs, labels):
        return likelihood.loss((), network.train(jax.random.key(1), variables, inputs).outputs, labels)

    of_regions = losses(REGIONS, jnp.asarray(by_hand(LABELS)))
    of_images = losses(jnp.asarray(IMAGES), jnp.asarray(LABELS))
    np.testing.assert_allclose(np.asarray(of_regions).reshape(NUM_IMAGES, 6).mean(axis=1), of_images, rtol=1e-5)

    @jax.jit
    def entropies(inputs):
        log_probs = jax.nn.log_softmax(
            network.readout(variables, network.head(variables, network.trunk(variables, inputs), None))
        )
        return bal.acquisition.aggregate(bal.acquisition.max_entropy(log_probs[None]), log_probs[None], "sum")

    of_regions, of_images = entropies(REGIONS), entropies(jnp.asarray(IMAGES))
    np.testing.assert_allclose(np.asarray(of_regions).reshape(NUM_IMAGES, 6).sum(axis=1), of_images, rtol=1e-5)


def test_a_network_on_regions_leaves_whole_images_alone():
    network = pointwise()
    variables = network.init(jax.random.key(0), IMAGES)
    on_regions = bal.networks.on_regions(network)
    hidden = on_regions.trunk(variables, jnp.asarray(IMAGES))
    np.testing.assert_array_equal(
        on_regions.head(variables, hidden, None), network.trunk(variables, jnp.asarray(IMAGES))
    )


def test_a_grid_that_does_not_divide_the_images_is_refused():
    whole = dataset(False)
    for grid, message in (((3, 3), "divides"), ((0, 1), "grid"), ([2, 2], "tuple"), ((), "tuple")):
        with pytest.raises(ValueError, match=message):
            inspect.unwrap(bal.datasets.by_region)(whole, grid=grid)
    with pytest.raises(ValueError, match="whole images"):
        bal.datasets.by_region(dataset(True), grid=GRID)


def test_each_region_has_its_part_of_the_features():
    """Levels of 8, 4 and 2 rows under a grid of 4: the first two are cut, and the last is shared by two regions."""
    held = {f"level_{size}": RNG.normal(size=(2, size, size, 3)).astype(np.float32) for size in (8, 4, 2)}
    maps = jax.device_put(held)
    network = pointwise()._replace(
        features=lambda variables, inputs: maps,
        train=lambda key, variables, inputs: Training(inputs, (), jnp.zeros(()), maps),
    )
    regions, images = Regions(jnp.zeros((2, 8, 8, 1)), None, (4, 4)), jnp.zeros((2, 8, 8, 1))
    on_regions = bal.networks.on_regions(network)
    trained = jax.jit(lambda: on_regions.train(jax.random.key(0), None, regions).features)()
    for name, cut in jax.jit(lambda: on_regions.features(None, regions))().items():
        size, step = held[name].shape[1], max(held[name].shape[1] // 4, 1)
        expected = [
            held[name][i, (a * size) // 4 : (a * size) // 4 + step, (b * size) // 4 : (b * size) // 4 + step]
            for i in range(2)
            for a in range(4)
            for b in range(4)
        ]
        np.testing.assert_array_equal(cut, expected)
        np.testing.assert_array_equal(trained[name], expected)
        np.testing.assert_array_equal(on_regions.features(None, images)[name], maps[name])


def test_features_without_space_axes_are_refused_for_regions():
    network = bal.networks.on_regions(
        pointwise()._replace(features=lambda variables, inputs: {"mean": jnp.ones((2, 8))})
    )
    with pytest.raises(ValueError, match=r"2 space axes for regions of images, got 'mean' of shape \[2, 8\]"):
        network.features(None, Regions(jnp.zeros((2, 8, 8, 1)), None, (4, 4)))


def test_learning_loss_predicts_the_loss_of_each_region(rng_key):
    posterior = bal.posteriors.learning_loss(
        bal.networks.on_regions(bal.networks.unet(num_outputs=NUM_CLASSES, widths=(2, 4))),
        bal.likelihoods.dense(bal.likelihoods.categorical()),
        optax.sgd(0.1),
        hidden_size=4,
        num_steps=2,
        minibatch_size=4,
    )
    images = np.zeros((NUM_IMAGES, 4, 4, 1), np.float32)
    images[:, :2] = 1.0
    labels = jnp.zeros((8, 2, 2), jnp.int32)

    @jax.jit
    def predicted(images):
        regions = Regions(images, None, (2, 2))
        batch = bal.types.Batch(take_points(regions, jnp.arange(8)), labels, jnp.ones(8))
        state, _ = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
        return posterior.features["predicted_loss"](state, regions)

    losses = np.asarray(predicted(jnp.asarray(images))).reshape(NUM_IMAGES, 4)
    assert (np.ptp(losses, axis=1) > 1e-6).all(), "bright and dark regions differ"
    np.testing.assert_allclose(losses, np.tile(losses[:1], (NUM_IMAGES, 1)), rtol=1e-5)
