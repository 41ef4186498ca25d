"""Every strategy for regression with every kind of posterior over real labels, and with gradients as features."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial

import bal
from bal import pool as pools
from bal.strategies import STRATEGIES
from bal.view import mean_noise, pool_view

NUM_POINTS, NUM_LABELLED, BATCH_SIZE = 30, 6, 4
NETWORK = bal.networks.mlp(num_outputs=1, hidden_sizes=(8,), dropout_rate=0.2)
TRAINING = {"optimizer": optax.adam(0.01), "num_steps": 5, "minibatch_size": 4}
POSTERIORS = {
    "bayesian_linear": bal.posteriors.bayesian_linear(noise=0.5),
    "deep_ensemble": bal.posteriors.deep_ensemble(NETWORK, bal.likelihoods.gaussian(), num_members=3, **TRAINING),
    "gaussian_process": bal.posteriors.gaussian_process(optax.adam(0.05), num_steps=3),
    "laplace": bal.posteriors.laplace(NETWORK, bal.likelihoods.gaussian(), **TRAINING),
    "mc_dropout": bal.posteriors.mc_dropout(NETWORK, bal.likelihoods.gaussian(), **TRAINING),
}
OF_SCORES = ("epistemic_variance", "gaussian_bald", "gaussian_epig")
OF_FEATURES = ("bait", "k_center", "k_means_plus_plus", "lcmd", "max_det")
# These strategies see rows of numbers, whatever network they are the gradients of: all are tried with those of one.
TWO_OF_FEATURES = ("lcmd", "max_det")


def dataset():
    key_inputs, key_noise = jax.random.split(jax.random.key(0))
    inputs = jax.random.normal(key_inputs, (NUM_POINTS, 3))
    return bal.Dataset(inputs, jnp.sin(inputs.sum(axis=1)) + 0.1 * jax.random.normal(key_noise, (NUM_POINTS,)))


@pytest.mark.parametrize("name", POSTERIORS)
def test_every_strategy_for_regression_runs_with_every_kind_of_posterior(name):
    posterior, data = POSTERIORS[name], dataset()
    features = {key: jax.jit(feature) for key, feature in posterior.features.items()}  # traced once for all strategies

    @jax.jit
    def choose(rng_key, data):
        pool = pools.empty_pool(NUM_POINTS, NUM_LABELLED + BATCH_SIZE, data.pool_labels)
        pool = pools.add_labels(pool, jnp.arange(NUM_LABELLED), data.pool_labels[:NUM_LABELLED])
        batch = pools.labelled_batch(pool, data.pool_inputs)
        state, _ = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
        predict = Partial(posterior.predict, state, posterior.sample(rng_key, state, 3))
        view = pool_view(
            rng_key,
            data,
            pool,
            batch,
            predict=predict,
            information=Partial(posterior.likelihood.information),
            noise=Partial(mean_noise),
            features={key: Partial(feature, state) for key, feature in features.items()},
            covariance=None if posterior.covariance is None else Partial(posterior.covariance, state),
            stream=partial(bal.stream, chunk_size=None),
            num_targets=5,
        )
        strategies = {each: STRATEGIES[each](batch_size=BATCH_SIZE) for each in (*OF_SCORES, "max_det")}
        strategies |= {
            f"{each}, gradient": STRATEGIES[each](batch_size=BATCH_SIZE, features="gradient")
            for each in (TWO_OF_FEATURES if name in ("deep_ensemble", "laplace") else OF_FEATURES)
        }
        return {each: strategy.select(rng_key, view) for each, strategy in strategies.items()}

    chosen = choose(jax.random.key(1), data)
    # With one noise for all points, information rises with variance.
    np.testing.assert_array_equal(chosen["gaussian_bald"].indices, chosen["epistemic_variance"].indices)
    for case, selection in chosen.items():
        indices = np.asarray(selection.indices)
        assert len(set(indices.tolist())) == BATCH_SIZE, case
        assert (indices >= NUM_LABELLED).all(), case
        assert (indices < NUM_POINTS).all(), case
        assert np.isfinite(selection.scores).all(), case
        assert selection.num_invalid == 0, case
