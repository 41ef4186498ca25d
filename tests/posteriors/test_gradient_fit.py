"""The training loop: minibatches, decay, early stopping, micro-batches, ensembles in groups."""

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


def batch_of(rng_key, count=20, size=24):
    inputs = jax.random.normal(rng_key, (size, 3))
    return Batch(inputs, (inputs[:, 0] > 0).astype(jnp.int32), (jnp.arange(size) < count).astype(jnp.float32))


def fit_once(rng_key, batch, network=LINEAR_LIKE, validation=None, **settings):
    settings = {"num_steps": 30, "minibatch_size": 8, **settings}
    optimizer = settings.pop("optimizer", optax.sgd(0.1))
    fit = gradient_fit(network, CATEGORICAL, optimizer, **settings)
    return jax.jit(fit)(rng_key, init_network(network, CATEGORICAL, rng_key, batch), batch, validation)


def test_rows_are_drawn_evenly_among_those_of_positive_weight(rng_key):
    weights = jnp.array([0.0, 1.0, 0.0, 2.0, 1.0, 0.0])
    counts = jnp.bincount(_draw_rows(rng_key, weights, (3000,)), length=6)
    assert counts[jnp.array([0, 2, 5])].sum() == 0
    assert (jnp.abs(counts[jnp.array([1, 3, 4])] - 1000) < 4 * np.sqrt(3000 * 2 / 9)).all()


def test_rows_do_not_depend_on_the_size_of_the_buffer(rng_key):
    short, long = jnp.ones(4), jnp.concatenate([jnp.ones(4), jnp.zeros(50)])
    assert _draw_rows(rng_key, short, (20,)).tolist() == _draw_rows(rng_key, long, (20,)).tolist()


def test_micro_batches_add_up_to_the_gradient_of_the_minibatch(rng_key):
    batch = batch_of(rng_key)
    whole, _ = fit_once(rng_key, batch, num_steps=5)
    pieces, _ = fit_once(rng_key, batch, num_steps=5, micro_batch_size=2)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), whole, pieces)


def test_the_loss_multiplies_by_the_weight(rng_key):
    """One step of gradient descent on rows that all weigh 2 is one of twice the length."""
    batch = batch_of(rng_key, count=24)
    start = init_network(LINEAR_LIKE, CATEGORICAL, rng_key, batch)
    once, _ = fit_once(rng_key, batch, num_steps=1)
    twice, _ = fit_once(rng_key, batch._replace(weights=2 * batch.weights), num_steps=1)
    moved = [jax.tree.map(jnp.subtract, end, start) for end in (once, twice)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(2 * a, b, rtol=1e-3, atol=1e-6), *moved)


