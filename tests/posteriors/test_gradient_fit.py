"""The training loop: minibatches, decay, early stopping, micro-batches, ensembles in groups."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import EarlyStopping, deep_ensemble, gradient_fit, mc_dropout, point_estimate
from bal.posteriors.training._gradient_steps import _draw_rows, init_network
from bal.types import Batch

LINEAR_LIKE = networks.mlp(num_outputs=2, hidden_sizes=(8,))
CATEGORICAL = likelihoods.categorical()
SGD = optax.sgd(0.1)


def batch_of(seed=0, count=20, size=24):
    inputs = np.random.default_rng(seed).standard_normal((size, 3), np.float32)
    return Batch(
        *map(jnp.asarray, (inputs, (inputs[:, 0] > 0).astype(np.int32), (np.arange(size) < count).astype(np.float32)))
    )


@functools.cache
def training(network=LINEAR_LIKE, optimizer=SGD, num_steps=30, minibatch_size=8, **settings):
    """The state before and after a fit; tests with the same settings share the compiled program."""
    fit = gradient_fit(network, CATEGORICAL, optimizer, num_steps=num_steps, minibatch_size=minibatch_size, **settings)

    @jax.jit
    def run(rng_key, batch, validation=None):
        start = init_network(network, CATEGORICAL, rng_key, batch)
        return start, *fit(rng_key, start, batch, validation)

    return run


def fit_once(rng_key, batch, validation=None, **settings):
    _, state, info = training(**settings)(rng_key, batch, validation)
    return jax.tree.map(np.array, (state, info))


@jax.jit
def outputs_of(variables, inputs):
    return networks.deterministic_outputs(LINEAR_LIKE, variables, inputs)


def test_rows_are_drawn_evenly_among_those_of_positive_weight(rng_key):
    weights = jnp.array([0.0, 1.0, 0.0, 2.0, 1.0, 0.0])
    rows = jax.jit(_draw_rows, static_argnums=2)(rng_key, weights, (3000,))
    counts = np.bincount(rows, minlength=6)
    assert counts[[0, 2, 5]].sum() == 0
    assert (np.abs(counts[[1, 3, 4]] - 1000) < 4 * np.sqrt(3000 * 2 / 9)).all()


def test_rows_do_not_depend_on_the_size_of_the_buffer(rng_key):
    short, long = (jnp.asarray(np.arange(size) < 4, jnp.float32) for size in (4, 54))
    draw = jax.jit(lambda key: [_draw_rows(key, weights, (20,)) for weights in (short, long)])
    np.testing.assert_array_equal(*draw(rng_key))


def test_micro_batches_add_up_to_the_gradient_of_the_minibatch(rng_key):
    batch = batch_of()
    whole, _ = fit_once(rng_key, batch, num_steps=5)
    pieces, _ = fit_once(rng_key, batch, num_steps=5, micro_batch_size=2)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), whole, pieces)


def test_the_loss_multiplies_by_the_weight(rng_key):
    """One step of gradient descent on rows that all weigh 2 is one of twice the length."""
    batch = batch_of(count=24)
    run = training(num_steps=1)
    start, once, _ = jax.tree.map(np.array, run(rng_key, batch))
    _, twice, _ = jax.tree.map(np.array, run(rng_key, batch._replace(weights=2 * batch.weights)))
    moved = [jax.tree.map(np.subtract, end, start) for end in (once, twice)]
    assert np.abs(moved[0].variables.params["last"]["kernel"]).max() > 1e-3
    jax.tree.map(lambda a, b: np.testing.assert_allclose(2 * a, b, rtol=1e-3, atol=1e-6), *moved)


def test_weight_decay_shrinks_kernels_and_not_biases_by_the_stated_amount(rng_key):
    batch = batch_of(count=10)
    start, plain, _ = jax.tree.map(np.array, training(num_steps=1)(rng_key, batch))
    start, plain = start.variables.params, plain.variables.params
    for decay in (0.3, lambda num_labelled: 3.0 / num_labelled):
        decayed = fit_once(rng_key, batch, num_steps=1, weight_decay=decay)[0].variables.params
        difference = decayed["last"]["kernel"] - plain["last"]["kernel"]
        # The gradient of 0.3 |W|^2 is 0.6 W, and the step is 0.1.
        np.testing.assert_allclose(difference, -0.06 * start["last"]["kernel"], rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(decayed["last"]["bias"], plain["last"]["bias"], rtol=1e-5, atol=1e-7)


def test_weight_decay_may_be_swept_under_vmap(rng_key):
    batch = batch_of()

    @jax.jit
    @jax.vmap
    def kernel(decay):
        fit = gradient_fit(LINEAR_LIKE, CATEGORICAL, SGD, num_steps=30, minibatch_size=8, weight_decay=decay)
        state, _ = fit(rng_key, init_network(LINEAR_LIKE, CATEGORICAL, rng_key, batch), batch)
        return state.variables.params["last"]["kernel"]

    sizes = np.abs(kernel(jnp.array([0.0, 0.1, 1.0]))).sum(axis=(1, 2))
    assert (np.diff(sizes) < 0).all()


def test_augmentation_changes_training_inputs_only(rng_key):
    batch = batch_of()
    flipped, _ = fit_once(rng_key, batch, augment=lambda key, inputs: -inputs, num_steps=200)
    outputs = np.array(outputs_of(flipped.variables, -np.array(batch.inputs)))[:20]
    assert (outputs.argmax(axis=-1) == np.array(batch.labels)[:20]).mean() > 0.9


def test_early_stopping_restores_the_best_parameters_and_stops(rng_key):
    batch, validation = batch_of(), batch_of(5, 24)
    opposite = validation._replace(labels=1 - validation.labels)
    stopping = EarlyStopping(patience=2, evaluate_every=5)
    settings = {"num_steps": 100, "early_stopping": stopping}
    _, stopped = fit_once(rng_key, batch, validation=opposite, **settings)
    state, info = fit_once(rng_key, batch, validation=validation, **settings)
    assert stopped.num_steps <= 20 < info.num_steps
    outputs = np.array(outputs_of(state.variables, validation.inputs), np.float64)
    loss = np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(24), np.array(validation.labels)]
    np.testing.assert_allclose(loss.mean(), info.validation_loss, rtol=1e-5)


def test_early_stopping_can_hold_out_a_part_of_the_labels(rng_key):
    stopping = EarlyStopping(patience=3, evaluate_every=10, held_out_fraction=0.25)
    state, info = fit_once(rng_key, batch_of(), num_steps=200, early_stopping=stopping)
    assert np.isfinite(info.validation_loss)
    assert info.validation_loss < np.log(2)


def test_early_stopping_works_under_vmap_over_seeds(rng_key):
    run = training(num_steps=60, early_stopping=EarlyStopping(patience=1, evaluate_every=5, held_out_fraction=0.3))
    batch = batch_of()
    keys = jax.random.split(rng_key, 4)
    _, _, infos = jax.jit(jax.vmap(run, in_axes=(0, None)))(keys, batch)
    alone = [run(key, batch)[2].num_steps for key in keys]
    np.testing.assert_array_equal(infos.num_steps, alone)


def test_members_trained_together_equal_members_trained_one_by_one(rng_key):
    batch = batch_of()
    states = []
    for at_once in (1, 2, 4):
        posterior = deep_ensemble(
            LINEAR_LIKE, CATEGORICAL, optax.adam(1e-2), num_members=4, members_at_once=at_once,
            num_steps=20, minibatch_size=8,
        )  # fmt: skip
        run = jax.jit(lambda key, batch, of=posterior: of.fit(key, of.init(key, batch), batch)[0])
        states.append(run(rng_key, batch))
    for other in states[1:]:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), states[0], other)


def test_members_differ_in_their_start_and_in_their_data(rng_key):
    posterior = deep_ensemble(LINEAR_LIKE, CATEGORICAL, SGD, num_members=3, num_steps=3, minibatch_size=4)

    @jax.jit
    def run(rng_key, batch):
        state = posterior.init(rng_key, batch)
        same_start = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), state)
        fitted, _ = posterior.fit(rng_key, same_start, batch)
        return [each.variables.params["last"]["kernel"] for each in (state, fitted)]

    kernels, fitted = map(np.array, run(rng_key, batch_of()))
    assert not np.allclose(kernels[0], kernels[1])
    assert not np.allclose(fitted[0], fitted[1])


def test_ensemble_samples_are_different_members(rng_key):
    posterior = deep_ensemble(LINEAR_LIKE, CATEGORICAL, SGD, num_members=4, num_steps=1, minibatch_size=4)

    @jax.jit
    def run(rng_key, batch, seeds):
        state = posterior.init(rng_key, batch)
        draws = jax.vmap(lambda seed: posterior.sample(jax.random.key(seed), state, 3))(seeds)
        return [each.variables.params["first"]["kernel"][..., 0, 0] for each in (state, draws)]

    members, drawn = map(np.array, run(rng_key, batch_of(), np.arange(5)))
    for few in drawn.tolist():
        assert len(set(few)) == 3
        assert set(few) <= set(members.tolist())


def test_bald_of_a_point_estimate_is_exactly_zero(rng_key):
    from bal.acquisition import bald

    network = networks.mlp(num_outputs=3, hidden_sizes=(8,), dropout_rate=0.5)
    posterior = point_estimate(network, CATEGORICAL, SGD, num_steps=5, minibatch_size=4)

    @jax.jit
    def run(rng_key, batch):
        state, _ = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
        return bald(posterior.predict(state, posterior.sample(rng_key, state, None), batch.inputs))

    np.testing.assert_array_equal(run(rng_key, batch_of()), np.zeros(24))


def test_the_trunk_is_evaluated_once_however_many_draws():
    network = networks.cnn(num_outputs=3, variant="gal")
    posterior = mc_dropout(network, CATEGORICAL, SGD, num_steps=1, minibatch_size=4)
    inputs, rng_key = jax.ShapeDtypeStruct((8, 10, 10, 1), jnp.float32), jax.random.key(0)

    def run(rng_key, inputs, num_samples):
        state = posterior.init(rng_key, Batch(inputs, jnp.zeros(8, jnp.int32), jnp.ones(8)))
        return state, posterior.sample(rng_key, state, num_samples)

    def count(num_samples):
        state, draws = jax.eval_shape(lambda *args: run(*args, num_samples), rng_key, inputs)
        return jax.jit(posterior.predict).lower(state, draws, inputs).as_text().count("stablehlo.convolution")

    assert count(2) == count(50) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_steps": 0}, "num_steps"),
        ({"minibatch_size": 0}, "minibatch_size"),
        ({"micro_batch_size": 3}, "micro_batch_size"),
        ({"early_stopping": EarlyStopping(0, 5)}, "patience"),
        ({"early_stopping": EarlyStopping(1, 50)}, "evaluate_every"),
        ({"early_stopping": EarlyStopping(1, 5, 1.5)}, "held_out_fraction"),
        ({"early_stopping": EarlyStopping(1, 5)}, "validation"),
    ],
)
def test_invalid_settings_are_refused(settings, message, rng_key):
    with pytest.raises(ValueError, match=message):
        fit_once(rng_key, batch_of(), **settings)
