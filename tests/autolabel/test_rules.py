"""Rules of automatic labelling: thresholds follow their definitions, and the promised error rate is kept."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binom

from bal.acquisition import bald
from bal.autolabel import RULES, Calibration, assess, calibrate, confidence_above, entropy_below, risk_controlled
from bal.autolabel._risk_controlled import _plan, binomial_cdf

NUM_TRIALS = 500
RULE = risk_controlled(0.05, confidence=0.9)


def uniform_calibration(rng_key, error_rate, num_points=300):
    """Points whose uncertainty is uniform between 0 and 1, wrong with a probability that depends on it."""
    key_uncertainty, key_wrong = jax.random.split(rng_key)
    uncertainty = jax.random.uniform(key_uncertainty, (num_points,))
    wrong = jax.random.uniform(key_wrong, (num_points,)) < error_rate(uncertainty)
    return Calibration(uncertainty, wrong, jnp.ones(num_points))


@jax.jit
def threshold(pool, candidates, calibration):
    """That of the rule. Tests use the same sizes, so that few programs are compiled."""
    return RULE.threshold(jnp.int32(0), pool, candidates, calibration)


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, None))
def threshold_of_trial(rng_key, model):
    """Each trial has its own pool and calibration points; everything is below 1."""
    key_pool, key_calibration = jax.random.split(rng_key)
    pool = jax.random.uniform(key_pool, (400,))
    calibration = uniform_calibration(
        key_calibration, lambda u: jax.lax.switch(model, [rate for rate, *_ in MODELS.values()], u)
    )
    return RULE.threshold(jnp.int32(0), pool, jnp.ones(400, bool), calibration)


# name -> error rate at an uncertainty u, its mean below t, and the least mean coverage for which the rule is any use
MODELS = {
    # Errors lie where the model is uncertain: R(0.84) = 0.05.
    "easy": (lambda u: 0.1 * 5 * u**4, lambda t: 0.1 * t**4, 0.5),
    # Just above what is promised, wherever one looks: only no label at all is right.
    "constant": (lambda u: jnp.full_like(u, 0.0501), lambda t: np.full_like(t, 0.0501), 0.0),
    # The most certain points are as wrong as the most uncertain ones.
    "overconfident": (lambda u: 0.3 * 3 * (1 - u) ** 2, lambda t: 0.3 * (1 - (1 - t) ** 3) / t, 0.0),
    # Right everywhere: all can be labelled.
    "perfect": (lambda u: jnp.zeros_like(u), lambda t: np.zeros_like(t), 1.0),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_promised_error_rate_is_kept_as_often_as_promised(name):
    _, mean_below, least_coverage = MODELS[name]
    keys = jax.random.split(jax.random.key(1), NUM_TRIALS)
    found = np.asarray(threshold_of_trial(keys, list(MODELS).index(name)))
    coverage = np.clip(found, 0, 1)
    violations = (found > -np.inf) & (mean_below(np.maximum(coverage, 1e-6)) > 0.05)
    # Three standard errors of a frequency in so many trials.
    assert violations.mean() <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / NUM_TRIALS)
    assert coverage.mean() >= least_coverage


def test_the_threshold_is_that_of_the_procedure_written_as_a_loop():
    calibration = uniform_calibration(jax.random.key(5), MODELS["easy"][0])
    pool = jax.random.uniform(jax.random.key(6), (100,))
    candidates = jnp.arange(100) < 80
    shares, levels = (np.asarray(a) for a in _plan(jnp.int32(300), 0.05, jnp.float32(0.1)))
    ordered = np.sort(np.asarray(pool)[:80])
    uncertainty, wrong = np.asarray(calibration.uncertainty), np.asarray(calibration.wrong)
    best, carried = -np.inf, 0.0
    for share, level in zip(shares, levels, strict=True):
        rank = int(np.ceil(share * 100))  # points that are no candidates count as the most uncertain
        t = ordered[rank] if rank < 80 else np.inf
        below = uncertainty < t
        level = level + carried
        passes = binom.cdf((below & wrong).sum(), below.sum(), 0.05) <= level
        best, carried = (max(best, t), level) if passes else (best, 0.0)
    assert best > -np.inf
    assert float(threshold(pool, candidates, calibration)) == best


def test_levels_are_those_that_were_promised_and_start_where_no_error_would_pass():
    for num_points, max_error, delta in ((230, 0.01, 0.1), (300, 0.01, 0.05), (300, 0.05, 0.1), (5000, 0.05, 0.1)):
        shares, levels = _plan(jnp.int32(num_points), max_error, jnp.float32(delta))
        assert float(levels.sum()) == pytest.approx(delta, rel=1e-5)
        assert ((shares[1:] >= shares[:-1]) & (shares[1:] <= 1)).all()
        assert float(shares[-1]) == pytest.approx(1.0)
        # With the level that it has, the first test can pass.
        assert (1 - max_error) ** (num_points * float(shares[0])) <= float(levels[0]) * 1.001


def test_the_binomial_test_is_that_of_scipy():
    num_points = jnp.array([1, 1, 10, 59, 300, 300, 2000, 0])
    num_wrong = jnp.array([0, 1, 3, 0, 2, 20, 7, 0])
    for rate in (0.01, 0.05):
        expected = binom.cdf(num_wrong, num_points, rate)
        np.testing.assert_allclose(binomial_cdf(num_wrong, num_points, rate), expected, rtol=2e-3)


def test_points_that_are_equally_uncertain_are_labelled_all_or_none():
    # Half of the points tie at 0, as a very sure model's do, and all are right.
    pool = jnp.where(jnp.arange(100) < 50, 0.0, 1.0 + jnp.arange(100))
    calibration = Calibration(jnp.tile(pool, 3), jnp.tile(pool > 0, 3), jnp.ones(300))
    found = float(threshold(pool, jnp.ones(100, bool), calibration))
    assert int((pool < found).sum()) == 50


def test_padding_and_nan_among_the_calibration_points_count_for_nothing():
    calibration = uniform_calibration(jax.random.key(5), MODELS["easy"][0])
    pool = jax.random.uniform(jax.random.key(6), (100,))
    everything = jnp.ones(100, bool)
    padded = Calibration(
        jnp.concatenate([calibration.uncertainty, jnp.zeros(50)]),
        jnp.concatenate([calibration.wrong, jnp.ones(50, bool)]),
        jnp.concatenate([calibration.weights, jnp.zeros(50)]),
    )
    expected = float(threshold(pool, everything, calibration))
    assert float(threshold(pool, everything, padded)) == expected
    all_nan = calibration._replace(uncertainty=jnp.full(300, jnp.nan))
    assert float(threshold(pool, everything, all_nan)) == -jnp.inf


def test_too_few_calibration_points_satisfy_no_threshold():
    right = Calibration(jnp.linspace(0, 1, 300), jnp.zeros(300, bool), (jnp.arange(300) < 44).astype(float))
    pool, everything = jnp.linspace(0, 1, 100), jnp.ones(100, bool)
    assert RULE.num_calibration == 45
    assert float(threshold(pool, everything, right)) == -jnp.inf
    enough = right._replace(weights=(jnp.arange(300) < 45).astype(float))
    assert float(threshold(pool, everything, enough)) == jnp.inf


def test_the_threshold_of_ceal_falls_by_the_rate_in_each_round_and_not_below_zero():
    rule = entropy_below(0.05, rate=0.01)
    found = jax.vmap(lambda t: rule.threshold(t, None, None, None))(jnp.arange(8))
    np.testing.assert_allclose(found, [0.05, 0.04, 0.03, 0.02, 0.01, 0, 0, 0], atol=1e-8)


def test_a_sweep_over_promised_errors_is_one_vmap():
    calibration = uniform_calibration(jax.random.key(5), MODELS["easy"][0])
    pool, everything = jnp.linspace(0, 1, 100), jnp.ones(100, bool)

    def threshold_at(max_error):
        return risk_controlled(max_error, confidence=0.9).threshold(0, pool, everything, calibration)

    swept = jax.jit(jax.vmap(threshold_at))(jnp.array([0.02, 0.05, 0.2]))
    assert (swept[1:] >= swept[:-1]).all()
    assert float(swept[1]) == pytest.approx(float(threshold(pool, everything, calibration)))


def test_rules_order_points_by_the_uncertainty_that_they_name(rng_key):
    log_probs = jax.nn.log_softmax(2 * jax.random.normal(rng_key, (4, 6, 3)))
    mean = np.exp(np.asarray(log_probs)).mean(axis=0)
    expected = {
        "entropy_below": -(mean * np.log(mean)).sum(axis=-1),
        "confidence_above": 1 - mean.max(axis=-1),
        "risk_controlled": np.asarray(bald(log_probs)),
    }
    rules = {
        "entropy_below": entropy_below(0.1),
        "confidence_above": confidence_above(0.9),
        "risk_controlled": risk_controlled(0.1, uncertainty=bald),
    }
    assert set(rules) == set(RULES)
    for name, rule in rules.items():
        uncertainty, classes = assess(rule, log_probs)
        np.testing.assert_allclose(uncertainty, expected[name], rtol=1e-4, atol=1e-6)
        assert classes.tolist() == mean.argmax(axis=-1).tolist()
        calibration = calibrate(rule, log_probs, jnp.zeros(6, int))
        assert calibration.wrong.tolist() == (mean.argmax(axis=-1) != 0).tolist()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: entropy_below(-0.1), "delta_0"),
        (lambda: entropy_below(0.1, rate=-1.0), "rate"),
        (lambda: confidence_above(1.5), "level"),
        (lambda: risk_controlled(0.0), "max_error"),
        (lambda: risk_controlled(0.1, confidence=1.0), "confidence"),
        (lambda: entropy_below(jnp.nan), "delta_0"),
        (lambda: entropy_below(0.1, rate=jnp.array(jnp.nan)), "rate"),
        (lambda: confidence_above(jnp.array(-0.1)), "level"),
        (lambda: confidence_above(float("nan")), "level"),
        (lambda: risk_controlled(float("nan")), "max_error"),
        (lambda: risk_controlled(0.1, confidence=jnp.array(2.0)), "confidence"),
        (lambda: RULE.threshold(0, jnp.ones(3), jnp.ones(3, bool), None), "calibration points"),
    ],
)
def test_invalid_rules_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
