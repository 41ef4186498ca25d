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


def rows(count):
    return np.random.default_rng(0).standard_normal((2, count), np.float32)


ranking_loss = jax.jit(pairwise_ranking_loss)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_ranking_loss_equals_a_loop_over_pairs(count):
    predicted, losses = rows(count)
    losses = np.round(losses)  # with ties
    for weights in (np.ones(count), np.arange(count) % 3 > 0, np.zeros(count)):
        weights = weights.astype(np.float32)
        value = ranking_loss(predicted, losses, weights, margin=0.7)
        np.testing.assert_allclose(value, in_float64(predicted, losses, weights, 0.7), rtol=1e-5, atol=1e-7)


def test_it_is_zero_when_all_pairs_are_ordered_with_the_margin_and_not_with_a_larger_one():
    losses = rows(9)[1]
    predicted = 10 * np.argsort(np.argsort(losses)).astype(np.float32)
    assert float(ranking_loss(predicted, losses, np.ones(9, np.float32), margin=10.0)) == 0
    assert float(ranking_loss(predicted, losses, np.ones(9, np.float32), margin=100.0)) > 0


def test_a_shift_of_predicted_losses_and_any_growing_function_of_true_ones_change_nothing():
    (predicted, losses), ones = rows(10), np.ones(10, np.float32)
    value = ranking_loss(predicted, losses, ones)
    np.testing.assert_allclose(ranking_loss(predicted + 7, losses, ones), value, rtol=1e-5)
    np.testing.assert_allclose(ranking_loss(predicted, np.exp(losses), ones), value, rtol=1e-6)


def test_no_gradient_goes_into_true_losses_and_none_anywhere_from_rows_that_do_not_count():
    predicted, losses = rows(7)
    weights = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0], np.float32)
    losses[2], losses[5] = np.nan, losses[1]
    gradient = jax.jit(jax.grad(pairwise_ranking_loss, argnums=(0, 1)))
    by_predicted, by_losses = map(np.array, gradient(predicted, losses, weights, margin=9.0))
    assert (by_losses == 0).all()
    # Left are: the first and the last row. A tie, a padding row and the middle row teach nothing.
    assert (by_predicted != 0).tolist() == [True, False, False, False, False, False, True]


def batch_of(count=24, size=24):
    inputs = np.random.default_rng(2).standard_normal((size, 3), np.float32)
    labels, weights = (inputs[:, 0] > 0).astype(np.int32), (np.arange(size) < count).astype(np.float32)
    return Batch(*map(jnp.asarray, (inputs, labels, weights)))


def fitted(network=NETWORK, batch=None, optimizer=None, **settings):
    settings = {"num_steps": 6, "minibatch_size": 8, "hidden_size": 4, **settings}
    batch = batch_of() if batch is None else batch
    posterior = learning_loss(network, CATEGORICAL, optimizer or optax.sgd(0.1), **settings)
    return jax.jit(lambda key: posterior.fit(key, posterior.init(key, batch), batch))(jax.random.key(3))


def test_after_the_stop_step_no_gradient_of_the_module_reaches_the_backbone():
    """A backbone that the module does not train is the same whatever the weight of the module's objective."""
    stops, weights = jnp.array([0, 3, 6, 0, 3, 6]), jnp.array([1e-6] * 3 + [5.0] * 3)
    run = jax.jit(jax.vmap(lambda stop, weight: fitted(detach_after=stop, loss_weight=weight)[0]))
    states = jax.tree.map(np.array, run(stops, weights))
    kernels = states.variables.params["network"]["first"]["kernel"]
    change = np.abs(kernels[:3] - kernels[3:]).max(axis=(1, 2))
    assert change[0] < 1e-7
    # Of six steps the first three train it, then all.
    assert (change[1:] > 1e-3).all()
    assert change[1] != change[2]
    # The module itself learns after the stop too.
    own = states.variables.params["loss_prediction"]["levels"]["hidden_0"]["kernel"]
    assert np.abs(own[0] - own[3]).max() > 1e-3
    # A static stop step does what a traced one does.
    static = fitted(detach_after=3, loss_weight=5.0)[0]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[4], b, rtol=1e-4, atol=1e-6), states, static)


@pytest.mark.parametrize("settings", [{"minibatch_size": 7}, {"minibatch_size": 9, "micro_batch_size": 3}])
def test_odd_minibatches_and_micro_batches_train_the_module(settings):
    # Under plain gradient descent a bias moves only if it has a gradient. That of the last layer never has: a shift.
    state, info = fitted(**settings)
    module = jax.tree.map(np.array, state.variables.params["loss_prediction"])
    assert np.isfinite(info.loss)
    assert np.abs(module["levels"]["hidden_0"]["bias"]).max() > 1e-4
    assert np.abs(module["last"]["bias"]).max() < 1e-6


@pytest.mark.parametrize(("objective", "likelihood"), [("ranking", "categorical"), ("squared_error", "gaussian")])
def test_predicted_losses_order_the_losses_of_new_points(objective, likelihood):
    """Labels are noise on one side of the plane and certain on the other."""
    random = np.random.default_rng(4)
    inputs = random.uniform(-1.0, 1.0, (600, 2)).astype(np.float32)
    noise = np.where(inputs[:, 0] > 0, random.standard_normal(600, np.float32), np.float32(0))
    target = 2 * inputs[:, 1] + noise
    network = networks.mlp(num_outputs=2 if likelihood == "categorical" else 1, hidden_sizes=(32,))
    labels = (target > 0).astype(np.int32) if likelihood == "categorical" else target
    posterior = learning_loss(
        network,
        CATEGORICAL if likelihood == "categorical" else likelihoods.gaussian(initial_noise=0.5),
        optax.adam(5e-3),
        objective=objective,
        hidden_size=16,
        num_steps=400,
        minibatch_size=32,
    )
    new_inputs, new_labels = jnp.asarray(inputs[400:]), jnp.asarray(labels[400:])
    batch = Batch(*map(jnp.asarray, (inputs[:400], labels[:400], np.ones(400, np.float32))))

    @jax.jit
    def run(key):
        state, _ = posterior.fit(key, posterior.init(key, batch), batch)
        predictive = posterior.likelihood.reduce(
            posterior.predict(state, posterior.sample(key, state, None), new_inputs)
        )
        losses = posterior.likelihood.nll(predictive, new_labels)
        return posterior.features["predicted_loss"](state, new_inputs)[:, 0], losses

    predicted, losses = map(np.array, run(jax.random.key(5)))
    correlation = spearmanr(predicted, losses).statistic
    np.testing.assert_allclose(jax.jit(spearman)(predicted, losses, np.ones(200, np.float32)), correlation, rtol=1e-4)
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


def test_convolutional_networks_form_pairs_whatever_the_minibatch():
    """A prime minibatch has no pieces but single rows, which could not be compared."""
    images = np.random.default_rng(0).standard_normal((40, 8, 8, 1), np.float32)
    batch = Batch(*map(jnp.asarray, (images, np.arange(40) % 2, np.ones(40, np.float32))))
    network = networks.cnn(num_outputs=2, variant="gal")
    state, info = fitted(network, batch, num_steps=1, minibatch_size=37)
    assert np.isfinite(info.loss)
