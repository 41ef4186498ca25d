"""Learning loss: the ranking loss, where its gradient goes, and that predicted losses order true ones."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.stats import spearmanr

from bal import likelihoods, networks
from bal.metrics import spearman
from bal.posteriors import learning_loss, pairwise_ranking_loss
from bal.types import Batch

NETWORK = networks.mlp(num_outputs=2, hidden_sizes=(8,))
CATEGORICAL = likelihoods.categorical()


def in_float64(predicted, losses, weights, margin):
    """A loop over pairs, as the paper writes it."""
    terms, b = [], len(predicted)
    for i in range(b // 2):
        j = b - 1 - i
        if weights[i] > 0 and weights[j] > 0 and losses[i] != losses[j]:
            sign = 1 if losses[i] > losses[j] else -1
            terms.append(max(0.0, -sign * (float(predicted[i]) - float(predicted[j])) + margin))
    return np.mean(terms) if terms else 0.0


def rows(count, rng_key=None):
    return jax.random.normal(jax.random.key(0) if rng_key is None else rng_key, (2, count))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_ranking_loss_equals_a_loop_over_pairs(count):
    predicted, losses = rows(count)
    losses = jnp.round(losses)  # with ties
    for weights in (jnp.ones(count), (jnp.arange(count) % 3 > 0).astype(jnp.float32), jnp.zeros(count)):
        value = jax.jit(pairwise_ranking_loss)(predicted, losses, weights, margin=0.7)
        np.testing.assert_allclose(value, in_float64(predicted, losses, weights, 0.7), rtol=1e-5, atol=1e-7)


def test_it_is_zero_when_all_pairs_are_ordered_with_the_margin_and_not_with_a_larger_one():
    losses = rows(9)[1]
    predicted = 10 * jnp.argsort(jnp.argsort(losses)).astype(jnp.float32)
    assert pairwise_ranking_loss(predicted, losses, jnp.ones(9), margin=10.0) == 0
    assert pairwise_ranking_loss(predicted, losses, jnp.ones(9), margin=100.0) > 0


def test_a_shift_of_predicted_losses_and_any_growing_function_of_true_ones_change_nothing():
    predicted, losses = rows(10)
    value = pairwise_ranking_loss(predicted, losses, jnp.ones(10))
    np.testing.assert_allclose(pairwise_ranking_loss(predicted + 7, losses, jnp.ones(10)), value, rtol=1e-5)
    np.testing.assert_allclose(pairwise_ranking_loss(predicted, jnp.exp(losses), jnp.ones(10)), value, rtol=1e-6)


def test_no_gradient_goes_into_true_losses_and_none_anywhere_from_rows_that_do_not_count():
    predicted, losses = rows(7)
    weights = jnp.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    losses = losses.at[2].set(jnp.nan).at[5].set(losses[1])
    by_predicted, by_losses = jax.grad(pairwise_ranking_loss, argnums=(0, 1))(predicted, losses, weights, margin=9.0)
    assert (by_losses == 0).all()
    # Left are: the first and the last row. A tie, a padding row and the middle row teach nothing.
    assert (by_predicted != 0).tolist() == [True, False, False, False, False, False, True]


def batch_of(count=24, size=24):
    inputs = jax.random.normal(jax.random.key(2), (size, 3))
    return Batch(inputs, (inputs[:, 0] > 0).astype(jnp.int32), (jnp.arange(size) < count).astype(jnp.float32))


def fitted(network=NETWORK, batch=None, optimizer=None, **settings):
    settings = {"num_steps": 6, "minibatch_size": 8, "hidden_size": 4, **settings}
    batch = batch_of() if batch is None else batch
    posterior = learning_loss(network, CATEGORICAL, optimizer or optax.sgd(0.1), **settings)
    return jax.jit(lambda key: posterior.fit(key, posterior.init(key, batch), batch))(jax.random.key(3))


def test_after_the_stop_step_no_gradient_of_the_module_reaches_the_backbone():
    """A backbone that the module does not train is the same whatever the weight of the module's objective."""
    stops, weights = jnp.array([0, 3, 6, 0, 3, 6]), jnp.array([1e-6] * 3 + [5.0] * 3)
    states, _ = jax.vmap(lambda stop, weight: fitted(detach_after=stop, loss_weight=weight))(stops, weights)
    kernels = states.variables.params["network"]["first"]["kernel"]
    change = jnp.abs(kernels[:3] - kernels[3:]).max(axis=(1, 2))
    assert change[0] < 1e-7
    # Of six steps the first three train it, then all.
    assert (change[1:] > 1e-3).all()
    assert change[1] != change[2]
    # The module itself learns after the stop too.
    own = states.variables.params["loss_prediction"]["levels"]["hidden_0"]["kernel"]
    assert jnp.abs(own[0] - own[3]).max() > 1e-3
    # A static stop step does what a traced one does.
    static = fitted(detach_after=3, loss_weight=5.0)[0]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[4], b, rtol=1e-4, atol=1e-6), states, static)