def test_weight_decay_shrinks_kernels_and_not_biases_by_the_stated_amount(rng_key):
    batch = batch_of(rng_key, count=10)
    start = init_network(LINEAR_LIKE, CATEGORICAL, rng_key, batch).variables.params
    plain = fit_once(rng_key, batch, num_steps=1)[0].variables.params
    for decay in (0.3, lambda num_labelled: 3.0 / num_labelled):
        decayed = fit_once(rng_key, batch, num_steps=1, weight_decay=decay)[0].variables.params
        difference = decayed["last"]["kernel"] - plain["last"]["kernel"]
        # The gradient of 0.3 |W|^2 is 0.6 W, and the step is 0.1.
        np.testing.assert_allclose(difference, -0.06 * start["last"]["kernel"], rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(decayed["last"]["bias"], plain["last"]["bias"], rtol=1e-5, atol=1e-7)


def test_weight_decay_may_be_swept_under_vmap(rng_key):
    batch = batch_of(rng_key)

    def kernel(decay):
        return jnp.abs(fit_once(rng_key, batch, weight_decay=decay)[0].variables.params["last"]["kernel"]).sum()

    sizes = jax.vmap(kernel)(jnp.array([0.0, 0.1, 1.0]))
    assert (jnp.diff(sizes) < 0).all()


def test_augmentation_changes_training_inputs_only(rng_key):
    batch = batch_of(rng_key)
    flipped, _ = fit_once(rng_key, batch, augment=lambda key, inputs: -inputs, num_steps=200)
    outputs = networks.deterministic_outputs(LINEAR_LIKE, flipped.variables, -batch.inputs[:20])
    assert (outputs.argmax(axis=-1) == batch.labels[:20]).mean() > 0.9


def test_early_stopping_restores_the_best_parameters_and_stops(rng_key):
    batch, validation = batch_of(rng_key), batch_of(jax.random.key(5), 24)
    opposite = validation._replace(labels=1 - validation.labels)
    stopping = EarlyStopping(patience=2, evaluate_every=5)
    settings = {"num_steps": 100, "early_stopping": stopping}
    _, stopped = fit_once(rng_key, batch, validation=opposite, **settings)
    state, info = fit_once(rng_key, batch, validation=validation, **settings)
    assert int(stopped.num_steps) <= 20 < int(info.num_steps)
    outputs = networks.deterministic_outputs(LINEAR_LIKE, state.variables, validation.inputs)
    loss = CATEGORICAL.loss((), outputs, validation.labels).mean()
    np.testing.assert_allclose(loss, info.validation_loss, rtol=1e-5)


def test_early_stopping_can_hold_out_a_part_of_the_labels(rng_key):
    stopping = EarlyStopping(patience=3, evaluate_every=10, held_out_fraction=0.25)
    state, info = fit_once(rng_key, batch_of(rng_key), num_steps=200, early_stopping=stopping)
    assert jnp.isfinite(info.validation_loss)
    assert info.validation_loss < np.log(2)


def test_early_stopping_works_under_vmap_over_seeds(rng_key):
    stopping = EarlyStopping(patience=1, evaluate_every=5, held_out_fraction=0.3)
    batch = batch_of(rng_key)
    keys = jax.random.split(rng_key, 4)
    infos = jax.vmap(lambda key: fit_once(key, batch, num_steps=60, early_stopping=stopping)[1])(keys)
    alone = [int(fit_once(key, batch, num_steps=60, early_stopping=stopping)[1].num_steps) for key in keys]
    assert infos.num_steps.tolist() == alone


def test_members_trained_together_equal_members_trained_one_by_one(rng_key):
    batch = batch_of(rng_key)
    states = []
    for at_once in (1, 2, 4):
        posterior = deep_ensemble(
            LINEAR_LIKE, CATEGORICAL, optax.adam(1e-2), num_members=4, members_at_once=at_once,
            num_steps=20, minibatch_size=8,
        )  # fmt: skip
        states.append(posterior.fit(rng_key, posterior.init(rng_key, batch), batch)[0])
    for other in states[1:]:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), states[0], other)


def test_members_differ_in_their_start_and_in_their_data(rng_key):
    posterior = deep_ensemble(LINEAR_LIKE, CATEGORICAL, optax.sgd(0.1), num_members=3, num_steps=3, minibatch_size=4)
    batch = batch_of(rng_key)
    state = posterior.init(rng_key, batch)
    kernels = state.variables.params["last"]["kernel"]
    assert not np.allclose(kernels[0], kernels[1])
    same_start = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), state)
    fitted = posterior.fit(rng_key, same_start, batch)[0].variables.params["last"]["kernel"]
    assert not np.allclose(fitted[0], fitted[1])


def test_ensemble_samples_are_different_members(rng_key):
    posterior = deep_ensemble(LINEAR_LIKE, CATEGORICAL, optax.sgd(0.1), num_members=4, num_steps=1, minibatch_size=4)
    state = posterior.init(rng_key, batch_of(rng_key))
    biases = state.variables.params["first"]["kernel"][:, 0, 0].tolist()
    for seed in range(5):
        drawn = posterior.sample(jax.random.key(seed), state, 3).variables.params["first"]["kernel"][:, 0, 0].tolist()
        assert len(set(drawn)) == 3
        assert set(drawn) <= set(biases)


def test_bald_of_a_point_estimate_is_exactly_zero(rng_key):
    from bal.acquisition import bald

    network = networks.mlp(num_outputs=3, hidden_sizes=(8,), dropout_rate=0.5)
    posterior = point_estimate(network, CATEGORICAL, optax.sgd(0.1), num_steps=5, minibatch_size=4)
    batch = batch_of(rng_key)
    state, _ = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
    assert (bald(posterior.predict(state, posterior.sample(rng_key, state, None), batch.inputs)) == 0).all()


def test_the_trunk_is_evaluated_once_however_many_draws():
    network = networks.cnn(num_outputs=3, variant="gal")
    posterior = mc_dropout(network, CATEGORICAL, optax.sgd(0.1), num_steps=1, minibatch_size=4)
    inputs = jnp.zeros((8, 10, 10, 1))
    state = posterior.init(jax.random.key(0), Batch(inputs, jnp.zeros(8, jnp.int32), jnp.ones(8)))

    def count(num_samples):
        draws = posterior.sample(jax.random.key(0), state, num_samples)
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
        fit_once(rng_key, batch_of(rng_key), **settings)
