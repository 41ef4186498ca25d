"""Where networks do not mind rounded products and information does, the programs for a TPU ask for full precision."""

import jax
import jax.numpy as jnp
import optax
import pytest

import bal
from bal import acquisition, selection
from bal.posteriors import bayesian_linear, gaussian_process
from bal.types import Gaussian

LOG_PROBS = jax.nn.log_softmax(jnp.ones((5, 12, 3)))
TARGETS = LOG_PROBS[:, :4]
GAUSSIAN, FEW = Gaussian(jnp.ones((5, 12)), jnp.ones((5, 12))), Gaussian(jnp.ones((5, 4)), jnp.ones((5, 4)))
ROWS, EVERYTHING = jnp.ones((12, 4)), jnp.ones(12, bool)

FUNCTIONS = {
    **{name: (score, LOG_PROBS, TARGETS) for name, score in acquisition.TARGET_SCORES.items()},
    "gaussian_epig": (acquisition.gaussian_epig, GAUSSIAN, FEW),
    "per_class": (acquisition.per_class, jnp.ones(12), LOG_PROBS, jnp.ones(3)),
    "condition": (lambda rows: selection.condition(rows, rows[:3], noise=0.1), ROWS),
    "joint_information": (
        lambda log_probs: selection.joint_information(
            jax.random.key(0), log_probs, jnp.arange(2), num_configurations=9
        ),
        LOG_PROBS,
    ),
    "purity_radius": (
        lambda rows: selection.purity_radius(jax.random.key(0), rows, EVERYTHING, num_clusters=2),
        ROWS,
    ),
}


def closed(posterior):
    """All that a closed posterior computes, as one function of a key."""
    batch = bal.Batch(ROWS, jnp.ones(12), jnp.ones(12))

    fresh = posterior.init(jax.random.key(0), batch)

    def everything(rng_key):
        state = posterior.fit(rng_key, fresh, batch)[0]
        draws = posterior.sample(rng_key, state, 3)
        inputs = batch.inputs
        return (
            posterior.predict(state, draws, inputs),
            posterior.covariance(state, inputs, inputs),
            posterior.moments(state, inputs),
        )

    return everything, jax.random.key(0)


FUNCTIONS["bayesian_linear"] = closed(bayesian_linear(noise=0.1))
FUNCTIONS["gaussian_process"] = closed(gaussian_process(optax.adam(0.1), num_steps=1, kernel="rbf"))


def products(fn, *arguments):
    text = jax.jit(fn).trace(*arguments).lower(lowering_platforms=("tpu",)).as_text()
    return [line for line in text.splitlines() if "dot_general" in line]


@pytest.mark.parametrize("case", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_every_product_is_in_full_precision(case):
    found = products(*case)
    assert found
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in found)


def test_a_rule_of_ones_own_can_ask_for_it():
    @bal.full_precision
    def distances(rows):
        return (rows @ rows.T).min(axis=1)

    assert "precision = [HIGHEST, HIGHEST]" in products(distances, ROWS)[0]


def test_elsewhere_the_device_decides():
    assert "DEFAULT" in products(jnp.matmul, ROWS, ROWS.T)[0]