@pytest.mark.parametrize("settings", [{"minibatch_size": 7}, {"minibatch_size": 9, "micro_batch_size": 3}])
def test_odd_minibatches_and_micro_batches_train_the_module(settings):
    # Under plain gradient descent a bias moves only if it has a gradient. That of the last layer never has: a shift.
    state, info = fitted(**settings)
    module = state.variables.params["loss_prediction"]
    assert jnp.isfinite(info.loss)
    assert jnp.abs(module["levels"]["hidden_0"]["bias"]).max() > 1e-4
    assert jnp.abs(module["last"]["bias"]).max() < 1e-6


@pytest.mark.parametrize(("objective", "likelihood"), [("ranking", "categorical"), ("squared_error", "gaussian")])
def test_predicted_losses_order_the_losses_of_new_points(objective, likelihood):
    """Labels are noise on one side of the plane and certain on the other."""
    key_inputs, key_noise = jax.random.split(jax.random.key(4))
    inputs = jax.random.uniform(key_inputs, (600, 2), minval=-1.0)
    noise = jnp.where(inputs[:, 0] > 0, jax.random.normal(key_noise, (600,)), 0.0)
    target = 2 * inputs[:, 1] + noise
    network = networks.mlp(num_outputs=2 if likelihood == "categorical" else 1, hidden_sizes=(32,))
    labels = (target > 0).astype(jnp.int32) if likelihood == "categorical" else target
    posterior = learning_loss(
        network,
        CATEGORICAL if likelihood == "categorical" else likelihoods.gaussian(initial_noise=0.5),
        optax.adam(5e-3),
        objective=objective,
        hidden_size=16,
        num_steps=400,
        minibatch_size=32,
    )
    batch = Batch(inputs[:400], labels[:400], jnp.ones(400))

    @jax.jit
    def run(key):
        state, _ = posterior.fit(key, posterior.init(key, batch), batch)
        predictive = posterior.likelihood.reduce(
            posterior.predict(state, posterior.sample(key, state, None), inputs[400:])
        )
        losses = posterior.likelihood.nll(predictive, labels[400:])
        return posterior.features["predicted_loss"](state, inputs[400:])[:, 0], losses

    predicted, losses = run(jax.random.key(5))
    correlation = spearmanr(predicted, losses).statistic
    np.testing.assert_allclose(spearman(predicted, losses, jnp.ones(200)), correlation, rtol=1e-4)
    # Of 200 points without any relation, one in a million has a correlation above 0.35.
    assert correlation > 0.35
    assert predicted[inputs[400:, 0] > 0].mean() > predicted[inputs[400:, 0] < 0].mean()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": networks.epinet_mlp(num_outputs=2)}, "intermediate features"),
        ({"objective": "mse"}, "squared_error"),
        ({"margin": 0.0}, "margin above 0"),
        ({"minibatch_size": 1}, "at least 2"),
        ({"micro_batch_size": 1}, "at least 2"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        fitted(**settings)


def test_convolutional_networks_form_pairs_whatever_the_minibatch(rng_key):
    """A prime minibatch has no pieces but single rows, which could not be compared."""
    images = jax.random.normal(rng_key, (40, 8, 8, 1))
    batch = Batch(images, jnp.arange(40) % 2, jnp.ones(40))
    network = networks.cnn(num_outputs=2, variant="gal")
    state, info = fitted(network, batch, num_steps=1, minibatch_size=37)
    assert jnp.isfinite(info.loss)
