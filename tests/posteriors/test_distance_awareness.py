"""On two moons SNGP and DDU are less certain the farther a point is from all labels; a deep ensemble stays sure."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import bal
from bal import likelihoods, networks
from bal.information import mutual_information
from bal.posteriors import ddu, deep_ensemble, sngp
from bal.types import Batch

CATEGORICAL, ADAM = likelihoods.categorical(), optax.adam(5e-3)
TRAINING = {"num_steps": 400, "minibatch_size": 16}
RESIDUAL = networks.mlp(num_outputs=2, hidden_sizes=(32, 32, 32), residual=True)
POSTERIORS = {
    "ddu": ddu(RESIDUAL, CATEGORICAL, ADAM, **TRAINING),
    "deep_ensemble": deep_ensemble(
        networks.mlp(num_outputs=2, hidden_sizes=(32, 32)), CATEGORICAL, ADAM, num_members=5, **TRAINING
    ),
    "sngp": sngp(RESIDUAL, CATEGORICAL, ADAM, num_features=256, **TRAINING),
}
# Distances to the nearest of the labels, whose moons are .5 apart and 1 high; 50 points of each.
RINGS = [(0.0, 0.1), (0.2, 0.3), (0.45, 0.55), (0.9, 1.1), (1.8, 2.2), (4.0, 5.0)]
POINTS_A_RING = 50


@functools.cache
def points():
    """Forty labelled points, and points of each ring around them [R, 50, 2]."""
    dataset = bal.datasets.load("two_moons")
    inputs, labels = np.asarray(dataset.pool_inputs[:40]), np.asarray(dataset.pool_labels[:40])
    random = np.random.default_rng(0)
    candidates = np.concatenate([random.uniform(-size, size, (20_000, 2)) + [0.5, 0.25] for size in (1.5, 3, 7)])
    distances = np.linalg.norm(candidates[:, None] - inputs[None], axis=-1).min(axis=1)
    rings = [candidates[(distances >= low) & (distances < high)][:POINTS_A_RING] for low, high in RINGS]
    batch = Batch(jnp.asarray(inputs, jnp.float32), jnp.asarray(labels, jnp.int32), jnp.ones(40))
    return batch, np.stack(rings).astype(np.float32)


@functools.cache
def uncertainty(name):
    """Mean epistemic uncertainty of each ring: BALD, or the negative log-density, in nats."""
    posterior, (batch, rings) = POSTERIORS[name], points()

    def score(rng_key, batch, inputs):
        key_init, key_fit, key_sample = jax.random.split(rng_key, 3)
        state, _ = posterior.fit(key_fit, posterior.init(key_init, batch), batch)
        if "log_density" in posterior.features:
            return -posterior.features["log_density"](state, inputs)[:, 0]
        draws = posterior.sample(key_sample, state, 200 if posterior.max_samples is None else None)
        return mutual_information(posterior.predict(state, draws, inputs))

    scores = jax.jit(score)(jax.random.key(0), batch, rings.reshape(-1, 2))
    return np.asarray(scores).reshape(len(RINGS), -1).mean(axis=1)


def test_ddu_loses_density_with_the_distance():
    assert (np.diff(uncertainty("ddu")) > 0).all()


def test_the_epistemic_uncertainty_of_sngp_grows_to_that_of_its_prior():
    rings = uncertainty("sngp")
    assert (np.diff(rings)[:4] > 0).all()
    # Far from all labels both functions are independent with variance 1: their BALD is an integral over the difference.
    normals = np.random.default_rng(0).normal(size=(100_000, 2))
    p = 1 / (1 + np.exp(normals[:, 0] - normals[:, 1]))
    prior = np.log(2) + (p * np.log(p) + (1 - p) * np.log(1 - p)).mean()
    np.testing.assert_allclose(rings[-1], prior, rtol=0.1)
    assert rings[-1] > 2 * rings[0]


def test_a_deep_ensemble_stays_sure():
    ensemble, process = uncertainty("deep_ensemble"), uncertainty("sngp")
    assert (ensemble < process).all()
    # As far from all labels as the moons from each other, and twice as far.
    assert (ensemble[2:4] < 0.3 * process[2:4]).all()


@pytest.mark.parametrize(
    ("name", "strategy"),
    [("ddu", bal.strategies.feature_density(batch_size=3)), ("sngp", bal.strategies.bald(batch_size=3))],
)
def test_runs_work_under_jit_and_vmap(name, strategy):
    network = networks.mlp(num_outputs=2, hidden_sizes=(8, 8), residual=True)
    training = {"num_steps": 20, "minibatch_size": 8, **({"num_features": 16} if name == "sngp" else {})}
    posterior = {"ddu": ddu, "sngp": sngp}[name](network, CATEGORICAL, ADAM, **training)
    learner = bal.build(posterior, strategy, num_initial=4, num_rounds=2)
    dataset = bal.datasets.load("two_moons")
    run = jax.jit(jax.vmap(lambda key, data: bal.run(key, learner, data), in_axes=(0, None)))
    state, info = run(jax.random.split(jax.random.key(0), 2), dataset)
    assert np.isfinite(info.metrics["nll"]).all()
    assert (np.asarray(info.selection.num_invalid) == 0).all()
    assert [len(set(indices)) for indices in state.pool.indices.tolist()] == [10, 10]
    assert state.pool.indices[0].tolist() != state.pool.indices[1].tolist()
